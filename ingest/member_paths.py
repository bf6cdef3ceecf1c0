"""Names of archive members, made safe to store, show and filter by.

They are never used to open or write anything: a member's bytes go to the blob store under their hash. Still a
path that wants out of its archive is refused, because whoever packed it meant harm.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from index.errors import BadDocument

_DRIVE = re.compile(r"^[A-Za-z]:(?=/|$)")
_JUNK_NAMES = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
# Resource forks of macOS (packed, and as netatalk keeps them), a Synology NAS's thumbnails, what Windows has on a disk.
_JUNK_FOLDERS = frozenset({"__macosx", ".appledouble", "@eadir", "$recycle.bin", "system volume information"})
# Streams beside a file on NTFS, which become files of their own where it is copied by other systems.
_STREAMS = (":zone.identifier", ":encryptable")
_MOST_COMPOSED = 4  # characters that become one: a letter with three accents
_DIRECTION_MARKS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class UnsafePath(BadDocument):
    """A member's path that leads out of the archive, or is no path at all."""

    code = "unsafe_path"


def safe_path(raw: str, max_chars: int) -> str:
    """A relative POSIX path without `.` and `..`: composed Unicode, no control or direction characters.

    Absolute paths and drive letters, as some programs store them, lose their beginning; backslashes are
    separators. `UnsafePath` for `..` components, NUL, an empty or an overlong path.
    """
    if "\0" in raw:
        raise UnsafePath("The member's name contains a NUL character.")
    too_long = UnsafePath(f"The member's path is longer than {max_chars} characters.")
    # Before it is composed, which takes minutes where hundreds of thousands of accents follow one another.
    if len(raw) > _MOST_COMPOSED * max_chars:
        raise too_long
    path = unicodedata.normalize("NFC", raw.replace("\\", "/"))
    if len(path) > max_chars:
        raise too_long
    parts = [part for part in _DRIVE.sub("", path).split("/") if part not in ("", ".")]
    if any(part.strip() == ".." for part in parts):
        raise UnsafePath("The member's path leads out of the archive.")
    cleaned = "/".join(_printable(part) for part in parts)
    if not cleaned:
        raise UnsafePath("The member has no name.")
    return cleaned


def shown_path(raw: str) -> str:
    """Any name, as it can be shown in a report: printable and short."""
    text = _printable(raw)
    return text if len(text) <= 200 else text[:199] + "…"


def is_junk(path: str) -> bool:
    """Files that operating systems leave behind: nobody wants to hear of them."""
    *folders, name = PurePosixPath(path.lower()).parts
    if any(map(is_junk_folder, folders)):
        return True
    return name in _JUNK_NAMES or name.startswith("._") or name.endswith(_STREAMS)


def is_junk_folder(name: str) -> bool:
    """Folders that they leave behind, with all that is in them."""
    return name.lower() in _JUNK_FOLDERS


class Names:
    """Gives each member of an archive a path of its own: a second `a/b.pdf` becomes `a/b (2).pdf`."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def unique(self, path: str) -> str:
        candidate = path
        while candidate in self._taken:
            number = self._next[path] = self._next.get(path, 1) + 1
            pure = PurePosixPath(path)
            candidate = str(pure.with_name(f"{pure.stem} ({number}){pure.suffix}"))
        self._taken.add(candidate)
        return candidate


def _printable(text: str) -> str:
    return "".join(
        "\ufffd" if unicodedata.category(char) in ("Cc", "Cs") or char in _DIRECTION_MARKS else char for char in text
    )
