"""The `Catalog` port: which documents there are. With the blobs, the root of truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from index.types import Manifest, Origin, Split, Tombstone


@dataclass(frozen=True, slots=True)
class Entry:
    """One document: its manifest and every way in which it came. A way that cannot be read any more is told as an
    upload: nothing but its own deletion takes the document away then.
    """

    manifest: Manifest
    origins: tuple[Origin, ...] = ()
    password: str | None = field(default=None, repr=False)

    @property
    def uploaded(self) -> bool:
        """Whether somebody uploaded it by itself, or may have, not only inside an archive."""
        return not self.origins or any(origin.archive_id is None for origin in self.origins)


class Catalog(Protocol):
    """A method returns when its change is durable. Ids that are no ids are unknown ids."""

    def lock(self) -> AbstractContextManager[None]:
        """Held while blobs and manifests change together, across threads and processes; reentrant."""

    def add(self, manifest: Manifest, origin: Origin, password: str | None = None) -> bool:
        """Accept a document; False if it was there, then only origin and password are added."""

    def mend(self, tenant: str, document_id: str, origin: Origin) -> bool:
        """Record anew a way in that was recorded and cannot be read any more; whether this was one."""

    def get(self, tenant: str, document_id: str) -> Entry | None:
        """What is known of a document."""

    def entries(self, tenant: str | None = None) -> Iterator[Entry]:
        """All documents, newest first; `None` spans tenants (recovery and verify only). What other processes changed
        may be missing for a second, longer in a large archive, but not for who holds the lock.
        """

    def listed(self, tenant: str) -> Sequence[Entry]:
        """The documents of a tenant as `entries` gives them, in a sequence that never changes: where something has
        changed, it is another one.
        """

    def holds(self, sha256: str) -> bool:
        """Whether these bytes are a document's, of any tenant, be its manifest readable or not."""

    def split(self, tenant: str, document_id: str, found: Split | None = None) -> Split | None:
        """The split. With `found`: record it first, unless a final one is recorded already."""

    def reopen(self, tenant: str, document_id: str) -> bool:
        """Forget a split that says why a document could not be opened: as if nobody had tried yet. Whether there was
        one.
        """

    def opening(self, tenant: str, document_id: str, *, begins: bool) -> int:
        """Count that opening a document begins, or forget the count since it ended; how many began and never ended,
        this one included. What takes its process down at each try is known by it.
        """

    def await_opening(self, tenant: str, document_id: str) -> None:
        """Record that a document, though it has a split, is to be opened once more: until that has ended it counts as
        being opened. What was counted of openings is forgotten.
        """

    def being_opened(self, tenant: str, document_id: str) -> bool:
        """Whether an opening began and has not ended: somebody is at it, or will be again once he is back."""

    def bury(self, tombstone: Tombstone | None = None) -> list[Tombstone]:
        """Record that a document is to be deleted; or, without one, all tombstones whose deletion is not finished."""

    def buried(self, tenant: str, document_id: str) -> bool:
        """Whether a document was deleted, or is to be, and was not sent in again since."""

    def sent_again(self, tenant: str, document_id: str) -> bool:
        """Whether a document was deleted, and was sent in again since."""

    def forget(self, tenant: str, document_id: str, origin: Origin | None = None) -> None:
        """Drop one origin, or, without one, everything but the tombstone: the end of a deletion."""
