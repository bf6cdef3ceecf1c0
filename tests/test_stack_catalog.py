"""The catalog as several processes see it: each has its own memory of the same files."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from index import ids
from index.blobs_dir import DirBlobStore
from index.catalog_dir import DirCatalog
from index.errors import StoreUnavailable
from index.ownership import Ownership
from index.store import PageCounts
from index.types import Manifest, Origin, PageSize, Split, Tombstone
from worker.deletion import Deletion

SHA, OTHER = "ab" * 32, "cd" * 32
DOCUMENT = ids.document_id("default", SHA)
START = datetime(2026, 1, 1, tzinfo=UTC)


def manifest(hour=1, sha256=SHA):
    document_id = ids.document_id("default", sha256)
    return Manifest("default", document_id, sha256, 3, "a.pdf", "application/pdf", START.replace(hour=hour))


class NoPages:
    """A `Store` of documents that were not opened yet."""

    def count(self, *_args, **_where):
        return PageCounts()

    def delete(self, *_args):
        return 0


class Process:
    """What one process of a stack knows of the shared directory."""

    def __init__(self, root):
        self.catalog = DirCatalog(root)
        self.blobs = DirBlobStore(root)
        self.deletion = Deletion(self.blobs, self.catalog, NoPages(), lambda: START)

    def accept(self, content, origin=None, tenant="default"):
        staged = self.blobs.stage(100)
        staged.write(content)
        with self.catalog.lock():
            blob = self.blobs.commit(staged)
            document_id = ids.document_id(tenant, blob.sha256)
            facts = Manifest(tenant, document_id, blob.sha256, blob.size, "a.pdf", "application/pdf", START)
            self.catalog.add(facts, origin or Origin(None, "a.pdf"))
        return facts


@pytest.fixture
def front(tmp_path):
    return Process(tmp_path)


@pytest.fixture
def worker(tmp_path):
    return Process(tmp_path)


@pytest.fixture
def two(tmp_path):
    return DirCatalog(tmp_path), DirCatalog(tmp_path)


def test_a_password_that_comes_later_is_seen(two):
    """A document that another process knows without a password has it as soon as it was sent."""
    first, second = two
    first.add(manifest(), Origin(None, "a.pdf"))
    assert second.get("default", DOCUMENT).password is None
    first.add(manifest(), Origin(None, "a.pdf"), "sesame")
    assert second.get("default", DOCUMENT).password == "sesame"
    first.add(manifest(), Origin(None, "a.pdf"), "other")
    assert second.get("default", DOCUMENT).password == "other"


def test_origins_that_come_and_go_are_seen(two):
    """Another way in, and its end."""
    first, second = two
    first.add(manifest(), Origin(None, "a.pdf"))
    assert len(second.get("default", DOCUMENT).origins) == 1
    first.add(manifest(), Origin("box", "in/a.pdf"))
    assert len(second.get("default", DOCUMENT).origins) == 2
    first.forget("default", DOCUMENT, Origin("box", "in/a.pdf"))
    assert len(second.get("default", DOCUMENT).origins) == 1


def test_a_document_deleted_and_sent_again_is_a_new_one(two):
    """Neither its manifest nor what was found inside it is remembered from its first life."""
    first, second = two
    first.add(manifest(1), Origin(None, "a.pdf"))
    first.split("default", DOCUMENT, Split(pages=(PageSize(1, 1),)))
    assert len(second.split("default", DOCUMENT).pages) == 1
    second.get("default", DOCUMENT)
    first.forget("default", DOCUMENT)
    assert second.get("default", DOCUMENT) is None
    assert second.split("default", DOCUMENT) is None
    first.add(manifest(2), Origin(None, "a.pdf"))
    assert second.get("default", DOCUMENT).manifest.created_at.hour == 2
    assert second.split("default", DOCUMENT) is None


def test_uploads_that_go_on_are_not_swept(tmp_path):
    """Of several processes none removes what another is just receiving; after a day it is nobody's."""
    store = DirBlobStore(tmp_path)
    staged = store.stage(100)
    staged.write(b"abc")
    assert DirBlobStore(tmp_path).sweep(older_than_s=3600) == 0
    assert store.commit(staged).size == 3


