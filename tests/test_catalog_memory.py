"""What a catalog remembers: files that could not be read come back, and nobody waits while very many are read."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from index import catalog_memory
from index.catalog_dir import DirCatalog
from index.types import Origin
from tests.test_catalog import manifest

ONE, TWO = manifest(1), manifest(2)
UPLOAD, MEMBER = Origin(None, "x"), Origin("archive", "y")


class Disk:
    """Has bad sectors, until they are well again."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        self.bad = set()
        self.tried = []
        read = Path.read_bytes

        def reading(path):
            if path.name in self.bad:
                self.tried.append(path.name)
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
            return read(path)

        monkeypatch.setattr(Path, "read_bytes", reading)

    def later(self, catalog):
        """What is listed a minute later."""
        self.now += 60.0
        return list(catalog.entries())


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


def filled(root):
    catalog = DirCatalog(root)
    catalog.add(ONE, MEMBER, "sesame")
    catalog.add(TWO, UPLOAD)
    return [entry for entry in catalog.entries() if entry.manifest == ONE][0], catalog_files(root)


def catalog_files(root):
    return sorted(path.name for path in (root / "documents/default").glob(f"{ONE.document_id}.*"))


@pytest.mark.parametrize("part", ["json", "origin", "secret"])
def test_what_could_not_be_read_is_listed_once_it_can(tmp_path, disk, part):
    """A disk that failed for a moment, a mount that came back: no restart is needed, and nothing tells of it."""
    whole, names = filled(tmp_path)
    disk.bad = {name for name in names if name.partition(".")[2].startswith(part)}
    catalog = DirCatalog(tmp_path)
    listed = [entry for entry in catalog.entries() if entry.manifest == ONE]
    assert whole not in listed
    assert len(listed) == (part != "json")
    assert len(disk.later(catalog)) == 1 + len(listed)
    disk.bad = set()
    assert whole in disk.later(catalog)
    assert catalog.get("default", ONE.document_id) == whole


@pytest.mark.parametrize("part", ["json", "origin"])
def test_a_file_that_is_damaged_is_not_read_again_and_again(tmp_path, disk, caplog, part):
    """Each time would be a line in the log."""
    _, names = filled(tmp_path)
    damaged = tmp_path / "documents/default" / next(name for name in names if part in name.partition(".")[2])
    damaged.write_bytes(b"{")
    catalog = DirCatalog(tmp_path)
    for number in range(3, 6):
        listed = disk.later(catalog)
        catalog.add(manifest(number), UPLOAD)
    assert len(listed) == (3 if part == "json" else 4)
    assert caplog.text.count("is damaged") == 1


def test_a_manifest_that_is_put_back_is_listed(tmp_path, disk):
    """As from a backup, while the service runs."""
    whole, _ = filled(tmp_path)
    path = tmp_path / "documents/default" / f"{ONE.document_id}.json"
    content = path.read_bytes()
    path.write_bytes(b"{")
    catalog = DirCatalog(tmp_path)
    assert whole not in disk.later(catalog)
    path.with_suffix(".new").write_bytes(content)
    path.with_suffix(".new").replace(path)
    assert whole in disk.later(catalog)


def test_on_a_dying_disk_only_some_files_are_tried_at_a_time(tmp_path, disk, monkeypatch, caplog):
    """Each try may take seconds, in which nobody sees a listing. All of them get their turn."""
    monkeypatch.setattr(catalog_memory, "_AGAIN_AT_ONCE", 2)
    catalog = DirCatalog(tmp_path)
    documents = [manifest(number) for number in range(5)]
    for facts in documents:
        catalog.add(facts, UPLOAD)
    disk.bad = {f"{facts.document_id}.json" for facts in documents}
    catalog = DirCatalog(tmp_path)
    assert list(catalog.entries()) == []
    logged = len(caplog.records)
    turns = []
    for _ in range(5):
        disk.tried.clear()
        assert disk.later(catalog) == []
        turns += disk.tried
        assert len(disk.tried) == 2
    assert set(turns) == disk.bad
    assert len(caplog.records) == logged


