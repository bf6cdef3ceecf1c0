"""Uploads that break off and go on: what was acknowledged is kept, and the end is an upload like any other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

import worker.uploads
from index.errors import BadDocument, Conflict, NotFound, StorageFull, TooLarge
from worker.uploads import ResumableUploads, UploadConfig


def uploads(path, now=None, **config):
    return ResumableUploads(path, UploadConfig(**{"max_bytes": 1000, **config}), clock=lambda: now[0] if now else 0.0)


def write(kept, upload, offset, content):
    with kept.appending(upload.tenant, upload.id, offset) as end:
        end.write(content)


def collected(seen):
    def finish(upload, password, chunks):
        seen.append((upload.filename, password, b"".join(chunks)))
        return "the-document"

    return finish


def test_what_came_is_there_after_a_restart(tmp_path):
    """Another process that opens the directory goes on where the first one stopped."""
    upload = uploads(tmp_path).create("t", 10, filename="a.pdf", password="pw")
    write(uploads(tmp_path), upload, 0, b"01234")
    again = uploads(tmp_path)
    assert again.get("t", upload.id).offset == 5
    write(again, upload, 5, b"56789")
    seen = []
    assert again.finish("t", upload.id, collected(seen)).document_id == "the-document"
    assert seen == [("a.pdf", "pw", b"0123456789")]


def test_finished_once(tmp_path):
    """Asked to finish again, it gives the same document and hands nothing over; its bytes are gone."""
    kept, seen = uploads(tmp_path), []
    upload = kept.create("t", 3, filename="a")
    assert kept.finish("t", upload.id, collected(seen)).document_id is None
    write(kept, upload, 0, b"abc")
    for _ in range(3):
        assert kept.finish("t", upload.id, collected(seen)).document_id == "the-document"
    assert len(seen) == 1
    assert not list(tmp_path.glob("*.part"))
    assert kept.get("t", upload.id).document_id == "the-document"


def test_finished_upload_keeps_no_password(tmp_path):
    """Beside the document, which can be deleted, nothing holds its name, bytes or password, even after a crash."""
    kept = uploads(tmp_path)
    upload = kept.create("t", 3, filename="letter.pdf", password="sesame")
    write(kept, upload, 0, b"abc")
    part = (tmp_path / f"{upload.id}.part").read_bytes()
    facts = (tmp_path / f"{upload.id}.json").read_bytes()
    kept.finish("t", upload.id, collected([]))
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert not [secret for secret in (b"sesame", b"letter", b"abc") if secret in held]
    # As if the process had died before it tidied up.
    (tmp_path / f"{upload.id}.part").write_bytes(part)
    (tmp_path / f"{upload.id}.json").write_bytes(facts)
    assert kept.finish("t", upload.id, collected([])).document_id == "the-document"
    assert b"sesame" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_finished_upload_takes_no_more(tmp_path):
    """What is a document already is not written to."""
    kept = uploads(tmp_path)
    upload = kept.create("t", 3, filename="a")
    write(kept, upload, 0, b"abc")
    kept.finish("t", upload.id, collected([]))
    with pytest.raises(Conflict, match="is finished"):
        write(kept, upload, 3, b"")


def test_two_who_finish_at_once_hand_over_once(tmp_path, monkeypatch):
    """Who looked before the other was done, and came after it, does not bring the document back: it may be deleted."""
    first, second, seen = uploads(tmp_path), uploads(tmp_path), []
    upload = first.create("t", 3, filename="a")
    write(first, upload, 0, b"abc")
    lock, others = worker.uploads._lock, [lambda: first.finish("t", upload.id, collected(seen))]

    def late(file):
        while others:
            others.pop()()
        lock(file)

    monkeypatch.setattr(worker.uploads, "_lock", late)
    assert second.finish("t", upload.id, collected(seen)).document_id == "the-document"
    assert len(seen) == 1


def test_a_disk_that_is_full_at_the_last_bytes_is_told(tmp_path):
    """Bytes so few that they wait in memory until the end fail no other way than many do."""
    kept = uploads(tmp_path)
    upload = kept.create("t", 10, filename="a")
    part = tmp_path / f"{upload.id}.part"
    part.unlink()
    part.symlink_to("/dev/full")
    with pytest.raises(StorageFull):
        write(kept, upload, 0, b"abc")


def test_crash_before_the_end_was_noted(tmp_path):
    """A finish that died half-way is done again and gives what the service gives for the same bytes."""
    kept, seen = uploads(tmp_path), []
    upload = kept.create("t", 3, filename="a")
    write(kept, upload, 0, b"abc")

    def dies(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.finish("t", upload.id, dies)
    assert uploads(tmp_path).finish("t", upload.id, collected(seen)).document_id == "the-document"


def test_refused_file_ends_the_upload(tmp_path):
    """A file that cannot be taken is not offered for ever; trouble that passes leaves it there."""
    kept = uploads(tmp_path)

    def raising(error):
        def finish(*_):
            raise error

        return finish

    upload = kept.create("t", 3, filename="a")
    write(kept, upload, 0, b"abc")
    with pytest.raises(StorageFull):
        kept.finish("t", upload.id, raising(StorageFull("full")))
    assert kept.get("t", upload.id).offset == 3
    with pytest.raises(BadDocument):
        kept.finish("t", upload.id, raising(BadDocument("no document")))
    with pytest.raises(NotFound):
        kept.get("t", upload.id)


def test_offsets_and_lengths_hold(tmp_path):
    """Bytes at another offset, past the end or over the limit are refused; a file that is longer than was said does not
    become a document cut to that length.
    """
    kept = uploads(tmp_path)
    upload = kept.create("t", 4, filename="a")
    for offset in (1, -1, 5):
        with pytest.raises(Conflict) as caught:
            write(kept, upload, offset, b"x")
        assert caught.value.code == "wrong_offset"
    with pytest.raises(TooLarge):
        write(kept, upload, 0, b"abcdef")
    assert kept.get("t", upload.id).offset == 0
    write(kept, upload, 0, b"ab")
    with pytest.raises(TooLarge), kept.appending("t", upload.id, 2) as end:
        end.write(b"c")
        end.write(b"def")
    assert (tmp_path / f"{upload.id}.part").read_bytes() == b"ab"
    with pytest.raises(TooLarge):
        kept.create("t", 1001, filename="a")
    with pytest.raises(StorageFull):
        uploads(tmp_path, min_free_bytes=1 << 60).create("t", 1, filename="a")


def test_one_writer_at_a_time(tmp_path):
    """A second writer is refused while the first one writes."""
    kept = uploads(tmp_path)
    upload = kept.create("t", 4, filename="a")
    with kept.appending("t", upload.id, 0) as end:
        end.write(b"ab")
        with pytest.raises(Conflict) as caught:
            write(kept, upload, 0, b"xx")
    assert caught.value.code == "upload_busy"
    assert kept.get("t", upload.id).offset == 2


def test_tenants_and_hostile_ids(tmp_path):
    """Another tenant's upload is an unknown one, and an id is never a path."""
    kept = uploads(tmp_path / "uploads")
    (tmp_path / "secret.json").write_text('{"tenant": "t"}')
    upload = kept.create("t", 4, filename="a")
    for tenant, upload_id in (("other", upload.id), ("t", "../secret"), ("t", ""), ("t", "0" * 32), ("t", "\0")):
        for act in (kept.get, kept.delete):
            with pytest.raises(NotFound):
                act(tenant, upload_id)
    assert (tmp_path / "secret.json").exists()
    assert oct(next((tmp_path / "uploads").glob("*.json")).stat().st_mode)[-3:] == "600"


