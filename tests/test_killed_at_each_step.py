"""A process that is killed before any change of a file or of the index: the next one finds either what was before, or
what was asked for, whole, and nothing beside it.

`FOLIOSCOPE_KILL_EVERY=1` kills before every change (default: every nineteenth, from a random one on).
"""

from __future__ import annotations

import os
import random

import pytest

from index.store_edge import EdgeStore
from tests.kit import TENANT, Archive, pdf
from tests.test_jobs import zipped
from tests.test_verify import found

EVERY = int(os.environ.get("FOLIOSCOPE_KILL_EVERY", "19"))
SHARED = pdf("shared")
BOX = zipped(a=pdf("one", "two"), b=SHARED)


class Killed(BaseException):
    pass


class Kill:
    """Nothing that is to be changed from that change on (counted from 1) is changed any more."""

    def __init__(self, patch, at):
        self.at = at
        self.changes = 0
        for owner, name in (
            *((os, name) for name in ("link", "unlink", "replace", "rename", "ftruncate", "utime")),
            (EdgeStore, "_apply"),
        ):
            patch.setattr(owner, name, self._guarded(getattr(owner, name)))

    def _guarded(self, change):
        def guarded(*arguments, **options):
            self.changes += 1
            if self.changes >= self.at:
                raise Killed
            return change(*arguments, **options)

        return guarded


def send(archive, content, name):
    archive.upload(content, name)
    archive.settle()


def sent(archive, name):
    return next(
        entry.manifest.document_id for entry in archive.catalog.entries(TENANT) if entry.manifest.filename == name
    )


def delete(archive, name):
    archive.library.delete(TENANT, sent(archive, name))


def both(archive):
    """An archive, and one of its members by itself."""
    send(archive, SHARED, "shared.pdf")
    send(archive, BOX, "box.zip")


def deleted(archive):
    both(archive)
    delete(archive, "box.zip")


CHANGES = {
    "another name": (both, lambda archive: send(archive, SHARED, "letters/1911/other.pdf")),
    "the deletion of an archive": (both, lambda archive: delete(archive, "box.zip")),
    "an archive that was deleted": (deleted, lambda archive: send(archive, BOX, "again.zip")),
}


def state(archive):
    """All that people see of each document."""
    told = []
    for entry in archive.catalog.entries(TENANT):
        view = archive.view(entry.manifest.document_id)
        points = sorted(archive.store.scan(TENANT, document_ids=[entry.manifest.document_id]), key=lambda p: p.key.page)
        pages = [(point.state.value, point.labels.paths, point.labels.folders) for point in points]
        ways = sorted((origin.archive_id or "", origin.path) for origin in entry.origins)
        told.append((entry.manifest.filename, view.state.value, view.pages, ways, entry.password, pages))
    return sorted(told, key=repr)


def left_over(archive):
    files = [path for name in ("incoming", "documents") for path in (archive.root / name).rglob("*") if path.is_file()]
    return [path for path in files if path.name.startswith(".") or path.parent.name == "incoming"]


@pytest.mark.parametrize("change", CHANGES)
def test_all_or_nothing(tmp_path, monkeypatch, change):
    """And `verify` finds nothing to tell."""
    monkeypatch.setattr(os, "fsync", lambda _file: None)  # kills lose nothing of what was written; only power cuts do
    seed = random.randrange(1 << 32)
    print(f"{seed=}")
    prepare, act = CHANGES[change]
    at, ended = random.Random(seed).randint(1, EVERY), False
    archive = Archive(tmp_path / "whole")
    prepare(archive)
    wanted = [state(archive)]
    act(archive)
    wanted.append(state(archive))
    archive.close()
    while not ended:
        archive = Archive(tmp_path / str(at))
        prepare(archive)
        with pytest.MonkeyPatch.context() as patch:
            Kill(patch, at)
            try:
                act(archive)
                ended = True
            except Killed:
                pass
        archive.restart()
        archive.blobs.sweep()
        archive.catalog.sweep()
        archive.settle()
        assert state(archive) in wanted, f"killed before change {at}"
        assert found(archive) == set(), f"killed before change {at}"
        assert left_over(archive) == [], f"killed before change {at}"
        archive.close()
        at += EVERY