def test_one_service_or_one_stack(tmp_path):
    """Processes of a stack share the directory; an embedded service shares it with nobody."""
    first, second = Ownership(tmp_path, shared=True), Ownership(tmp_path, shared=True)
    with pytest.raises(StoreUnavailable):
        Ownership(tmp_path)
    first.release()
    second.release()
    alone = Ownership(tmp_path)
    with pytest.raises(StoreUnavailable):
        Ownership(tmp_path, shared=True)
    alone.release()


def test_a_password_that_is_just_being_accepted_is_not_swept(two, tmp_path, monkeypatch):
    """Its manifest comes after it, and while another process looks for what a crash left."""
    first, second = two
    first.add(manifest(), Origin(None, "a.pdf"), "sesame")
    folder = tmp_path / "documents" / "default"
    (folder / f"{DOCUMENT}.json").rename(tmp_path / "later")
    lock = second.lock

    def late():
        (tmp_path / "later").rename(folder / f"{DOCUMENT}.json")
        return lock()

    monkeypatch.setattr(second, "lock", late)
    second.sweep()
    assert second.get("default", DOCUMENT).password == "sesame"


def test_looking_for_what_a_crash_left_holds_up_no_upload(two, monkeypatch):
    """Where there is nothing the lock is not taken; an opening that goes on is no leftover."""
    first, second = two
    first.add(manifest(), Origin(None, "a.pdf"), "sesame")
    first.opening("default", DOCUMENT, begins=True)
    monkeypatch.setattr(second, "lock", lambda: pytest.fail("it was taken"))
    second.sweep()


def test_what_was_just_accepted_is_not_swept(front, worker):
    """A process that listed the archive a moment ago, and tidies up, knows what another one accepted since."""
    front.accept(b"first")
    list(worker.catalog.entries())
    facts = front.accept(b"second")
    worker.deletion.finish()
    assert front.blobs.check(facts.sha256)


def test_what_was_sent_again_is_not_deleted(front, worker, monkeypatch):
    """Who tidies up finds a deletion that another process has under way, waits for the catalog until it has ended, and
    by then the document may have been accepted anew.
    """
    facts = front.accept(b"letter")
    begun, bury = front.catalog.bury, worker.catalog.bury

    def found(tombstone=None):
        """What there is in the middle of a deletion, which ends before anybody else has the lock."""
        monkeypatch.undo()
        begun(Tombstone("default", facts.document_id, START, 0))
        unfinished = bury(tombstone)
        front.deletion.delete("default", facts.document_id)
        front.accept(b"letter")
        return unfinished

    monkeypatch.setattr(worker.catalog, "bury", found)
    assert worker.deletion.finish() == 0
    assert front.catalog.get("default", facts.document_id) is not None
    assert front.blobs.check(facts.sha256)


def test_a_deletion_that_was_cut_short_is_ended(front, worker):
    """By whoever tidies up next; the process that began it is gone."""
    facts, kept = front.accept(b"letter"), front.accept(b"other")
    front.catalog.bury(Tombstone("default", facts.document_id, START, 0))
    assert worker.deletion.finish() == 1
    assert front.catalog.get("default", facts.document_id) is None
    assert [blob.sha256 for blob in front.blobs.blobs()] == [kept.sha256]


def test_blobs_stay_while_documents_may_be_missing(front, worker):
    """What no document names may be named by one that cannot be read now."""
    facts = front.accept(b"letter")
    front.catalog.forget("default", facts.document_id)
    worker.deletion.finish(sweep=lambda: False)
    assert front.blobs.check(facts.sha256)
    worker.deletion.finish()
    assert list(front.blobs.blobs()) == []


def test_tidying_up_holds_up_no_upload(front, worker, monkeypatch):
    """Where nothing is left over the catalog's lock, which every upload waits for, is not taken."""
    front.accept(b"letter")
    monkeypatch.setattr(worker.catalog, "lock", lambda: pytest.fail("it was taken"))
    assert worker.deletion.finish(sweep=lambda: pytest.fail("it was asked")) == 0


def test_an_upload_that_ends_while_tidying_up_is_not_left_over(front, worker, monkeypatch):
    """All documents need not be looked through once more, under the lock, because of it."""
    blobs = worker.blobs.blobs

    def meanwhile():
        front.accept(b"letter")
        return blobs()

    monkeypatch.setattr(worker.blobs, "blobs", meanwhile)
    monkeypatch.setattr(worker.catalog, "lock", lambda: pytest.fail("it was taken"))
    assert worker.deletion.finish() == 0