def test_forgotten_uploads_expire(tmp_path):
    """What nobody went on with is removed after its time, what moves is kept; many are too many."""
    now = [1e9]
    kept = uploads(tmp_path, now, keep_s=100, per_tenant=2)
    old, moving = kept.create("t", 4, filename="a"), kept.create("t", 4, filename="b")
    for upload, at in ((old, 1e9), (moving, 1e9 + 90)):
        os.utime(tmp_path / f"{upload.id}.part", (at, at))
    with pytest.raises(Conflict):
        kept.create("t", 4, filename="c")
    kept.create("other", 4, filename="c")
    now[0] += 101
    kept.create("t", 4, filename="d")  # the place of the forgotten one
    with pytest.raises(NotFound):
        kept.get("t", old.id)
    assert kept.get("t", moving.id).offset == 0


def test_a_finished_upload_expires_too(tmp_path):
    """Its document's id is told for as long as an unfinished one is kept, and nothing is left of it then."""
    now = [1e9]
    kept = uploads(tmp_path, now, keep_s=100)
    upload = kept.create("t", 2, filename="a")
    write(kept, upload, 0, b"ab")
    kept.finish("t", upload.id, collected([]))
    os.utime(tmp_path / f"{upload.id}.done", (1e9, 1e9))
    now[0] += 99
    kept.sweep()
    assert kept.get("t", upload.id).document_id == "the-document"
    now[0] += 2
    assert kept.sweep() == 1
    assert list(tmp_path.iterdir()) == []


