"""Listings of one process of a stack: what others change is seen in them, and looking costs little."""

from __future__ import annotations

import os
import uuid
from dataclasses import replace
from types import SimpleNamespace

import pytest

from index import catalog_memory
from index.catalog_dir import DirCatalog
from index.types import Origin, Tombstone
from tests.test_stack_catalog import DOCUMENT, OTHER, START, manifest


@pytest.fixture
def two(tmp_path):
    return DirCatalog(tmp_path), DirCatalog(tmp_path)


def test_a_document_deleted_and_sent_again_between_two_listings_is_listed_anew(two, tmp_path):
    """However often: webhooks tell the end of a document that is new to the listing, which those are. Of all but the
    last life nothing is left.
    """
    first, second = two
    first.add(manifest(1), Origin(None, "a.pdf"))
    for hour in (2, 3, 4):
        with second.lock():
            assert [entry.manifest for entry in second.listed("default")] == [manifest(hour - 1)]
        first.bury(Tombstone("default", DOCUMENT, START, 1))
        first.forget("default", DOCUMENT)
        assert first.buried("default", DOCUMENT)
        first.add(manifest(hour), Origin(None, "a.pdf"))
        assert not first.buried("default", DOCUMENT)
        assert first.bury() == []
        with second.lock():
            assert [entry.manifest for entry in second.listed("default")] == [manifest(hour)]
    second.bury(Tombstone("default", DOCUMENT, START, 1))
    second.forget("default", DOCUMENT)
    assert [path.name for path in (tmp_path / "documents/default").iterdir()] == [f"{DOCUMENT}.gone.json"]


def test_a_change_within_one_tick_of_the_file_system_is_listed(two, tmp_path, monkeypatch):
    """Two changes may leave the same time on a directory: the second is listed all the same."""
    first, second = two
    first.add(manifest(), Origin(None, "a.pdf"))
    folder = tmp_path / "documents/default"
    before = folder.stat()
    assert len(list(second.entries("default"))) == 1
    first.forget("default", DOCUMENT)
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))
    monkeypatch.setattr("time.monotonic", lambda: float("inf"))
    assert list(second.entries("default")) == []


def test_a_directory_that_takes_long_to_scan_is_scanned_seldom(two, monkeypatch):
    """While an archive of a million documents grows, listings do not go through its directory all the time. Who holds
    the lock sees everything all the same.
    """
    first, second = two
    clock, scandir, scans = SimpleNamespace(now=100.0), os.scandir, []

    def slow(folder):
        scans.append(folder)
        clock.now += 4.0
        return scandir(folder)

    first.add(manifest(), Origin(None, "a.pdf"))
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    monkeypatch.setattr("os.scandir", slow)
    assert len(second.listed("default")) == len(scans) == 1
    other = manifest(2, OTHER)
    first.add(other, Origin(None, "b.pdf"))
    scans.clear()
    for _ in range(35):
        clock.now += 1.0
        assert len(second.listed("default")) == 1
    assert scans == []
    with second.lock():
        assert len(second.listed("default")) == 2
    first.forget("default", DOCUMENT)
    clock.now += 37.0
    assert [entry.manifest for entry in second.listed("default")] == [other]


def test_manifests_that_take_long_to_read_are_waited_for_once(two, monkeypatch):
    """At the start of a process that is all of them. What another process accepts after that is listed soon."""
    first, second = two
    clock, load = SimpleNamespace(now=100.0), catalog_memory.load

    def slow(*of):
        clock.now += 600.0
        return load(*of)

    first.add(manifest(), Origin(None, "a.pdf"))
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    with monkeypatch.context() as patch:
        patch.setattr(catalog_memory, "load", slow)
        assert len(second.listed("default")) == 1
    first.add(manifest(2, OTHER), Origin(None, "b.pdf"))
    clock.now += 2.0
    assert len(second.listed("default")) == 2


def test_a_way_in_that_goes_while_a_document_is_read_was_no_upload(two, monkeypatch):
    """As when a process that starts reads all manifests while another one deletes an archive."""
    first, second = two
    gone, kept, load = Origin("box", "a.pdf"), Origin("other", "a.pdf"), catalog_memory.load
    for origin in (gone, kept):
        first.add(manifest(), origin)
    with monkeypatch.context() as patch:

        def meanwhile(*of):
            found = load(*of)
            patch.undo()
            first.forget("default", DOCUMENT, gone)
            return found

        patch.setattr(catalog_memory, "load", meanwhile)
        assert [entry.origins for entry in second.listed("default")] == [(kept,)]
    assert first.get("default", DOCUMENT).origins == (kept,)


def aged(tmp_path, document_id, ns):
    """The manifest with this time."""
    os.utime(tmp_path / f"documents/default/{document_id}.json", ns=(ns, ns))


@pytest.fixture
def listed(two, tmp_path):
    """Documents that the second process has a list of, and knows one of; and the directory's time on that list."""
    first, second = two
    documents = [str(uuid.UUID(int=number)) for number in range(20)]
    for document_id in documents:
        first.add(replace(manifest(), document_id=document_id), Origin(None, "a.pdf"), "sesame")
    at = (tmp_path / "documents/default").stat().st_mtime_ns
    for document_id in documents:
        aged(tmp_path, document_id, at - 1)
    assert second.get("default", documents[0]).password == "sesame"
    return documents, at


def test_asking_for_many_new_documents_costs_one_scan(two, listed, monkeypatch):
    """A worker that is behind asks for one after the other: what each costs does not grow with the archive."""

    def refuse(*_args, **_options):
        raise AssertionError("the directory was listed")

    monkeypatch.setattr("os.scandir", refuse)
    monkeypatch.setattr("pathlib.Path.glob", refuse)
    for document_id in reversed(listed[0]):
        entry = two[1].get("default", document_id)
        assert (entry.origins, entry.password) == ((Origin(None, "a.pdf"),), "sesame")


@pytest.mark.parametrize(
    ("known", "later_ns"), [(False, 0), (False, 10**9), (True, 0), (True, 10**9), (True, -(10**9))]
)
def test_what_came_after_the_scan_is_seen(two, listed, tmp_path, known, later_ns):
    """Also within one tick of the file system; and of documents that are known here after a clock was set back."""
    first, second = two
    documents, at = listed
    if known:
        second.get("default", documents[3])
    first.add(replace(manifest(), document_id=documents[3]), Origin("box", "in/a.pdf"))
    aged(tmp_path, documents[3], at + later_ns)
    assert len(second.get("default", documents[3]).origins) == 2
    new = str(uuid.UUID(int=99))
    first.add(replace(manifest(), document_id=new), Origin(None, "b.pdf"))
    aged(tmp_path, new, at + later_ns)
    assert len(second.get("default", new).origins) == 1
    first.forget("default", documents[5])
    assert second.get("default", documents[5]) is None
