"""The catalog: write-once facts that survive the process and are seen by others."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from index import catalog_dir, catalog_memory, ids
from index.catalog import Entry
from index.catalog_dir import DirCatalog
from index.errors import InvalidRequest
from index.types import Manifest, MemberFailure, Origin, PageSize, Split, Tombstone

START = datetime(2026, 1, 1, tzinfo=UTC)


def manifest(number=0, tenant="default"):
    sha256 = f"{number:064x}"
    return Manifest(
        tenant,
        ids.document_id(tenant, sha256),
        sha256,
        10 + number,
        f"scan {number}.pdf",
        "application/pdf",
        START + timedelta(seconds=number),
    )


@pytest.fixture
def catalog(tmp_path):
    return DirCatalog(tmp_path)


def test_round_trip(catalog, tmp_path):
    """What was added is read back equal by a fresh catalog on the same directory."""
    facts = manifest()
    assert catalog.add(facts, Origin(None, "scan.pdf"), "s3cret")
    entry = DirCatalog(tmp_path).get("default", facts.document_id)
    assert entry.manifest == facts
    assert entry.origins == (Origin(None, "scan.pdf"),)
    assert entry.password == "s3cret"
    assert "s3cret" not in repr(entry)


def test_manifest_is_write_once(catalog):
    """The first manifest stays; a second way in adds an origin."""
    facts = manifest()
    assert catalog.add(facts, Origin(None, "first.pdf"))
    again = Manifest(**{**{f: getattr(facts, f) for f in facts.__dataclass_fields__}, "filename": "second.pdf"})
    assert not catalog.add(again, Origin("archive", "box/second.pdf"))
    entry = catalog.get("default", facts.document_id)
    assert entry.manifest.filename == "scan 0.pdf"
    assert set(entry.origins) == {Origin(None, "first.pdf"), Origin("archive", "box/second.pdf")}
    assert entry.uploaded


def test_password_file_is_private(catalog, tmp_path):
    """A password lies in a file that only its owner can read, and goes with the document."""
    facts = manifest()
    catalog.add(facts, Origin(None, "x"), "pw")
    secret = tmp_path / "documents/default" / f"{facts.document_id}.secret.json"
    assert secret.stat().st_mode & 0o077 == 0
    catalog.forget("default", facts.document_id)
    assert not secret.exists()


def test_newest_first_and_seen_by_others(catalog, tmp_path):
    """Listings are newest first; another catalog on the directory sees additions and removals by id at once."""
    other = DirCatalog(tmp_path)
    for number in (1, 3, 2):
        catalog.add(manifest(number), Origin(None, "x"))
    assert [entry.manifest.filename for entry in other.entries()] == ["scan 3.pdf", "scan 2.pdf", "scan 1.pdf"]
    catalog.add(manifest(4), Origin(None, "x"))
    assert other.get("default", manifest(4).document_id)
    catalog.forget("default", manifest(3).document_id)
    assert other.get("default", manifest(3).document_id) is None


def test_tenants_do_not_meet(catalog):
    """A tenant's listing and look-ups never show another's documents; recovery spans all."""
    mine, theirs = manifest(1, "mine"), manifest(1, "theirs")
    catalog.add(mine, Origin(None, "x"))
    catalog.add(theirs, Origin(None, "x"))
    assert [entry.manifest for entry in catalog.entries("mine")] == [mine]
    assert catalog.get("mine", theirs.document_id) is None
    assert len(list(catalog.entries(None))) == 2


def test_split_is_write_once_unless_it_failed(catalog, tmp_path):
    """A good split stays for ever; one that says why a file could not be opened is replaced."""
    facts = manifest()
    catalog.add(facts, Origin(None, "x"))
    key = ("default", facts.document_id)
    assert catalog.split(*key) is None
    failed = Split(error_code="encrypted", error_message="needs a password")
    good = Split(
        pages=(PageSize(595.0, 842.0),),
        members=(("a/b.pdf", "id"),),
        member_failures=(MemberFailure("c", "damaged", "cut off"),),
    )
    assert catalog.split(*key, failed) == failed
    assert catalog.split(*key, good) == good
    assert catalog.split(*key, Split()) == good
    assert DirCatalog(tmp_path).split(*key) == good


def test_split_of_a_deleted_document_is_not_recorded(catalog):
    """A worker that finishes late cannot leave files of a document that is gone."""
    facts = manifest()
    catalog.add(facts, Origin(None, "x"))
    catalog.forget("default", facts.document_id)
    assert catalog.split("default", facts.document_id, Split(pages=(PageSize(1, 1),))) is None


def test_unfinished_deletions_are_known(catalog, tmp_path):
    """A tombstone beside a manifest is an unfinished deletion; uploading again ends the tombstone."""
    facts = manifest()
    catalog.add(facts, Origin(None, "x"))
    stone = Tombstone("default", facts.document_id, START, 3)
    assert catalog.bury(stone) == [stone]
    assert DirCatalog(tmp_path).bury() == [stone]
    catalog.forget("default", facts.document_id)
    assert catalog.bury() == []
    names = [path.name for path in (tmp_path / "documents/default").iterdir()]
    assert names == [f"{facts.document_id}.gone.json"]
    catalog.add(facts, Origin(None, "x"))
    assert catalog.bury() == []


def test_ids_that_could_be_paths(catalog):
    """Whatever is not a tenant name and a uuid names no document and touches no file."""
    for bad in ("../../etc/passwd", "", "*", "a" * 36):
        assert catalog.get("default", bad) is None
        assert catalog.split("default", bad) is None
        catalog.forget("default", bad)
    facts = manifest()
    assert catalog.get("../x", facts.document_id) is None
    with pytest.raises(InvalidRequest):
        catalog.add(manifest(1, "Not a tenant"), Origin(None, "x"))


def test_one_of_many_wins(catalog):
    """The same document accepted by 16 threads at once is new exactly once."""
    facts = manifest()
    new = []

    def accept(number):
        with catalog.lock():
            new.append(catalog.add(facts, Origin(None, f"{number}.pdf")))

    threads = [threading.Thread(target=accept, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(new) == 1
    assert len(catalog.get("default", facts.document_id).origins) == 16


def test_looking_up_does_not_wait_for_the_lock(catalog):
    """While one thread deletes for a long time, others look documents up and list them."""
    facts = manifest()
    catalog.add(facts, Origin(None, "x"))
    seen = []

    def look():
        seen.append((catalog.get("default", facts.document_id), catalog.split("default", facts.document_id)))
        seen.append(list(catalog.entries("default")))

    with catalog.lock():
        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        thread.join(60)
        assert len(seen) == 2


def test_changes_cost_no_scan(catalog, monkeypatch):
    """The cost of a change does not grow with the number of documents: the directory is not listed."""
    for number in range(3):
        catalog.add(manifest(number), Origin(None, "x"))

    def refuse(*_args, **_options):
        raise AssertionError("the directory was listed")

    monkeypatch.setattr("pathlib.Path.glob", refuse)
    monkeypatch.setattr("os.scandir", refuse)
    facts = manifest(9)
    catalog.add(facts, Origin(None, "x"), "pw")
    catalog.add(facts, Origin("archive", "y"))
    catalog_dir._origin_path(catalog._stem("default", facts.document_id), Origin("archive", "y")).write_bytes(b"")
    assert catalog.mend("default", facts.document_id, Origin("archive", "y"))
    catalog.bury(Tombstone("default", facts.document_id, START, 3))
    catalog.forget("default", facts.document_id, Origin(None, "x"))
    assert catalog.get("default", facts.document_id).origins == (Origin("archive", "y"),)
    catalog.forget("default", facts.document_id)
    monkeypatch.undo()
    left = [path.name for path in catalog._root.glob(f"*/{facts.document_id}*")]
    assert left == [f"{facts.document_id}.gone.json"]


def test_forgetting_leaves_nothing_that_another_process_wrote(catalog, tmp_path):
    """Files of a document that this object never added itself go too."""
    facts = manifest()
    DirCatalog(tmp_path).add(facts, Origin(None, "x"), "pw")
    catalog.forget("default", facts.document_id)
    assert list((tmp_path / "documents/default").iterdir()) == []


DAMAGE = [b"", b"{", b"\0\0", b"null", b"[1]", b'"x"', b'{"a": 1}']


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_manifest_hides_its_document_only(catalog, tmp_path, damage):
    """One unreadable file breaks no listing, is named, and makes the catalog incomplete: nothing is tidied up then."""
    catalog.add(manifest(1), Origin(None, "x"))
    catalog.add(manifest(2), Origin(None, "x"))
    assert catalog.complete()
    broken = tmp_path / "documents/default" / f"{manifest(1).document_id}.json"
    broken.write_bytes(damage)
    fresh = DirCatalog(tmp_path)
    assert [entry.manifest for entry in fresh.entries()] == [manifest(2)]
    assert fresh.damaged() == [broken]
    assert not fresh.complete()


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.EMFILE])
@pytest.mark.parametrize("part", ["json", "split.json"])
def test_a_file_that_cannot_be_read_is_damaged(catalog, tmp_path, monkeypatch, part, number):
    """A bad sector, or another user's file, costs its document and no other; it is not taken for damaged where the
    process is to blame, which reads it a moment later.
    """
    one, two = manifest(1), manifest(2)
    for facts in (one, two):
        catalog.add(facts, Origin(None, "x"))
        catalog.split("default", facts.document_id, Split(pages=(PageSize(1, 2),)))
    bad = tmp_path / "documents/default" / f"{one.document_id}.{part}"
    read = Path.read_bytes

    def refuse(path):
        if path == bad:
            raise OSError(number, os.strerror(number), str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    fresh = DirCatalog(tmp_path)
    if number == errno.EMFILE:
        with pytest.raises(OSError, match="open files"):
            fresh.damaged()
        return
    assert fresh.damaged() == [bad]
    assert [entry.manifest for entry in fresh.entries()] == ([two] if part == "json" else [two, one])
    assert fresh.split("default", two.document_id) is not None
    assert fresh.complete() is (part != "json")


@pytest.mark.parametrize("damage", DAMAGE)
def test_sending_a_document_in_again_mends_its_files(catalog, tmp_path, damage):
    """Whatever of them is damaged: each counts as absent until then, and is written anew."""
    facts, origin, split = manifest(1), Origin(None, "x"), Split(pages=(PageSize(1, 2),))
    catalog.add(facts, origin, "pw")
    catalog.split("default", facts.document_id, split)
    files = sorted((tmp_path / "documents/default").glob("*.json"))
    assert len(files) == 4
    for path in files:
        path.write_bytes(damage)
    fresh = DirCatalog(tmp_path)
    assert sorted(fresh.damaged()) == files
    assert fresh.get("default", facts.document_id) is None
    assert fresh.split("default", facts.document_id) is None
    assert fresh.add(facts, origin, "pw")
    assert fresh.split("default", facts.document_id, split) == split
    assert fresh.get("default", facts.document_id) == Entry(facts, (origin,), "pw")
    assert fresh.damaged() == []
    assert not fresh.add(facts, origin, "pw")


def test_an_empty_catalog_is_not_complete(catalog):
    """A directory that was not mounted must not look like an archive from which everything was deleted."""
    assert not catalog.complete()
    catalog.add(manifest(1), Origin(None, "x"))
    document_id = manifest(1).document_id
    catalog.bury(Tombstone("default", document_id, START, 1))
    catalog.forget("default", document_id)
    assert catalog.complete()


def test_a_large_catalog_is_seen_to_hold_something_at_once(catalog, monkeypatch):
    """Every process asks at its start: it does not go through millions of files for it."""
    for number in range(50):
        catalog.add(manifest(number), Origin(None, "x"))
    seen, scandir = [], os.scandir

    @contextlib.contextmanager
    def counted(folder):
        with scandir(folder) as files:
            yield (seen.append(file) or file for file in files)

    monkeypatch.setattr("os.scandir", counted)
    assert not catalog.empty()
    assert len(seen) <= 2  # the tenant, and a file


def test_whether_it_is_complete_is_found_out_beside_uploads(catalog, tmp_path, monkeypatch):
    """All processes accept documents under the catalog's lock: it is not held while all manifests are read."""
    catalog.add(manifest(1), Origin(None, "x"))
    catalog.add(manifest(2), Origin(None, "x"))
    load, free = catalog_memory.load, []

    def loading(path, of):
        with (tmp_path / "catalog.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                free.append(False)
            else:
                free.append(True)
        return load(path, of)

    monkeypatch.setattr(catalog_memory, "load", loading)
    assert DirCatalog(tmp_path).complete()
    assert free
    assert all(free)


def test_password_of_an_upload_that_was_cut_off(catalog, tmp_path):
    """A password whose document was never accepted is swept, and never passed on to a later upload."""
    secret = tmp_path / "documents/default" / f"{manifest(1).document_id}.secret.json"
    for sweep in (True, False):
        secret.parent.mkdir(exist_ok=True)
        secret.write_text('{"password": "stale"}')
        (secret.parent / ".half.tmp").write_text("cut")
        if sweep:
            catalog.sweep()
            assert list(secret.parent.iterdir()) == []
    catalog.add(manifest(1), Origin(None, "x"))
    assert catalog.get("default", manifest(1).document_id).password is None