def test_bytes_are_on_the_disk_before_they_are_counted(tmp_path, monkeypatch):
    """All of them, also where the line broke."""
    kept = uploads(tmp_path)
    upload = kept.create("t", 10, filename="a")
    synced, fsync = [0], os.fsync

    def note(handle):
        synced.append(os.fstat(handle).st_size)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    with pytest.raises(ConnectionResetError), kept.appending("t", upload.id, 0) as end:
        end.write(b"abc")
        end.write(b"de")
        raise ConnectionResetError
    assert kept.get("t", upload.id).offset == synced[-1] == 5


KILLED = """
import os, signal, sys
from pathlib import Path
from worker.uploads import ResumableUploads, UploadConfig

directory, upload_id, size = sys.argv[1:]
kept = ResumableUploads(Path(directory), UploadConfig(100_000))
with kept.appending("t", upload_id, 4, checked=True) as end:
    end.write(b"x" * int(size))
    end._file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("size", [20_000, 49_996])
def test_of_a_checked_piece_that_a_kill_cut_nothing_counts(tmp_path, size):
    """Nobody knows whether it is right, not even where its last byte came: it is sent again from where it began."""
    kept = uploads(tmp_path, max_bytes=100_000)
    upload = kept.create("t", 50_000, filename="a.pdf")
    write(kept, upload, 0, b"good")
    arguments = [sys.executable, "-c", KILLED, str(tmp_path), upload.id, str(size)]
    assert subprocess.run(arguments, check=False, timeout=120).returncode == -signal.SIGKILL
    assert (tmp_path / f"{upload.id}.part").stat().st_size == 4 + size
    assert kept.get("t", upload.id).offset == 4
    seen = []
    assert kept.finish("t", upload.id, collected(seen)).document_id is None
    with pytest.raises(Conflict):
        write(kept, upload, 4 + size, b"y")
    with kept.appending("t", upload.id, 4, checked=True) as end:
        end.write(b"y" * 49_996)
        end.confirm()
    assert kept.get("t", upload.id).offset == 50_000
    assert kept.finish("t", upload.id, collected(seen)).document_id == "the-document"
    assert [content for _, _, content in seen] == [b"good" + b"y" * 49_996]
    assert not list(tmp_path.glob("*.unchecked"))


def test_a_checked_piece_is_kept_once_it_is_confirmed(tmp_path):
    """Without that, however it ended, what came before it stands as it stood; while it is written, too."""
    kept = uploads(tmp_path)
    upload = kept.create("t", 10, filename="a.pdf")
    write(kept, upload, 0, b"0123")
    with kept.appending("t", upload.id, 4, checked=True) as end:
        end.write(b"wrong!")
        end._file.flush()
        assert kept.get("t", upload.id).offset == 4
        assert kept.finish("t", upload.id, collected([])).document_id is None
    assert kept.get("t", upload.id).offset == 4
    with pytest.raises(ConnectionResetError), kept.appending("t", upload.id, 4, checked=True) as end:
        end.write(b"cut")
        raise ConnectionResetError
    assert kept.get("t", upload.id).offset == 4
    with kept.appending("t", upload.id, 4, checked=True) as end:
        end.write(b"456")
        end.confirm()
    write(kept, upload, 7, b"789")
    seen = []
    assert kept.finish("t", upload.id, collected(seen)).document_id == "the-document"
    assert seen[0][2] == b"0123456789"


def test_an_upload_that_is_given_up_leaves_nothing(tmp_path):
    """Also in the middle of a checked piece that a kill cut."""
    kept = uploads(tmp_path)
    upload = kept.create("t", 10, filename="a.pdf")
    (tmp_path / f"{upload.id}.unchecked").write_bytes(b"0")
    kept.delete("t", upload.id)
    assert list(tmp_path.iterdir()) == []
