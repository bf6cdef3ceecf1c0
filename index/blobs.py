"""The `BlobStore` port: immutable bytes, named by their sha256."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from index.types import Blob


class Staged(Protocol):
    """Bytes on their way in. One thread at a time."""

    size: int

    @property
    def path(self) -> Path:
        """A local file with the bytes so far, for looking at before the commit."""

    def write(self, chunk: bytes) -> None:
        """Append. `TooLarge` past the limit, `StorageFull` when the disk is; both leave nothing behind."""

    def seal(self) -> str:
        """End writing and make the bytes durable, not yet under their name; their sha256 in hex. Harmless twice.
        A commit does it too; done before, it spares those who wait for the catalog's lock the slow part.
        """

    def discard(self) -> None:
        """Drop it. Harmless twice, and after a commit."""


class BlobStore(Protocol):
    def stage(self, limit: int) -> Staged:
        """Start an upload of at most `limit` bytes."""

    def commit(self, staged: Staged) -> Blob:
        """Make the bytes durable under their hash; the same bytes twice are one blob."""

    def has(self, sha256: str) -> bool:
        """Whether it is stored."""

    def path(self, sha256: str) -> Path:
        """A local file with the bytes, for reading only. `NotFound` if there is none."""

    def delete(self, sha256: str) -> bool:
        """Remove; whether it was there."""

    def blobs(self) -> Iterator[Blob]:
        """All that are stored, by name and size."""

    def check(self, sha256: str) -> bool:
        """Hash the stored bytes again: whether they are still what their name says."""