class Slow:
    """Reads a file, and is held up then."""

    def __init__(self, monkeypatch, name):
        self.began, self.go_on = threading.Event(), threading.Event()
        load = catalog_memory.load

        def loading(path, of):
            found = load(path, of)
            if path.name == name and threading.current_thread() is not threading.main_thread():
                self.began.set()
                assert self.go_on.wait(60)
            return found

        monkeypatch.setattr(catalog_memory, "load", loading)


@pytest.fixture
def listing(tmp_path, monkeypatch):
    """A catalog of which another thread is just reading all files, and has come to the manifest of the first one."""
    filled(tmp_path)
    slow = Slow(monkeypatch, f"{ONE.document_id}.json")
    catalog, found = DirCatalog(tmp_path), []
    thread = threading.Thread(target=lambda: found.append(list(catalog.entries("default"))), daemon=True)
    thread.start()
    assert slow.began.wait(60)

    def end():
        slow.go_on.set()
        thread.join(60)
        return found[0]

    yield catalog, end
    end()


def within_a_minute(call):
    found = []
    thread = threading.Thread(target=lambda: found.append(call()), daemon=True)
    thread.start()
    thread.join(60)
    return found[0]


def test_uploads_and_look_ups_do_not_wait_for_the_first_listing(listing):
    """At the start of a process, which takes a minute where there are a million files."""
    catalog, end = listing
    three = manifest(3)
    assert within_a_minute(lambda: catalog.add(three, UPLOAD))
    assert within_a_minute(lambda: catalog.get("default", TWO.document_id)).manifest == TWO
    assert {entry.manifest.document_id for entry in end()} >= {ONE.document_id, TWO.document_id}
    assert three in [entry.manifest for entry in catalog.entries()]


def test_what_changes_while_all_is_read_is_not_forgotten(listing):
    """What was read before that is older."""
    catalog, end = listing
    catalog.add(ONE, UPLOAD)
    end()
    assert set(catalog.get("default", ONE.document_id).origins) == {MEMBER, UPLOAD}
    assert {origin for entry in catalog.entries() for origin in entry.origins} == {MEMBER, UPLOAD}


def test_what_is_deleted_while_all_is_read_stays_deleted(listing):
    catalog, end = listing
    catalog.forget("default", ONE.document_id)
    end()
    assert [entry.manifest for entry in catalog.entries()] == [TWO]


def test_who_holds_the_lock_sees_what_changed_while_all_is_read(listing, tmp_path):
    """By another process, after the directory was scanned."""
    catalog, end = listing
    DirCatalog(tmp_path).add(manifest(3), UPLOAD)
    with catalog.lock():
        end()
        assert len(list(catalog.entries())) == 3


def test_what_comes_within_a_tick_of_the_clock_is_listed_though_reading_takes_long(tmp_path, monkeypatch):
    """The directory's time is the same then, as on file systems that tell times in steps of two seconds. Whether it
    has passed counts from when the directory was scanned, not from when all that was found there is read.
    """
    other = DirCatalog(tmp_path)
    other.add(ONE, UPLOAD)
    folder, load, late = tmp_path / "documents/default", catalog_memory.load, [TWO]
    tick = folder.stat().st_mtime_ns
    now = tick
    monkeypatch.setattr("time.time_ns", lambda: now)
    monkeypatch.setattr("time.monotonic", lambda: now / 1e9)

    def slowly(path, make):
        nonlocal now
        now += 3_000_000_000
        if late:
            other.add(late.pop(), UPLOAD)
            os.utime(folder, ns=(tick, tick))
        return load(path, make)

    catalog = DirCatalog(tmp_path)
    monkeypatch.setattr(catalog_memory, "load", slowly)
    assert [entry.manifest for entry in catalog.entries()] == [ONE]
    now += 60_000_000_000
    assert {entry.manifest.document_id for entry in catalog.entries()} == {ONE.document_id, TWO.document_id}
