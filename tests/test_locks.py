"""Locks that several machines share over NFS, which locks files that are open for writing and nothing else."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from datetime import UTC, datetime, timedelta

import pytest

from index.catalog_dir import DirCatalog
from index.files import try_lock
from index.keys import KeyDirectory, Scope
from index.ownership import Ownership
from worker.asking.conversation import Conversations, Turn
from worker.claims import Claims
from worker.crashes import CrashLogs
from worker.elected import ElectedThread
from worker.idempotency import IdempotencyKeys
from worker.uploads import ResumableUploads, UploadConfig
from worker.webhooks.hooks import Hooks

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def webhooks(root):
    hooks = Hooks(root)
    hook = hooks.add("one", "https://hooks.example/x", ["document.done"], NOW)
    hooks.rotate("one", hook.hook_id, timedelta(), NOW)


def keys(root):
    directory = KeyDirectory(root)
    _, key = directory.create(name="anna", tenant="one", scopes=frozenset({Scope.READ}), now=NOW)
    directory.revoke(key.key_id, NOW)


def conversations(root):
    kept = Conversations(root)
    kept.add("one", kept.start(), Turn("Who?", "He."))


def uploads(root):
    kept = ResumableUploads(root, UploadConfig(max_bytes=100))
    with kept.appending("one", kept.create("one", 3, filename="a.pdf").id, 0) as writing:
        writing.write(b"abc")


def claims(root):
    with Claims(root, "worker").hold("page") as claim:
        assert claim is not None


def catalog(root):
    with DirCatalog(root).lock():
        pass


def elected(root):
    root.mkdir()
    thread = ElectedThread("t", root / "lock", lambda: None, every_s=60, shutdown_s=1, log=None)
    assert thread._elected()
    os.close(thread._handle)


def crashes(root):
    logs = CrashLogs(root)
    logs.arm("worker-1")
    logs.disarm()


def test_a_lock_is_had_by_one_and_the_file_may_go(tmp_path, monkeypatch):
    """Who has it may remove the file: what is locked then is the one that is there. A lock that cannot be taken leaves
    no handle behind, and a folder that is gone is no lock that another has.
    """
    path = tmp_path / "lock"
    first = try_lock(path)
    assert try_lock(path) is None
    path.unlink()
    assert try_lock(path, create=False) is None
    second = try_lock(path)
    assert os.fstat(second).st_ino == path.stat().st_ino
    for handle in (first, second):
        os.close(handle)
    with pytest.raises(FileNotFoundError):
        try_lock(tmp_path / "gone" / "lock")

    opened, closed, close = [], [], os.close

    def without_locks(handle, _how):
        opened.append(handle)
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", without_locks)
    monkeypatch.setattr(os, "close", lambda handle: (closed.append(handle), close(handle)))
    with pytest.raises(OSError, match="No locks"):
        IdempotencyKeys(tmp_path).claim("one", "POST /v1/documents", "key")
    assert len(opened) == 1
    assert set(opened) <= set(closed)


@pytest.mark.parametrize(
    "use",
    [
        webhooks,
        keys,
        conversations,
        uploads,
        claims,
        catalog,
        elected,
        crashes,
        lambda root: IdempotencyKeys(root).claim("one", "POST /v1/documents", "key").close(),
        lambda root: Ownership(root).release(),
        lambda root: Ownership(root, shared=True).release(),
    ],
)
def test_what_is_locked_is_a_file_open_for_writing(tmp_path, monkeypatch, use):
    """A folder is locked on one machine only: of two that gave a webhook a new secret at once, one was lost."""
    real, seen = fcntl.flock, []

    def flock(file, how):
        handle = file if isinstance(file, int) else file.fileno()
        seen.append((stat.S_ISREG(os.fstat(handle).st_mode), fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE))
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    use(tmp_path / "data")
    assert seen
    assert all(is_file and mode in {os.O_WRONLY, os.O_RDWR} for is_file, mode in seen)
