"""The records of deletions: `<document_id>.gone.json`, and `.former-<time>.json` of a life before this one.

That there is one says that a document is to be deleted. It tells when that began and how many pages there were, and
neither name nor hash: who deletes a document may have to be rid of both. What an older version wrote is rewritten, and
so is what took its place on a full disk (`write`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from index.catalog_records import deletion_of, dump, load
from index.errors import StorageFull
from index.files import rename, write_atomic
from index.types import Tombstone

GONE = "gone.json"
_LONGEST = 120
"""Bytes of a record; those of older versions have more, by a hash alone of 64."""


def write(path: Path, stone: Tombstone, *, instead: Callable[[], Iterable[Path]] = tuple) -> bool:
    """Record a deletion, unless it is recorded as it should be; whether it now is. Deleting is how people make room: on
    a full disk the first of `instead` that is there becomes the record, which takes no room, and is emptied: it may
    hold the name, and a disk that stays full would keep it. `StorageFull` where none of them is there.
    """
    there = path.exists()
    recorded = there and load(path, deletion_of)
    if recorded and not _is_odd(path):
        return True
    try:
        return write_atomic(path, _content(stone), replace=True)
    except StorageFull:
        if not there and not any(rename(other, path) for other in instead()):
            raise
        if not recorded:
            with suppress(OSError):  # where even that takes room, as where files are never overwritten
                os.truncate(path, 0)
        return False


def unfinished(root: Path) -> list[Tombstone]:
    """Deletions of all tenants that began and did not end: the manifest, which goes last, is still there."""
    found = []
    for folder in _folders(root):
        with os.scandir(folder) as files:
            names = {file.name for file in files}
        gone = sorted(name.removesuffix(f".{GONE}") for name in names if name.endswith(f".{GONE}"))
        found += filter(None, (_read(folder / f"{one}.{GONE}") for one in gone if f"{one}.json" in names))
    return found


def odd(root: Path) -> Iterator[Path]:
    """Records that say more than they should, or nothing. Only sizes are looked at, since there may be very many."""
    for folder in _folders(root):
        with os.scandir(folder) as files:
            records = [folder / file.name for file in files if f".{GONE}" in file.name or ".former-" in file.name]
        yield from (path for path in records if _is_odd(path))


def mend(path: Path) -> bool:
    """Rewrite a record that is still there; whether it was. The caller holds the catalog's lock."""
    stone = _read(path)
    return stone is not None and write_atomic(path, _content(stone), replace=True)


def _read(path: Path) -> Tombstone | None:
    """None where it is there no more: another process took the document in again since the directory was listed."""
    facts = load(path, deletion_of)
    if facts is None:
        try:
            facts = datetime.fromtimestamp(path.stat().st_mtime, UTC), 0
        except FileNotFoundError:
            return None
    return Tombstone(path.parent.name, path.name.partition(".")[0], *facts)


def _content(stone: Tombstone) -> bytes:
    return dump({"deleted_at": stone.deleted_at, "pages": stone.pages})


def _is_odd(path: Path) -> bool:
    try:
        return not 0 < path.stat().st_size <= _LONGEST
    except FileNotFoundError:
        return False


def _folders(root: Path) -> list[Path]:
    with os.scandir(root) as folders:
        return [Path(folder.path) for folder in folders if folder.is_dir()]
