"""Ways in that cannot be read any more: nothing goes that somebody may have uploaded, nothing stays that nobody did."""

from __future__ import annotations

import json

import pytest

from index.errors import NotFound
from index.types import Origin, SearchFilter
from tests.kit import TENANT, Archive, pdf
from tests.test_catalog import DAMAGE
from tests.test_jobs import zipped
from tests.test_verify import catalog_file, found


@pytest.fixture
def archive(tmp_path):
    held = Archive(tmp_path)
    yield held
    held.close()


def origin_file(archive, document_id, archive_id):
    """The file that says that a document came in that archive, or (None) by itself."""
    return next(
        path
        for path in catalog_file(archive, "").glob(f"{document_id}.origin-*")
        if json.loads(path.read_bytes())["archive_id"] == archive_id
    )


def member(archive, box, path="a"):
    return dict(archive.catalog.split(TENANT, box).members)[path]


@pytest.mark.parametrize(("damage", "filename"), [*((one, "a.pdf") for one in DAMAGE), (b"", "letters/1911/a.pdf")])
def test_what_was_uploaded_by_itself_stays_though_the_file_that_says_so_is_damaged(archive, damage, filename):
    """Deleting an archive that it lies in as well takes that way only; its own deletion takes it, and all files."""
    box = archive.upload(zipped(a=pdf("one"), b=pdf("two")), "box.zip")
    mine = archive.upload(pdf("one"), filename)
    archive.settle()
    origin_file(archive, mine, None).write_bytes(damage)
    archive.restart()
    assert archive.library.delete(TENANT, box).documents_deleted == 2
    assert archive.texts(mine) == ["one"]
    listed, _ = archive.library.documents(TENANT, uploaded_only=True)
    assert [view.manifest.document_id for view in listed] == [mine]
    archive.library.delete(TENANT, mine)
    assert [path.name for path in catalog_file(archive, "").iterdir() if ".gone." not in path.name] == []
    assert list(archive.blobs.blobs()) == []


@pytest.mark.parametrize("damage", [b"", b"{", b'{"a": 1}'])
def test_a_member_that_cannot_say_where_it_lies_goes_with_its_archive(archive, damage):
    """The archive knows it. Until then nobody knows that it was not uploaded by itself, and it is listed."""
    box = archive.upload(zipped(a=pdf("one")), "box.zip")
    archive.settle()
    inside = member(archive, box)
    origin_file(archive, inside, box).write_bytes(damage)
    archive.restart()
    assert archive.catalog.get(TENANT, inside).uploaded
    assert archive.library.delete(TENANT, box).documents_deleted == 2
    assert list(archive.catalog.entries(None)) == []
    assert list(archive.blobs.blobs()) == []


def test_a_kill_after_a_link_was_mended(archive, monkeypatch):
    """The next start ends the deletion: nothing of the archive is left, and what was uploaded is."""
    box = archive.upload(zipped(a=pdf("one"), b=pdf("two")), "box.zip")
    mine = archive.upload(pdf("two"), "mine.pdf")
    archive.settle()
    inside = member(archive, box)
    for path in (origin_file(archive, inside, box), origin_file(archive, mine, box), origin_file(archive, mine, None)):
        path.write_bytes(b"")
    archive.restart()

    def die(*_args, **_more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(archive.deletion, "_orphan", die)
        archive.library.delete(TENANT, box)
    archive.restart()
    assert [entry.manifest.document_id for entry in archive.catalog.entries(None)] == [mine]
    assert archive.catalog.get(TENANT, mine).origins == (Origin(None, "mine.pdf"),)
    archive.settle()
    assert archive.texts(mine) == ["two"]


def test_sending_an_archive_in_again_mends_what_its_members_cannot_say(archive):
    """As sending a document in again mends its own files."""
    content = zipped(a=pdf("one"))
    box = archive.upload(content, "box.zip")
    archive.settle()
    inside = member(archive, box)
    path = origin_file(archive, inside, box)
    path.write_bytes(b"{")
    archive.restart()
    assert ("file_damaged", path.name) in found(archive)
    archive.upload(content, "box.zip")
    archive.settle()
    assert found(archive) == set()
    assert archive.catalog.get(TENANT, inside).origins == (Origin(box, "a"),)
    archive.library.delete(TENANT, box)
    with pytest.raises(NotFound):
        archive.view(inside)


def test_a_member_that_was_deleted_and_sent_in_by_itself_is_no_disagreement(archive):
    """It stays when the archive goes, which does not become one of its ways in again."""
    content = zipped(a=pdf("one"))
    box = archive.upload(content, "box.zip")
    archive.settle()
    archive.library.delete(TENANT, member(archive, box))
    mine = archive.upload(pdf("one"), "mine.pdf")
    archive.upload(content, "box.zip")
    archive.settle()
    assert found(archive) == set()
    assert archive.catalog.get(TENANT, mine).origins == (Origin(None, "mine.pdf"),)
    archive.library.delete(TENANT, box)
    assert archive.texts(mine) == ["one"]


def test_a_document_of_which_nothing_says_how_it_came_is_found_and_listed(archive):
    """As after a copy that was not whole. It counts as uploaded, so that somebody can see and delete it."""
    box = archive.upload(zipped(a=pdf("one")), "box.zip")
    archive.settle()
    inside = member(archive, box)
    origin_file(archive, inside, box).unlink()
    archive.restart()
    assert {("origin_missing", inside), ("member_unlinked", inside)} <= found(archive)
    archive.library.delete(TENANT, box)
    listed, _ = archive.library.documents(TENANT, uploaded_only=True)
    assert [view.manifest.document_id for view in listed] == [inside]


def way(archive, document_id):
    """By which paths its page says that it came."""
    return archive.library.page(TENANT, document_id, 1)[1].labels.paths


def test_what_lies_in_an_archive_that_stays_forgets_the_one_around_it(archive):
    """An archive that was sent in inside another and by itself: its members are in no folder of the deleted one."""
    inner = zipped(a=pdf("one"))
    outer = archive.upload(zipped(inner=inner, b=pdf("two")), "outer.zip")
    alone = archive.upload(inner, "inner.zip")
    archive.settle()
    letter = member(archive, alone)
    assert way(archive, letter) == ("inner.zip/a", "outer.zip/inner/a")
    archive.library.delete(TENANT, outer)
    assert way(archive, letter) == ("inner.zip/a",)
    assert archive.store.count(TENANT, where=SearchFilter(folder="outer.zip")).total == 0


def test_a_kill_between_a_way_in_and_its_labels(archive, monkeypatch):
    """The next start does not leave pages in a folder of an archive that is gone."""
    box = archive.upload(zipped(a=pdf("one")), "box.zip")
    mine = archive.upload(pdf("one"), "mine.pdf")
    archive.settle()
    assert way(archive, mine) == ("box.zip/a", "mine.pdf")

    def die(*_args, **_more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(archive.store, "update", die)
        archive.library.delete(TENANT, box)
    archive.restart()
    assert archive.catalog.get(TENANT, box) is None
    assert way(archive, mine) == ("mine.pdf",)
