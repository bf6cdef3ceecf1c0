"""The records of deletions: `<document_id>.gone.json`, and `.former-<time>.json` of a life before this one.

That there is one says that a document is to be deleted. It tells when that began and how many pages there were, and
neither name nor hash: who deletes a document may have to be rid of both. What an older version wrote, or another of the
document's files that became the record on a full disk (`write`), is rewritten.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from index.catalog_records import deletion_of, dump, load
from index.errors import StorageFull
from index.files import rename, write_atomic
from index.types import Tombstone

GONE = "gone.json"
_LONGEST = 120
"""Bytes of a record; those of older versions have more, by a hash alone of 64."""


def write(path: Path, stone: Tombstone, *, instead: Callable[[], Iterable[Path]] = tuple) -> None:
    """Record a deletion, unless it is recorded as it should be. Deleting is how people make room: on a full disk the
    first of `instead` that is there becomes the record, which takes no room. `StorageFull` where none of them is.
    """
    there = path.exists()
    if there and not _is_long(path) and load(path, deletion_of):
        return
    try:
        write_atomic(path, _content(stone), replace=True)
    except StorageFull:
        if not there and not any(rename(other, path) for other in instead()):
            raise


def unfinished(root: Path) -> list[Tombstone]:
    """Deletions of all tenants that began and did not end: the manifest, which goes last, is still there."""
    found = []
    for folder in _folders(root):
        with os.scandir(folder) as files:
            names = {file.name for file in files}
        gone = sorted(name.removesuffix(f".{GONE}") for name in names if name.endswith(f".{GONE}"))
        found += [_read(folder / f"{one}.{GONE}") for one in gone if f"{one}.json" in names]
    return found


def long(root: Path) -> Iterator[Path]:
    """Records that say more than they should. Only their sizes are looked at, since there may be very many."""
    for folder in _folders(root):
        with os.scandir(folder) as files:
            records = [folder / file.name for file in files if f".{GONE}" in file.name or ".former-" in file.name]
        yield from (path for path in records if _is_long(path))


def shorten(path: Path) -> bool:
    """Rewrite a record that is still there; whether it was. The caller holds the catalog's lock."""
    return path.exists() and write_atomic(path, _content(_read(path)), replace=True)


def _read(path: Path) -> Tombstone:
    facts = load(path, deletion_of) or (datetime.fromtimestamp(path.stat().st_mtime, UTC), 0)
    return Tombstone(path.parent.name, path.name.partition(".")[0], *facts)


def _content(stone: Tombstone) -> bytes:
    return dump({"deleted_at": stone.deleted_at, "pages": stone.pages})


def _is_long(path: Path) -> bool:
    try:
        return path.stat().st_size > _LONGEST
    except FileNotFoundError:
        return False


def _folders(root: Path) -> list[Path]:
    with os.scandir(root) as folders:
        return [Path(folder.path) for folder in folders if folder.is_dir()]
