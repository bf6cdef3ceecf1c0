"""A full disk: what is refused leaves nothing, and deleting makes room."""

from __future__ import annotations

import pytest

from index import catalog_dir, tombstones
from index.errors import StorageFull
from index.types import DocumentState
from tests.kit import TENANT, Archive, pdf


class Disk:
    """Has room for so many more files of the catalog; each that is removed makes room for another."""

    def __init__(self, monkeypatch):
        self.room = 1_000
        self._write, self._remove = catalog_dir.write_atomic, catalog_dir.remove
        for module in (catalog_dir, tombstones):
            monkeypatch.setattr(module, "write_atomic", self.write)
        monkeypatch.setattr(catalog_dir, "remove", self.remove)

    def write(self, path, content, **options):
        if not self.room:
            raise StorageFull("no room")
        self.room -= 1
        return self._write(path, content, **options)

    def remove(self, path):
        there = self._remove(path)
        self.room += there
        return there


@pytest.fixture
def archive(tmp_path):
    held = Archive(tmp_path)
    yield held
    held.close()


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


def files(archive):
    """All of blobs and documents, and of uploads on their way."""
    return [
        str(path.relative_to(archive.root))
        for name in ("blobs", "documents", "incoming")
        for path in (archive.root / name).rglob("*")
        if path.is_file()
    ]


@pytest.mark.parametrize("room", [0, 1, 2])
def test_an_upload_that_finds_no_room_leaves_nothing(archive, disk, room):
    """Neither its bytes, which would keep the disk full, nor its name or its password; sent again, it is taken."""
    disk.room = room
    with pytest.raises(StorageFull):
        archive.upload(pdf("!locked"), "letter.pdf", password="open sesame")
    assert files(archive) == []
    disk.room = 1_000
    document = archive.upload(pdf("!locked"), "letter.pdf", password="open sesame")
    archive.settle()
    assert archive.view(document).state is DocumentState.DONE


@pytest.mark.parametrize("room", [0, 1, 2])
def test_another_way_that_finds_no_room_leaves_nothing(archive, disk, room):
    """Where the document was there already: it lies only where it was accepted, also for the next process."""
    document = archive.upload(pdf("!locked"), "letter.pdf")
    archive.settle()
    before = files(archive)
    disk.room = room
    with pytest.raises(StorageFull):
        archive.upload(pdf("!locked"), "letters/1911/letter.pdf", password="open sesame")
    assert sorted(files(archive)) == sorted(before)
    disk.room = 1_000
    archive.restart()
    archive.settle()
    assert [origin.path for origin in archive.catalog.get(TENANT, document).origins] == ["letter.pdf"]


def test_a_deletion_that_was_cut_off_ends_though_an_upload_finds_no_room(archive, disk, monkeypatch):
    """What it deletes was not accepted anew."""

    class Killed(BaseException):
        pass

    def forget(*_):
        raise Killed

    document = archive.upload(pdf("one"), "letter.pdf")
    archive.settle()
    with monkeypatch.context() as patch:
        patch.setattr(archive.catalog, "forget", forget)
        with pytest.raises(Killed):
            archive.library.delete(TENANT, document)
    disk.room = 0
    with pytest.raises(StorageFull):
        archive.upload(pdf("one"), "letter.pdf")
    disk.room = 1_000
    archive.restart()
    assert files(archive) == [f"documents/{TENANT}/{document}.gone.json"]


def test_the_record_of_a_deletion_outlives_an_upload_that_finds_no_room(archive, disk):
    """Where the document was deleted before."""
    document = archive.upload(pdf("one"))
    archive.library.delete(TENANT, document)
    disk.room = 1
    with pytest.raises(StorageFull):
        archive.upload(pdf("one"))
    assert archive.catalog.buried(TENANT, document)
    assert files(archive) == [f"documents/{TENANT}/{document}.gone.json"]


@pytest.mark.parametrize("known", [True, False])
def test_bytes_that_were_there_stay(archive, disk, known):
    """Another document's, or, where `documents/` is not mounted, those of nobody that is known."""
    if known:
        document = archive.upload(pdf("one"))
        archive.settle()
    else:
        staged = archive.library.stage()
        staged.write(pdf("one"))
        archive.blobs.commit(staged)
    before = files(archive)
    disk.room = 0
    with pytest.raises(StorageFull):
        archive.upload(pdf("one"), "another name.pdf")
    assert files(archive) == before
    assert not known or archive.texts(document) == ["one"]


def test_deleting_makes_room(archive, disk):
    """The record of a deletion finds some where there is none."""
    document = archive.upload(pdf("one"))
    archive.settle()
    disk.room = 0
    archive.library.delete(TENANT, document)
    assert files(archive) == [f"documents/{TENANT}/{document}.gone.json"]
    assert archive.library.counts(TENANT).total == 0
