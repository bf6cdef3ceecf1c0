"""`verify` compares what is stored with itself: each kind of disagreement is found, and a sound archive has none."""

from __future__ import annotations

import errno
import json

import pytest

from index.catalog_dir import DirCatalog
from index.errors import ConfigError
from index.types import DocumentState, PageKey, Tombstone
from tests.api_kit import UNKNOWN_ID
from tests.kit import TENANT, Archive, pdf
from tests.test_jobs import zipped
from worker import maintenance
from worker.jobs import now
from worker.labels import labels
from worker.maintenance import _verify
from worker.settings import Settings
from worker.splits import Splits
from worker.wiring import Truth


@pytest.fixture
def archive(tmp_path):
    held = Archive(tmp_path)
    yield held
    held.close()


def found(archive, progress=lambda _done, _total: None, catalog=None):
    """Codes and subjects, of what verify finds; with a `catalog` of its own, as another process has one."""
    catalog = catalog or archive.catalog
    truth = Truth(archive.blobs, catalog, archive.store, archive.embedder, None, Splits(catalog))
    return {(finding.code, finding.subject) for finding in _verify(truth, progress).findings}


def catalog_file(archive, name):
    return archive.root / "documents" / TENANT / name


def test_a_sound_archive_has_no_findings(archive):
    """Also after a member was sent in by itself, another was deleted, and an archive with a shared member was."""
    box = archive.upload(zipped(a=pdf("one"), b=pdf("two")), "box.zip")
    other = archive.upload(zipped(a=pdf("one"), c=pdf("three")), "other.zip")
    archive.settle()
    archive.upload(pdf("one"))
    archive.settle()
    members = dict(archive.view(box).split.members)
    archive.library.delete(TENANT, members["b"])
    archive.library.delete(TENANT, other)
    assert found(archive) == set()


def test_a_manifest_that_names_another_blob_is_found(archive):
    """A document's id follows from its bytes; files that were mixed up or edited are not what they say."""
    one, two = archive.upload(pdf("one")), archive.upload(pdf("two"))
    archive.settle()
    path = catalog_file(archive, f"{one}.json")
    facts = json.loads(path.read_text())
    facts["sha256"] = archive.catalog.get(TENANT, two).manifest.sha256
    path.write_text(json.dumps(facts))
    archive.restart()
    assert ("id_wrong", one) in found(archive)


def test_a_member_that_is_lost_is_found(archive):
    """Without a tombstone nobody deleted it; an archive that is gone is found from its members."""
    box = archive.upload(zipped(a=pdf("one"), b=pdf("two")), "box.zip")
    archive.settle()
    lost, kept = (dict(archive.view(box).split.members)[name] for name in ("a", "b"))
    for path in catalog_file(archive, "").glob(f"{lost}.*"):
        path.unlink()
    archive.store.delete(TENANT, lost)
    archive.restart()
    assert ("member_missing", box) in found(archive)
    for path in catalog_file(archive, "").glob(f"{box}.*"):
        path.unlink()
    archive.restart()
    assert ("archive_missing", kept) in found(archive)


def test_a_member_that_does_not_know_its_archive_is_found(archive):
    """It would stay behind when the archive is deleted."""
    box = archive.upload(zipped(a=pdf("one")), "box.zip")
    archive.upload(zipped(a=pdf("one"), b=pdf("two")), "other.zip")
    archive.settle()
    member = dict(archive.view(box).split.members)["a"]
    for path in catalog_file(archive, "").glob(f"{member}.origin-*"):
        if json.loads(path.read_text())["archive_id"] == box:
            path.unlink()
    archive.restart()
    assert ("member_unlinked", member) in found(archive)


def test_a_member_that_was_deleted_and_came_in_another_archive_is_no_disagreement(archive):
    """The first archive still holds its bytes, and has nothing to do with what came since."""
    box = archive.upload(zipped(a=pdf("one"), b=pdf("two")), "box.zip")
    archive.settle()
    member = dict(archive.view(box).split.members)["a"]
    archive.library.delete(TENANT, member)
    archive.upload(zipped(a=pdf("one"), c=pdf("three")), "other.zip")
    archive.settle()
    assert archive.view(member)
    archive.restart()
    assert found(archive) == set()
    archive.library.delete(TENANT, box)
    assert archive.view(member).state is DocumentState.DONE
    assert found(archive) == set()


@pytest.mark.parametrize("work", [maintenance.verify, maintenance.rebuild])
def test_where_no_archive_is_there_is_nothing_that_agrees(work, tmp_path):
    """A mistyped data directory is named as such, and not made."""
    nowhere = tmp_path / "archvie"
    with pytest.raises(ConfigError, match="archvie"):
        work(Settings(data_dir=nowhere))
    assert not nowhere.exists()


