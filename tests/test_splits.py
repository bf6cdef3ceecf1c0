"""The splits of all documents: each is looked up once, and none is told that is not so any more."""

from __future__ import annotations

import threading

import pytest

from index.types import Origin, Split
from tests.kit import TENANT, Archive, pdf
from worker.overview import Inside, Overlook
from worker.service import Readiness
from worker.splits import Splits

READY = Readiness(True, "fake@1", "hash", {})


@pytest.fixture
def archive(tmp_path):
    held = Archive(tmp_path)
    yield held
    held.close()


class Counting:
    """A catalog that counts whose split is asked for."""

    def __init__(self, catalog):
        self._catalog = catalog
        self.asked = []

    def __getattr__(self, name):
        return getattr(self._catalog, name)

    def split(self, tenant, document_id, found=None):
        self.asked.append(document_id)
        return self._catalog.split(tenant, document_id, found)


def test_a_split_that_cannot_change_is_looked_up_once(archive):
    """Pages of read documents are remembered; those that are not opened, or could not be, are asked for each time."""
    read = archive.upload(pdf("one", "two"))
    archive.settle()
    bad = archive.upload(pdf("bad"))
    archive.rung.clear()
    archive.catalog.split(TENANT, bad, Split(error_code="damaged", error_message="It breaks off."))
    waiting = archive.upload(pdf("three"))
    catalog = Counting(archive.catalog)
    overlook = Overlook(catalog, archive.store, Inside)
    for turn in range(3):
        catalog.asked.clear()
        found = overlook.look(TENANT, READY)
        assert (found.documents, found.unopened) == (3, 1)
        assert [one.document_id for one in found.failed_documents] == [bad]
        assert set(catalog.asked) == ({read, bad, waiting} if turn == 0 else {bad, waiting})
    archive.settle()
    found = overlook.look(TENANT, READY)
    assert (found.unopened, found.pages.done) == (0, 3)


def test_deleted_documents_are_forgotten_and_come_back_unopened(archive):
    """What is sent in again after its deletion is a document that nobody has opened yet."""
    document = archive.upload(pdf("one", "two"))
    archive.settle()
    splits = Splits(archive.catalog)
    assert [split.pages for _, split in splits.walk()] == [2]
    archive.library.delete(TENANT, document)
    assert list(splits.walk()) == []
    assert archive.upload(pdf("one", "two")) == document
    assert [split.pages for _, split in splits.walk()] == [None]
    archive.settle()
    assert [split.pages for _, split in splits.walk()] == [2]


def test_a_file_that_opens_at_the_second_try_is_no_failure_any_more(archive):
    """A failed split is replaced; nobody goes on telling of the failure."""
    document = archive.upload(pdf("one"))
    archive.catalog.split(TENANT, document, Split(error_code="encrypted", error_message="No password."))
    splits = Splits(archive.catalog)
    assert [(split.pages, split.code) for _, split in splits.walk()] == [(0, "encrypted")]
    archive.catalog.add(archive.catalog.get(TENANT, document).manifest, Origin(None, "again.pdf"), "secret")
    archive.settle()
    assert [(split.pages, split.code) for _, split in splits.walk()] == [(1, None)]


def test_progress_of_all_documents(archive):
    """Pages that have no point yet are pending, and nothing is finished while a document is not opened."""
    overlook = Overlook(archive.catalog, archive.store, Inside)
    archive.upload(pdf("one", "two"))
    assert overlook.progress()[1]
    archive.settle()
    counts, unfinished = overlook.progress()
    assert (counts.done, counts.pending, unfinished) == (2, 0, False)


def test_a_split_is_read_while_a_deletion_holds_the_lock(archive):
    """Looking something up does not wait for who changes the catalog: files are replaced whole."""
    document = archive.upload(pdf("one"))
    archive.settle()
    fresh = type(archive.catalog)(archive.root)
    found = []
    with archive.catalog.lock():  # of the same directory, so of another process
        looking = threading.Thread(target=lambda: found.append(fresh.split(TENANT, document)), daemon=True)
        looking.start()
        looking.join(60)
    assert [len(split.pages) for split in found] == [1]


def test_one_that_came_back_between_two_looks_is_not_taken_for_the_former(archive):
    """Nobody saw that it was gone: it has the same id, and no pages yet."""
    document = archive.upload(pdf("one", "two"))
    archive.settle()
    splits = Splits(archive.catalog)
    assert [split.pages for _, split in splits.walk()] == [2]
    archive.library.delete(TENANT, document)
    archive.upload(pdf("one", "two"))
    assert [split.pages for _, split in splits.walk()] == [None]
