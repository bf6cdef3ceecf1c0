"""Another way to a document that is read already: its pages are found by that too, though the ring for it was lost."""

from __future__ import annotations

import pytest

from index.store import PageUpdate
from index.types import PageKey, SearchFilter
from tests.kit import TENANT, Archive, pdf
from tests.test_jobs import zipped
from worker.jobs import now
from worker.queue import Expand
from worker.recovery import Recovery


@pytest.fixture
def archive(tmp_path):
    held = Archive(tmp_path)
    yield held
    held.close()


def in_folder(archive, folder):
    """Documents whose pages a filter by that folder leaves."""
    return {point.key.document_id for point in archive.store.scan(TENANT, where=SearchFilter(folder=folder))}


def test_sent_in_again_from_another_folder(archive):
    """The upload was acknowledged, and the service killed before it came to it."""
    document = archive.upload(pdf("one", "two"), "inbox/may.pdf")
    archive.settle()
    assert archive.upload(pdf("one", "two"), "letters/1911/may.pdf") == document
    archive.restart()
    archive.settle()
    assert in_folder(archive, "inbox") == in_folder(archive, "letters/1911") == {document}
    assert archive.engine.reads == {"one": 1, "two": 1}


def test_found_in_an_archive_as_well(archive):
    """The archive was opened, and the service killed before it came to what lies in it."""
    document = archive.upload(pdf("one"), "may.pdf")
    archive.settle()
    box = archive.upload(zipped(a=pdf("one"), b=pdf("two")), "box.zip")
    archive.jobs.run(Expand(TENANT, box))
    archive.restart()
    archive.settle()
    assert in_folder(archive, "box.zip") == {document, *dict(archive.view(box).split.members).values()}


@pytest.mark.parametrize("page", [1, 3])
def test_a_kill_while_pages_are_told(archive, page):
    """Some of them know already."""
    document = archive.upload(pdf("one", "two", "three"), "inbox/may.pdf")
    archive.settle()
    archive.upload(pdf("one", "two", "three"), "letters/may.pdf")
    archive.settle()
    key = PageKey(TENANT, document, page)
    former = archive.upload(pdf("other"), "inbox/may.pdf")
    archive.settle()
    labels = archive.store.get([PageKey(TENANT, former, 1)])[0].labels
    archive.store.update([PageUpdate(key, now(), labels=labels)])
    archive.restart()
    archive.settle()
    assert len(list(archive.store.scan(TENANT, where=SearchFilter(folder="letters")))) == 3


def test_where_nothing_was_lost_nothing_is_rung_for(archive):
    """Archives, members, folders, names of all kinds: pages tell what the catalog tells."""
    archive.upload(zipped(a=pdf("one"), b=pdf("two")), "box.zip")
    archive.upload(pdf("one"), "létters/1911/mäy .pdf")
    archive.upload(pdf("three"), "half\udc80/of a pair\udc80.pdf")
    archive.upload(pdf("!broken"), "broken.pdf")
    archive.settle()
    recovery = Recovery(archive.catalog, archive.store, archive.rung.extend, now)
    assert recovery.compare(thorough=True) == []
