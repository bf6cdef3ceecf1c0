"""When blobs and pages that no document names may be removed: never while the documents themselves may be missing."""

from __future__ import annotations

import shutil

import pytest

from index import ids
from index.types import Manifest, Origin, PageKey, PageLabels
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
        path.write_bytes(content)
        assert (truth.catalog.get("default", document_id) is not None) is whole
        assert may() is whole


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
