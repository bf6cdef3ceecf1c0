"""Members of ZIP and TAR archives, one after the other, safely.

    for member in members(path, "application/zip", limits=ArchiveLimits(), password=None):
        if isinstance(member, MemberFailure): ...           # reported by name; the others follow
        else:
            for chunk in member.chunks(): ...               # bytes as they are unpacked, nothing on disk

Nothing is ever written here and no member name is used as a path. A member must be taken up (or left) before
the next one is asked for. Nested archives are members like any other: how deep to go is the caller's business.

What can go wrong, and where it shows:

* one member is bad: a `MemberFailure`, or `BadMember` out of `chunks()`, with the code `encrypted`, `damaged`,
  `unsupported_compression`, `unsafe_path`, `not_a_file` (links, devices) or `too_large`; the others follow;
* the archive breaks off or is damaged further on: members before that are given, then a `MemberFailure` for
  `REST`. A ZIP without its table of contents, or a first header that is none: `BadDocument` (`damaged`);
* it is a bomb (overlapping members, or far more bytes than a file of its size can honestly hold):
  `BadDocument` (`bomb`); it is simply over a limit: `TooLarge` (`too_large`). Both end the whole archive: raised
  out of `chunks()`, they are raised again when the next member is asked for.

Directories and what operating systems leave behind (`member_paths.is_junk`) are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from index.errors import BadDocument, FolioscopeError, TooLarge, UnsupportedMedia
from index.types import MemberFailure
from ingest.member_paths import Names, UnsafePath, is_junk, safe_path, shown_path

ARCHIVE_TYPES = ("application/zip", "application/x-tar", "application/gzip")
REST = "(the rest of the archive)"
CHUNK_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What one archive may hold. Nested archives count for themselves."""

    max_members: int = 20_000  # directories and failures counted
    max_expanded_bytes: int = 50 << 30
    max_member_bytes: int = 8 << 30
    max_ratio: float = 250.0  # unpacked to packed, of the whole archive; scans reach 100 when stored uncompressed
    ratio_floor_bytes: int = 64 << 20  # below this much, no ratio makes a bomb
    max_path_chars: int = 1024


class BadMember(BadDocument):
    """A member whose bytes cannot be had. The code says why."""


@dataclass(slots=True)
class Meter:
    """Counts what an archive declares and what really comes out of it; remembers why the archive was given up."""

    limits: ArchiveLimits
    packed_bytes: int
    members: int = 0
    expanded: int = 0
    failure: FolioscopeError | None = None

    def count_member(self) -> None:
        self.members += 1
        if self.members > self.limits.max_members:
            self.give_up(TooLarge(f"The archive holds more than {self.limits.max_members:,} members. Split it up."))

    def add(self, size: int) -> None:
        """`size` more bytes came out."""
        self.expanded += size
        self.check(self.expanded)

    def check(self, expanded: int) -> None:
        """Give up where `expanded` bytes in total are too many, in themselves or for so small an archive."""
        limits = self.limits
        if expanded > limits.ratio_floor_bytes and expanded > limits.max_ratio * self.packed_bytes:
            self.give_up(
                BadDocument("The archive unpacks to far more than its size: it looks like a bomb.", code="bomb")
            )
        if expanded > limits.max_expanded_bytes:
            self.give_up(
                TooLarge(f"The archive unpacks to more than {limits.max_expanded_bytes >> 20:,} MiB. Split it up.")
            )

    def give_up(self, failure: FolioscopeError) -> None:
        """End the archive, now and whenever it is asked again."""
        self.failure = failure
        raise failure

    def raise_if_given_up(self) -> None:
        if self.failure is not None:
            raise self.failure


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file in an archive. `path` is safe to show and unique in the archive; `size` is as declared."""

    path: str
    size: int
    _chunks: Callable[[], Iterator[bytes]] = field(repr=False)

    def chunks(self) -> Iterator[bytes]:
        """The member's bytes in pieces of at most `CHUNK_BYTES`. Raises `BadMember`, or what ends the archive."""
        return self._chunks()


@dataclass(frozen=True, slots=True)
class RawMember:
    """A member as an archive format's reader gives it: `refusal` where it cannot be read anyway."""

    name: str
    size: int
    chunks: Callable[[], Iterator[bytes]]
    refusal: BadMember | None = None


def members(
    path: Path, media_type: str, *, limits: ArchiveLimits | None = None, password: str | None = None
) -> Iterator[Member | MemberFailure]:
    """Members of the archive at `path`, in its own order; see the module's docstring. OSError passes through."""
    from ingest.archive_tar import tar_members
    from ingest.archive_zip import zip_members

    limits = limits or ArchiveLimits()
    meter = Meter(limits, Path(path).stat().st_size)
    names = Names()
    if media_type == "application/zip":
        found = zip_members(path, password, meter)
    elif media_type in ARCHIVE_TYPES:
        found = tar_members(path, meter, compressed=media_type == "application/gzip")
    else:
        raise UnsupportedMedia(f"{media_type} is not an archive.")
    for raw in found:
        if isinstance(raw, MemberFailure):
            yield raw
            continue
        try:
            name = safe_path(raw.name, limits.max_path_chars)
        except UnsafePath as error:
            yield MemberFailure(shown_path(raw.name), error.code, error.message)
            continue
        if is_junk(name):
            continue
        name = names.unique(name)
        if raw.refusal is not None:
            yield MemberFailure(name, raw.refusal.code, raw.refusal.message)
        elif raw.size > limits.max_member_bytes:
            message = f"The member is larger than {limits.max_member_bytes:,} bytes, the limit of one file."
            yield MemberFailure(name, "too_large", message)
        else:
            yield Member(name, raw.size, raw.chunks)
        meter.raise_if_given_up()
