"""When blobs and pages that no document names may be removed: never while the documents themselves may be missing."""

from __future__ import annotations

import shutil

import pytest

from index import ids
from index.types import Manifest, Origin, PageKey, PageLabels, Tombstone
from tests import crash_service
from tests.kit import HashEmbedder
from worker import wiring
from worker.jobs import now

KEY = PageKey("default", ids.document_id("default", "0" * 64), 1)


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """Opens the archive, as a process that begins."""
    monkeypatch.setattr(wiring, "build_embedder_for", lambda _settings: HashEmbedder())
    opened = []

    def begin():
        if opened:
            opened.pop().close()
        opened.append(wiring.open_truth(crash_service.settings(tmp_path)))
        return opened[-1]

    yield begin
    opened.pop().close()


def add(truth, content):
    """Accept a document; its id."""
    staged = truth.blobs.stage(100)
    staged.write(content)
    blob = truth.blobs.commit(staged)
    document_id = ids.document_id("default", blob.sha256)
    facts = Manifest("default", document_id, blob.sha256, blob.size, "a.txt", "text/plain", now())
    truth.catalog.add(facts, Origin(None, "a.txt"))
    return document_id


def replace(path, content):
    """Another file in its place, since one that is written over within a moment may keep its time."""
    other = path.with_name("other.tmp")
    other.write_bytes(content)
    other.replace(path)


def test_a_new_archive_is_whole_from_its_first_document_on(begin):
    """It need not be started again to be tidied up."""
    truth = begin()
    may = wiring.tidying(truth)
    add(truth, b"letter")
    assert may()


def test_what_is_damaged_while_a_process_runs_is_seen(begin, tmp_path):
    """And that it was mended."""
    truth = begin()
    document_id = add(truth, b"letter")
    path = tmp_path / "documents" / "default" / f"{document_id}.json"
    may = wiring.tidying(truth)
    manifest = path.read_bytes()
    for content, whole in ((manifest, True), (b"{", False), (manifest, True)):
        replace(path, content)
        assert (truth.catalog.get("default", document_id) is not None) is whole
        assert may() is whole


@pytest.mark.parametrize("others", [0, 1])
def test_what_was_damaged_when_a_process_began_can_be_mended(begin, tmp_path, others):
    """By sending it in again; the process need not be started again, even where it was the only document."""
    truth = begin()
    document_id = add(truth, b"letter")
    for number in range(others):
        add(truth, b"other %d" % number)
    replace(tmp_path / "documents" / "default" / f"{document_id}.json", b"{")
    truth = begin()
    may = wiring.tidying(truth)
    assert not may()
    add(truth, b"letter")
    assert may()


def test_an_archive_of_which_all_was_deleted_is_whole(begin):
    """Tombstones tell it from one that was not mounted: a blob that a crash left is not all that there is."""
    truth = begin()
    document_id = add(truth, b"letter")
    truth.catalog.bury(Tombstone("default", document_id, now(), 0))
    truth.catalog.forget("default", document_id)
    may = wiring.tidying(begin())
    assert may()


def test_a_first_upload_while_a_process_begins_leaves_it_whole(begin, monkeypatch):
    """Another process accepts it: first its blob is there, and its document once the catalog is let go."""
    truth = begin()
    lock = truth.catalog.lock
    staged = truth.blobs.stage(100)
    staged.write(b"letter")
    truth.blobs.commit(staged)

    def accepted():
        monkeypatch.undo()
        add(truth, b"letter")
        return lock()

    monkeypatch.setattr(truth.catalog, "lock", accepted)
    may = wiring.tidying(truth)
    assert may()


@pytest.mark.parametrize("left", ["blobs", "pages"])
def test_an_upload_does_not_make_a_directory_whole_that_was_not_mounted(begin, tmp_path, left):
    """Blobs or pages without any document are those of an archive that is not restored yet."""
    truth = begin()
    add(truth, b"letter")
    if left == "pages":
        truth.store.add_pending([KEY], PageLabels("a.txt", "text/plain", now()), now())
        shutil.rmtree(tmp_path / "blobs")
    shutil.rmtree(tmp_path / "documents")
    truth = begin()
    may = wiring.tidying(truth)
    add(truth, b"other")
    assert truth.catalog.complete()
    assert not may()
