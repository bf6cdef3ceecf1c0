"""Records of deletions: what they say of a document, what older versions wrote, how they are made on a full disk."""

from __future__ import annotations

import json

import pytest

from index.catalog_dir import DirCatalog
from index.errors import StorageFull
from index.files import write_atomic
from tests import crash_service
from tests.api_kit import UNKNOWN_ID, wait_for
from tests.kit import TENANT, Archive, HashEmbedder, pdf
from tests.test_full_disk import Disk
from tests.test_jobs import zipped
from worker import wiring

BEGAN = "2026-11-20T09:30:00+00:00"
OLD = {
    "tenant": TENANT,
    "document_id": UNKNOWN_ID,
    "sha256": "5" * 64,
    "filename": "notice to quit.pdf",
    "deleted_at": BEGAN,
    "pages": 3,
}
"""As versions wrote them before 23 November 2026."""


class Killed(BaseException):
    pass


@pytest.fixture
def archive(tmp_path):
    held = Archive(tmp_path)
    yield held
    held.close()


def records(root):
    """What stands in the files of a catalog, by their names."""
    return {path.name: path.read_text() for path in (root / "documents" / TENANT).glob("*.json")}


def old_records(root):
    """One of a document that is gone, and one of a life before."""
    folder = root / "documents" / TENANT
    for name in ("gone", "former-60d1"):
        write_atomic(folder / f"{UNKNOWN_ID}.{name}.json", json.dumps(OLD, indent=1).encode(), replace=True)


def is_thin(root):
    return [json.loads(text) for text in records(root).values()] == [{"deleted_at": BEGAN, "pages": 3}] * 2


def test_of_a_deleted_document_neither_name_nor_hash_stays(archive):
    """Nor of what lay in it; only that it was deleted, when, and how many pages there were."""
    box = archive.upload(zipped(notice=pdf("to quit", "by Lady Day")), "tenancy.zip")
    archive.settle()
    member = archive.view(box).split.members[0][1]
    archive.library.delete(TENANT, box)
    assert set(records(archive.root)) == {f"{box}.gone.json", f"{member}.gone.json"}
    assert {name: set(json.loads(text)) for name, text in records(archive.root).items()} == dict.fromkeys(
        records(archive.root), {"deleted_at", "pages"}
    )
    assert json.loads(records(archive.root)[f"{member}.gone.json"])["pages"] == 2


def test_names_in_records_of_older_versions_go(tmp_path):
    """When it was and how many pages stay; who has looked through all of them once does not do so again."""
    catalog = DirCatalog(tmp_path)
    old_records(tmp_path)
    assert catalog.damaged() == []
    catalog.thin_tombstones()
    assert is_thin(tmp_path)
    assert catalog.buried(TENANT, UNKNOWN_ID)
    old_records(tmp_path)
    catalog.thin_tombstones()
    assert not is_thin(tmp_path)


def test_a_service_that_starts_thins_them(tmp_path, monkeypatch):
    monkeypatch.setattr(wiring, "build_engine", lambda _settings: crash_service.PixelEngine())
    monkeypatch.setattr(wiring, "build_embedder_for", lambda _settings: HashEmbedder())
    old_records(tmp_path)
    with wiring.open_service(crash_service.settings(tmp_path)):
        wait_for(lambda: is_thin(tmp_path))


def test_a_document_that_was_sent_in_again_meanwhile_is_not_deleted(tmp_path, monkeypatch):
    """Its record has another name by then, and is not written anew under the old one."""
    catalog = DirCatalog(tmp_path)
    old_records(tmp_path)
    folder, lock = tmp_path / "documents" / TENANT, catalog.lock

    def late():
        (folder / f"{UNKNOWN_ID}.gone.json").unlink(missing_ok=True)
        return lock()

    monkeypatch.setattr(catalog, "lock", late)
    catalog.thin_tombstones()
    assert set(records(tmp_path)) == {f"{UNKNOWN_ID}.former-60d1.json"}


def test_deletions_of_older_versions_that_were_cut_off_end(archive):
    document = archive.upload(pdf("one"))
    archive.settle()
    old = json.dumps({**OLD, "document_id": document}, indent=1).encode()
    write_atomic(archive.root / "documents" / TENANT / f"{document}.gone.json", old)
    archive.restart()
    assert json.loads(records(archive.root).pop(f"{document}.gone.json")) == {"deleted_at": BEGAN, "pages": 1}
    assert archive.catalog.get(TENANT, document) is None


