"""Taking deleted text out of the files of an index.

Qdrant marks deleted points and reuses their place some day; their text stays readable in its segment
files and in its write-ahead log. For archives of hospitals and law firms that is not good enough. So a
deletion leaves a note beside the shard, and the next opening copies the points that remain into a new
shard and throws the old files away: some seconds for 10,000 pages. Larger indexes (from 2,000 pages on where
there are vision tokens) are not copied while somebody waits for a start; `folioscope rebuild` cleans those. Nor is one
for whose copy the disk has no room, until it has.

    DIRECTORY/unclean      there were deletions since the last copy
    DIRECTORY/shard.new    being written; complete only once `shard` is gone
    DIRECTORY/shard.old    about to be removed
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import qdrant_edge as q

from index.files import remove, sync_directory, write_atomic

log = logging.getLogger("folioscope.index")

MAX_POINTS = 20_000
MAX_POINTS_WITH_TOKENS = 2_000
"""Vision tokens are most of a point's bytes, and make copying some 10 ms a page."""
_PIECE = 64
_PIECE_WITH_TOKENS = 4  # some 10 MB a page as Python's numbers
_SPARE = 128 << 20
"""Bytes beside the copy and its log, which holds all of it once more and begins with two files of 32 MB."""


def note_deletion(directory: Path) -> None:
    """Remember that the files hold deleted text; before the deletion, so that a crash forgets nothing."""
    write_atomic(directory / "unclean", b"")


def recover(directory: Path) -> None:
    """End a swap that a crash cut short. Before the shard is opened."""
    shard, new, old = directory / "shard", directory / "shard.new", directory / "shard.old"
    if not shard.exists() and old.exists() and new.exists():
        new.rename(shard)
        sync_directory(directory)
    shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def clean(
    directory: Path, shard: q.EdgeShard, create: Callable[[Path], q.EdgeShard], *, tokens: bool = False
) -> q.EdgeShard:
    """The shard without deleted text in its files: itself where there is none, else a copy in its place. `tokens` says
    that pages may have vision tokens.
    """
    if not (directory / "unclean").exists():
        return shard
    points = shard.count(q.CountRequest(exact=True))
    if points > (MAX_POINTS_WITH_TOKENS if tokens else MAX_POINTS):
        log.warning("the index files still hold text of deleted documents; `folioscope rebuild` makes them anew")
        return shard
    path, new, old = directory / "shard", directory / "shard.new", directory / "shard.old"
    # Looked at before: Qdrant writes to mapped files, and where the disk gets full that ends the process.
    if shutil.disk_usage(directory).free < 2 * _allocated(path) + _SPARE:
        log.warning(
            "the index files still hold text of deleted documents: there is no room to copy them; the next start tries "
            "again"
        )
        return shard
    copy = create(new)
    offset = None
    while True:
        records, offset = shard.scroll(
            q.ScrollRequest(
                offset=offset, limit=_PIECE_WITH_TOKENS if tokens else _PIECE, with_payload=True, with_vector=True
            )
        )
        copy.update(
            q.UpdateOperation.upsert_points(
                [q.Point(record.id, record.vector or {}, record.payload) for record in records]
            )
        )
        if offset is None:
            break
    copy.flush()
    copy.close()
    shard.close()
    path.rename(old)
    new.rename(path)
    sync_directory(directory)
    shutil.rmtree(old)
    remove(directory / "unclean")
    log.info("the index was copied without deleted documents: %d pages", points)
    return q.EdgeShard.load(str(path))


def _allocated(directory: Path) -> int:
    """Bytes on the disk; many of Qdrant's files are longer than what was ever written to them."""
    return sum(path.stat().st_blocks * 512 for path in directory.rglob("*") if path.is_file())