def test_pages_that_do_not_agree_with_their_document_are_found(archive):
    """A page that the file does not have, pages that the index lost, and one of no document at all."""
    one, two = archive.upload(pdf("one")), archive.upload(pdf("a", "b"))
    archive.settle()
    assert found(archive) == set()
    facts = labels(archive.catalog, archive.catalog.get(TENANT, one))
    archive.store.add_pending([PageKey(TENANT, one, 2), PageKey(TENANT, UNKNOWN_ID, 1)], facts, now())
    archive.store.delete(TENANT, two)
    assert found(archive) == {("page_unknown", one), ("page_unowned", UNKNOWN_ID), ("pages_missing", two)}


def test_bytes_that_cannot_be_read_do_not_hide_others(archive, monkeypatch):
    """A bad sector is what is looked for: it is told by name, and the rest is hashed all the same."""
    hashes = {
        archive.catalog.get(TENANT, archive.upload(pdf(text))).manifest.sha256 for text in ("one", "two", "three")
    }
    archive.settle()
    unreadable, rotten, _ = sorted(hashes)
    (archive.root / "blobs" / rotten).write_bytes(b"rotten")
    check = archive.blobs.check

    def bad_sector(sha256):
        if sha256 == unreadable:
            raise OSError(errno.EIO, "Input/output error")
        return check(sha256)

    monkeypatch.setattr(archive.blobs, "check", bad_sector)
    assert found(archive) == {("blob_damaged", unreadable), ("blob_damaged", rotten)}


@pytest.mark.parametrize("when", ["hashed", "scanned"])
def test_what_is_deleted_meanwhile_is_no_disagreement(archive, monkeypatch, when):
    """To hash an archive takes hours, and in a full stack people go on: it neither ends there nor tells of what is
    whole.
    """
    documents = [archive.upload(pdf("one")), archive.upload(zipped(a=pdf("two"), b=pdf("three")), "box.zip")]
    archive.upload(pdf("four"))
    archive.settle()
    scan = archive.store.scan

    def delete():
        while documents:
            archive.library.delete(TENANT, documents.pop())

    def scan_and_delete(*arguments, **options):
        points = list(scan(*arguments, **options))
        if arguments == (None,):
            delete()
        return points

    if when == "scanned":
        monkeypatch.setattr(archive.store, "scan", scan_and_delete)
        assert found(archive) == set()
    else:
        assert found(archive, lambda _done, _total: delete()) == set()
    assert documents == []


def meanwhile(archive, monkeypatch, change):
    """Have `change` happen when all points were gone through."""
    scan = archive.store.scan

    def scan_and_change(*arguments, **options):
        points = list(scan(*arguments, **options))
        if arguments == (None,):
            monkeypatch.undo()
            change()
        return points

    monkeypatch.setattr(archive.store, "scan", scan_and_change)


def test_what_is_uploaded_meanwhile_is_no_disagreement(archive, monkeypatch):
    """Its pages came after the index was gone through."""
    archive.upload(pdf("one"))
    archive.settle()

    def upload():
        archive.upload(zipped(a=pdf("two", "three"), b=pdf("four")), "box.zip")
        archive.settle()

    meanwhile(archive, monkeypatch, upload)
    assert found(archive) == set()
    assert archive.library.counts(TENANT).done == 4


def test_what_is_sent_in_again_meanwhile_is_no_disagreement(archive, monkeypatch):
    """It has not been opened yet, and what was seen of its pages is gone."""
    document = archive.upload(pdf("one"))
    archive.settle()

    def anew():
        archive.library.delete(TENANT, document)
        assert archive.upload(pdf("one")) == document

    meanwhile(archive, monkeypatch, anew)
    assert found(archive) == set()


def test_a_blob_that_another_process_just_accepted_has_its_document(archive):
    """Its manifest may be missing from listings for a second."""
    archive.upload(pdf("one"))
    catalog = DirCatalog(archive.root)
    assert len(list(catalog.entries())) == 1
    archive.upload(pdf("two"))
    archive.settle()
    assert found(archive, catalog=catalog) == set()


def test_a_deletion_under_way_is_not_unfinished(archive, monkeypatch):
    """It holds the lock until it has ended."""
    document = archive.upload(pdf("one"))
    archive.settle()
    catalog = DirCatalog(archive.root)
    bury = catalog.bury

    def within():
        monkeypatch.undo()
        archive.catalog.bury(Tombstone(TENANT, document, now(), 1))
        unfinished = bury()
        archive.library.delete(TENANT, document)
        return unfinished

    monkeypatch.setattr(catalog, "bury", within)
    assert found(archive, catalog=catalog) == set()
    assert archive.catalog.get(TENANT, document) is None


def test_a_deletion_that_was_cut_off_is_unfinished(archive):
    document = archive.upload(pdf("one"))
    archive.settle()
    archive.catalog.bury(Tombstone(TENANT, document, now(), 1))
    assert found(archive) == {("deletion_unfinished", document)}