@pytest.mark.parametrize("opened", [True, False])
def test_on_a_full_disk_any_document_can_be_deleted(archive, monkeypatch, opened):
    """Also one that was never opened, as where its own upload filled the disk. Its record ends as any other."""
    document = archive.upload(pdf("one"))
    if opened:
        archive.settle()
    disk = Disk(monkeypatch)
    disk.room = 0
    archive.library.delete(TENANT, document)
    assert set(json.loads(records(archive.root).pop(f"{document}.gone.json"))) == {"deleted_at", "pages"}
    assert archive.catalog.damaged() == []


@pytest.mark.parametrize("opened", [True, False])
def test_a_deletion_that_is_cut_off_on_a_full_disk_ends(archive, monkeypatch, opened):
    document = archive.upload(pdf("one"))
    if opened:
        archive.settle()
    with monkeypatch.context() as patch:
        disk = Disk(patch)
        disk.room = 0
        patch.setattr(archive.store, "delete", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            archive.library.delete(TENANT, document)
    assert [stone.document_id for stone in archive.catalog.bury()] == [document]
    archive.restart()
    assert archive.catalog.get(TENANT, document) is None
    assert set(records(archive.root)) == {f"{document}.gone.json"}
    assert archive.catalog.damaged() == []


@pytest.mark.parametrize("opened", [True, False])
def test_on_a_disk_that_stays_full_no_name_stays(archive, monkeypatch, opened):
    """Another writer takes what room there comes to be. Once there is some, the record is written, before a restart."""
    document = archive.upload(pdf("one"), "notice to quit.pdf")
    if opened:
        archive.settle()
    archive.catalog.thin_tombstones()
    with monkeypatch.context() as patch:
        patch.setattr("index.tombstones.write_atomic", lambda *_, **__: (_ for _ in ()).throw(StorageFull("no room")))
        archive.library.delete(TENANT, document)
    assert records(archive.root) == {f"{document}.gone.json": ""}
    assert archive.catalog.buried(TENANT, document)
    archive.catalog.thin_tombstones()
    assert archive.catalog.damaged() == []
    assert set(json.loads(records(archive.root)[f"{document}.gone.json"])) == {"deleted_at", "pages"}


def test_when_a_deletion_of_an_older_version_began_is_kept_on_a_full_disk(archive, monkeypatch):
    document = archive.upload(pdf("one"))
    archive.settle()
    folder = archive.root / "documents" / TENANT
    write_atomic(folder / f"{document}.gone.json", json.dumps({**OLD, "document_id": document}, indent=1).encode())
    with monkeypatch.context() as patch:
        patch.setattr("index.tombstones.write_atomic", lambda *_, **__: (_ for _ in ()).throw(StorageFull("no room")))
        assert archive.deletion.finish() == 1
    archive.catalog.thin_tombstones()
    assert json.loads(records(archive.root)[f"{document}.gone.json"]) == {"deleted_at": BEGAN, "pages": 3}


def test_what_is_sent_in_again_while_deletions_are_looked_for_is_none(tmp_path):
    """Its record has another name by the time that it is to be read: here it is a link that leads nowhere."""
    catalog = DirCatalog(tmp_path)
    folder = tmp_path / "documents" / TENANT
    write_atomic(folder / f"{UNKNOWN_ID}.json", b"{}")
    (folder / f"{UNKNOWN_ID}.gone.json").symlink_to("elsewhere")
    assert catalog.bury() == []


def test_without_room_for_its_record_nothing_is_deleted(archive, monkeypatch):
    """Where not even a file can get another name."""
    document = archive.upload(pdf("one"))
    archive.settle()
    with monkeypatch.context() as patch:
        disk = Disk(patch)
        disk.room = 0
        patch.setattr("index.tombstones.rename", lambda *_: (_ for _ in ()).throw(StorageFull("no room")))
        with pytest.raises(StorageFull):
            archive.library.delete(TENANT, document)
    assert archive.texts(document) == ["one"]
    assert archive.catalog.bury() == []


def test_deletions_that_were_cut_off_are_looked_for_once(archive, monkeypatch):
    """However many there are: to look goes through the whole catalog."""
    documents = [archive.upload(pdf(text)) for text in ("one", "two", "three")]
    archive.settle()
    with monkeypatch.context() as patch:
        patch.setattr(archive.store, "delete", lambda *_: (_ for _ in ()).throw(Killed))
        for document in documents:
            with pytest.raises(Killed):
                archive.library.delete(TENANT, document)
    looks, bury = [], archive.catalog.bury
    monkeypatch.setattr(archive.catalog, "bury", lambda *stone: (looks.append(stone), bury(*stone))[1])
    assert archive.deletion.finish() == 3
    assert looks.count(()) == 1
    assert list(archive.catalog.entries()) == []
