"""A disk that became read-only while the service runs, as after an error of it: said as such, and not as our bug."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from index.errors import StorageFull, StoreUnavailable, Unavailable
from index.ownership import Ownership
from index.types import DocumentState
from tests.kit import TENANT, Archive, pdf
from worker.crashes import CrashLogs
from worker.recovery import CrashLog


class Disk:
    """Of a directory. `read_only`: nothing can be opened for writing, and no name goes."""

    def __init__(self, root, monkeypatch):
        self.read_only = False
        for owner, name in ((Path, "open"), (Path, "unlink"), (os, "open")):
            monkeypatch.setattr(owner, name, self._guarded(getattr(owner, name), name, str(root)))

    def _guarded(self, call, name, root):
        def guarded(path, *arguments, **options):
            how = (*arguments, *options.values(), "r")[0]
            writes = name == "unlink" or (set(how) & set("wax+") if isinstance(how, str) else how & os.O_ACCMODE)
            if self.read_only and writes and str(path).startswith(root):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
            return call(path, *arguments, **options)

        return guarded


@pytest.fixture
def archive(tmp_path):
    held = Archive(tmp_path)
    yield held
    held.close()


@pytest.fixture
def disk(archive, monkeypatch):
    return Disk(archive.root, monkeypatch)


def test_what_would_change_something_is_refused(archive, disk):
    """To be tried again, which is 503; what was there is still found, and goes on once the disk can be written to."""
    archive.engine.fail = {"smudged": [RuntimeError("broken")] * 3}
    document, bad = archive.upload(pdf("a letter")), archive.upload(pdf("smudged"))
    closed = archive.upload(pdf("!locked"))
    archive.settle()
    half = archive.library.stage()
    half.write(pdf("two"))
    uploads, content = archive.library.uploads, pdf("three")
    begun, whole = (uploads.create(TENANT, len(content), filename="three.pdf").id for _ in range(2))
    with uploads.appending(TENANT, whole, 0) as end:
        end.write(content)
    disk.read_only = True
    changes = (
        lambda: archive.upload(pdf("another")),
        lambda: archive.library.delete(TENANT, document),
        lambda: uploads.create(TENANT, 10, filename="three.pdf"),
        lambda: uploads.appending(TENANT, begun, 0).__enter__(),
        lambda: archive.library.finish_upload(TENANT, whole),
        lambda: uploads.delete(TENANT, begun),
        lambda: archive.library.idempotency.claim(TENANT, "upload", "key"),
        lambda: archive.library.read_again(TENANT, bad),
        lambda: archive.library.read_again(TENANT, closed),
        lambda: archive.library.read_failed_again(TENANT),
    )
    for change in changes:
        with pytest.raises(Unavailable, match="read-only") as caught:
            change()
        assert not isinstance(caught.value, StorageFull)
    half.discard()
    assert archive.texts(document) == ["a letter"]
    assert [archive.view(one).state for one in (bad, closed)] == [DocumentState.FAILED] * 2
    assert archive.rung == []
    disk.read_only = False
    assert archive.blobs.sweep() == 1
    archive.library.delete(TENANT, document)
    assert archive.library.finish_upload(TENANT, whole).document_id
    again = archive.upload(pdf("another"))
    archive.settle()
    assert archive.view(again).state is DocumentState.DONE


def test_the_service_ends_in_order(tmp_path, monkeypatch):
    """Its crash logs stay, empty: nobody takes that for a crash."""
    disk = Disk(tmp_path, monkeypatch)
    log, logs = CrashLog(tmp_path / "crash.log"), CrashLogs(tmp_path / "crashes")
    for one in (log.arm, lambda: logs.arm("worker")):
        one()
    disk.read_only = True
    logs.disarm()
    log.disarm()
    assert not CrashLog(tmp_path / "crash.log").crashed
    assert not logs.crashed("worker")


def test_an_owner_that_finds_no_room_to_say_so_is_one(tmp_path, monkeypatch):
    """A full disk keeps no service from starting; only its number is not told."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        owner = Ownership(tmp_path)
    with pytest.raises(StoreUnavailable, match="unknown"):
        Ownership(tmp_path)
    owner.release()
    Ownership(tmp_path).release()