def test_what_just_came_is_deleted_with_its_archive(front, worker):
    """A member that another process found a moment ago goes with the archive."""
    box = front.accept(b"box")
    list(front.catalog.entries())
    member = worker.accept(b"member", Origin(box.document_id, "in/a.pdf"))
    receipt = front.deletion.delete("default", box.document_id)
    assert receipt.documents_deleted == 2
    assert worker.catalog.get("default", member.document_id) is None
    assert list(front.blobs.blobs()) == []


def test_bytes_that_another_tenant_just_sent_stay(front, worker):
    """The blob of a deleted document is kept for who sent the same bytes to another process a moment ago."""
    mine = front.accept(b"same")
    worker.accept(b"other", tenant="theirs")
    list(front.catalog.entries())
    theirs = worker.accept(b"same", tenant="theirs")
    front.deletion.delete("default", mine.document_id)
    assert worker.blobs.check(theirs.sha256)


def test_bytes_of_a_manifest_that_is_damaged_stay(front, worker, tmp_path):
    """Another tenant's, for whom the file may be put back from a backup."""
    mine, theirs = front.accept(b"same"), front.accept(b"same", tenant="theirs")
    (tmp_path / "documents/theirs" / f"{theirs.document_id}.json").write_bytes(b"")
    worker.deletion.delete("default", mine.document_id)
    assert front.blobs.check(theirs.sha256)


def test_deleting_a_document_costs_no_look_at_all_others(front, monkeypatch):
    """While the catalog is locked all uploads wait: a second for each million documents, and each deletion."""
    facts, kept = front.accept(b"letter"), front.accept(b"other")
    front.catalog.split("default", facts.document_id, Split(pages=(PageSize(1, 2),)))
    monkeypatch.setattr(front.catalog, "entries", lambda *_: pytest.fail("all were looked at"))
    assert front.deletion.delete("default", facts.document_id).blobs_deleted == 1
    assert [blob.sha256 for blob in front.blobs.blobs()] == [kept.sha256]


def test_what_was_just_deleted_is_not_there_under_the_lock(front, worker):
    """Who holds the lock does not count on a document that another process deleted a moment ago."""
    facts = front.accept(b"first")
    list(worker.catalog.entries())
    front.catalog.forget("default", facts.document_id)
    with worker.catalog.lock():
        assert list(worker.catalog.entries()) == []


def test_a_kill_within_a_change_hides_nothing(front, worker, monkeypatch):
    """What a process had written when it was killed is seen by who holds the lock next."""
    front.accept(b"first")
    list(worker.catalog.entries())

    def killed(*_args):
        raise SystemExit

    monkeypatch.setattr("index.catalog_memory.TenantCache.put", killed)
    with pytest.raises(SystemExit):
        front.accept(b"second")
    monkeypatch.undo()
    with worker.catalog.lock():
        assert len(list(worker.catalog.entries())) == 2


def test_looking_under_the_lock_costs_a_scan_only_after_a_change(front, worker, monkeypatch):
    """Deletions one after the other do not list the directory each time."""
    kept, gone = front.accept(b"first"), worker.accept(b"second")
    with front.catalog.lock():
        assert len(list(front.catalog.entries())) == 2

    def refuse(*_args):
        raise AssertionError("the directory was listed")

    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    monkeypatch.setattr("os.scandir", refuse)
    monkeypatch.setattr("pathlib.Path.glob", refuse)
    front.catalog.forget("default", gone.document_id)
    with front.catalog.lock():
        assert [one.manifest for one in front.catalog.entries("default")] == [kept]


def test_two_ways_in_of_which_one_is_not_known_here(two):
    """A process that adds or takes away a way in keeps those that another one added since."""
    first, second = two
    ways = [Origin("box", f"{number}.pdf") for number in range(4)]
    first.add(manifest(), ways[0])
    second.add(manifest(), ways[1])
    first.add(manifest(), ways[2])
    assert set(first.get("default", DOCUMENT).origins) == set(ways[:3])
    second.add(manifest(), ways[3])
    first.forget("default", DOCUMENT, ways[0])
    assert set(first.get("default", DOCUMENT).origins) == set(ways[1:])
