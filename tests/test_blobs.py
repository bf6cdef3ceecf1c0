"""Blobs: whole or not at all, named by their hash."""

from __future__ import annotations

import errno
import hashlib
import shutil

import pytest

from index.blobs_dir import DirBlobStore
from index.errors import NotFound, StorageFull, TooLarge


@pytest.fixture
def blobs(tmp_path):
    return DirBlobStore(tmp_path)


def store(blobs, *chunks, limit=1_000):
    staged = blobs.stage(limit)
    for chunk in chunks:
        staged.write(chunk)
    return blobs.commit(staged)


def test_named_by_hash(blobs):
    """The chunks of an upload become one file under the sha256 of all of them."""
    blob = store(blobs, b"one ", b"two")
    assert blob.sha256 == hashlib.sha256(b"one two").hexdigest()
    assert blobs.path(blob.sha256).read_bytes() == b"one two"
    assert blob.size == 7
    assert list(blobs.blobs()) == [blob]
    assert blobs.check(blob.sha256)


def test_same_bytes_are_one_blob(blobs):
    """Uploading the same bytes again adds nothing."""
    assert store(blobs, b"same") == store(blobs, b"sa", b"me")
    assert len(list(blobs.blobs())) == 1


def test_incoming_is_empty_after_every_end(blobs, tmp_path):
    """Committed, discarded and refused uploads leave no temporary file."""
    store(blobs, b"kept")
    staged = blobs.stage(10)
    staged.write(b"half")
    staged.discard()
    staged.discard()
    with pytest.raises(TooLarge):
        store(blobs, b"more than", b" ten bytes", limit=10)
    assert list((tmp_path / "incoming").iterdir()) == []
    assert len(list(blobs.blobs())) == 1


def test_crash_leftovers_are_swept(blobs, tmp_path):
    """What a killed process was still writing is removed at the next start, blobs are not."""
    kept = store(blobs, b"kept")
    blobs.stage(10).write(b"cut off")
    assert DirBlobStore(tmp_path).sweep() == 1
    assert list((tmp_path / "incoming").iterdir()) == []
    assert blobs.check(kept.sha256)


def test_rot_is_seen_and_healed_by_uploading_again(blobs):
    """A changed byte fails the check; the same upload puts the right bytes back."""
    blob = store(blobs, b"precious")
    blobs.path(blob.sha256).write_bytes(b"precioux")
    assert not blobs.check(blob.sha256)
    store(blobs, b"precious")
    assert blobs.check(blob.sha256)


def test_a_blob_that_goes_while_all_are_listed_is_passed_over(blobs):
    """Another process may delete one at any time."""
    stored = {store(blobs, bytes([number])) for number in range(3)}
    listed = blobs.blobs()
    found = {next(listed)}
    lost = next(iter(stored - found))
    assert blobs.delete(lost.sha256)
    assert found | set(listed) == stored - {lost}


def test_names_that_are_no_hashes(blobs):
    """Nothing but a stored sha256 is a blob, least of all a path."""
    for name in ("../owner.lock", "", "0" * 64, "0" * 63 + "/"):
        with pytest.raises(NotFound):
            blobs.path(name)
        assert not blobs.delete(name)


def test_no_room_left(tmp_path, monkeypatch):
    """An upload that would leave less than the reserve is refused and leaves nothing behind."""
    blobs = DirBlobStore(tmp_path, min_free_bytes=1_000)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1_003))
    assert store(blobs, b"abc").size == 3
    with pytest.raises(StorageFull):
        store(blobs, b"abcd")
    assert list((tmp_path / "incoming").iterdir()) == []


def test_a_disk_that_gets_full_during_an_upload(tmp_path, monkeypatch):
    """Others write too: the reserve is looked at again every 16 MB."""
    blobs = DirBlobStore(tmp_path, min_free_bytes=1_000)
    usage = shutil.disk_usage(tmp_path)
    staged = blobs.stage(1 << 30)
    staged.write(b"abc")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=999))
    with pytest.raises(StorageFull):
        for _ in range(17):
            staged.write(bytes(1 << 20))
    assert list((tmp_path / "incoming").iterdir()) == []


def test_disk_full_while_writing(blobs, tmp_path, monkeypatch):
    """ENOSPC from the file system becomes StorageFull, and the partial file is removed."""
    staged = blobs.stage(1_000)

    class Full:
        def write(self, _chunk):
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self):
            pass

    monkeypatch.setattr(staged, "_file", Full())
    with pytest.raises(StorageFull):
        staged.write(b"abc")
    assert list((tmp_path / "incoming").iterdir()) == []
