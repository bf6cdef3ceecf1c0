"""Jobs: an accepted document is never lost, a page fails alone, everything is done once."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest

from index.errors import BadDocument, NotFound, StoreUnavailable, UnsupportedMedia
from index.types import DocumentState, PageState, SearchFilter
from tests.kit import TENANT, Archive, FakeEngine, pdf
from worker.queue import Read
from worker.recovery import MAX_INTERRUPTIONS


@pytest.fixture
def archive(tmp_path):
    archive = Archive(tmp_path)
    yield archive
    archive.close()


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def tarred(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def states(archive, document):
    return [
        archive.library.page(TENANT, document, n)[1].state for n in range(1, archive.view(document).pages.total + 1)
    ]


def test_read_in_order(archive):
    """Pages keep their numbers and texts, and each is read once."""
    document = archive.upload(pdf("first page", "second page", "third page"))
    assert archive.view(document).state is DocumentState.ACCEPTED
    archive.settle()
    assert archive.view(document).state is DocumentState.DONE
    assert archive.texts(document) == ["first page", "second page", "third page"]
    assert set(archive.engine.reads.values()) == {1}


def test_same_bytes_same_document(archive):
    """A second upload of the same bytes is the same document and reads nothing again."""
    first = archive.upload(pdf("only page"), "a.pdf")
    archive.settle()
    assert archive.upload(pdf("only page"), "b.pdf") == first
    archive.settle()
    assert archive.engine.reads == {"only page": 1}
    assert len(archive.library.documents(TENANT)[0]) == 1


def test_rung_again_and_again(archive):
    """Ringing for what is done changes nothing: jobs are idempotent."""
    document = archive.upload(pdf("one", "two"))
    archive.settle()
    for _ in range(3):
        archive.recovery.reconcile()
        archive.jobs.expand(TENANT, document)
        archive.settle()
    assert set(archive.engine.reads.values()) == {1}


def test_a_bad_page_fails_alone(archive):
    """One damaged page fails with its code; its neighbours are done and numbers do not shift."""
    document = archive.upload(pdf("one", "!damaged", "three"))
    archive.settle()
    view = archive.view(document)
    assert view.state is DocumentState.PARTIAL
    assert states(archive, document) == [PageState.DONE, PageState.FAILED, PageState.DONE]
    assert [(point.key.page, point.error_code) for point in view.failed_pages] == [(2, "damaged")]
    assert archive.texts(document)[2] == "three"


def test_three_attempts(tmp_path):
    """What may pass is tried three times; what cannot pass is tried once."""
    engine = FakeEngine(fail={"shaky": [RuntimeError("1"), RuntimeError("2")], "cursed": [RuntimeError()] * 9})
    archive = Archive(tmp_path, engine=engine)
    document = archive.upload(pdf("shaky", "cursed", "!render_timeout", "!bomb"))
    archive.settle()
    assert engine.reads == {"shaky": 3, "cursed": 3}
    assert archive.renderer.rendered["!render_timeout"] == 3
    assert archive.renderer.rendered["!bomb"] == 1
    failed = {point.key.page: (point.error_code, point.attempts) for point in archive.view(document).failed_pages}
    assert failed == {2: ("internal_error", 3), 3: ("render_timeout", 3), 4: ("bomb", 1)}
    archive.close()


def test_uploading_again_tries_failed_pages_again(tmp_path):
    """The same bytes again are how a person asks for another try of what failed."""
    engine = FakeEngine(fail={"cursed": [RuntimeError()] * 3})
    archive = Archive(tmp_path, engine=engine)
    content = pdf("fine", "cursed")
    document = archive.upload(content)
    archive.settle()
    assert archive.view(document).state is DocumentState.PARTIAL
    archive.upload(content)
    archive.settle()
    assert archive.view(document).state is DocumentState.DONE
    assert engine.reads == {"fine": 1, "cursed": 4}
    archive.close()


def test_unavailable_costs_no_attempt(tmp_path):
    """A page is not to blame for a store that was away."""
    engine = FakeEngine(fail={"page": [StoreUnavailable("away")] * 5})
    archive = Archive(tmp_path, engine=engine)
    document = archive.upload(pdf("page"))
    archive.jobs.expand(TENANT, document)
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            archive.jobs.read(archive.rung[-1].key)
    archive.settle()
    assert archive.view(document).state is DocumentState.DONE
    archive.close()


def test_wrong_type_is_refused_and_leaves_nothing(archive, tmp_path):
    """What cannot be read is refused at the door, by content and not by name."""
    with pytest.raises(UnsupportedMedia):
        archive.upload(b"just some text", "innocent.pdf")
    with pytest.raises(BadDocument):
        archive.upload(b"", "empty.pdf")
    assert list(archive.blobs.blobs()) == []
    assert list((tmp_path / "incoming").iterdir()) == []


def test_password_handed_in_later(archive):
    """A locked file fails with a code; uploading it again with the password reads it."""
    document = archive.upload(pdf("!locked"))
    archive.settle()
    view = archive.view(document)
    assert view.state is DocumentState.FAILED
    assert view.split.error_code == "encrypted"
    assert archive.upload(pdf("!locked"), password="open sesame") == document
    assert archive.view(document).state is DocumentState.ACCEPTED, "the old failure is over"
    archive.settle()
    assert archive.view(document).state is DocumentState.DONE


def test_password_of_an_archive_handed_in_later(archive):
    """It is tried on the members that were locked; the others are read once."""
    content = zipped(a__pdf=pdf("open"), b__pdf=pdf("!locked"))
    box = archive.upload(content, "box.zip")
    archive.settle()
    assert archive.view(box).state is DocumentState.PARTIAL
    assert archive.view(box).pages.done == 1
    assert archive.upload(content, "box.zip", password="wrong") == box
    archive.settle()
    assert archive.view(box).state is DocumentState.PARTIAL
    assert archive.upload(content, "box.zip", password="open sesame") == box
    archive.settle()
    view = archive.view(box)
    assert view.state is DocumentState.DONE
    assert view.pages.done == view.pages.total == 2


def test_archive_members_become_documents(archive):
    """Members know their paths; a bad one is reported by name and stops no other."""
    box = archive.upload(
        zipped(letters__1923__may__pdf=pdf("dear sir"), notes__txt=b"plain text", bad__pdf=pdf("!broken")), "box.zip"
    )
    archive.settle()
    view = archive.view(box)
    assert view.state is DocumentState.PARTIAL
    assert [failure.path for failure in view.split.member_failures] == ["notes/txt", "bad/pdf"]
    assert dict(view.split.members).keys() == {"letters/1923/may/pdf", "bad/pdf"}
    letter = dict(view.split.members)["letters/1923/may/pdf"]
    point = archive.library.page(TENANT, letter, 1)[1]
    assert point.labels.paths == ("box.zip/letters/1923/may/pdf",)
    for folder in ("letters", "letters/1923", "box.zip", "box.zip/letters/1923/may"):
        assert archive.store.count(TENANT, where=SearchFilter(folder=folder)).done == 1, folder
    assert archive.store.count(TENANT, where=SearchFilter(folder="1923")).done == 0
    assert view.pages.done == 1


def test_archives_two_deep(archive):
    """An archive in an archive is opened, one deeper is reported."""
    deepest = zipped(c=pdf("too deep"))
    inner = tarred({"b.pdf": pdf("inside"), "deepest.zip": deepest})
    outer = archive.upload(zipped(a=pdf("outside"), inner=inner), "outer.zip")
    archive.settle()
    view = archive.view(outer)
    assert view.state is DocumentState.PARTIAL
    assert view.pages.done == 2
    inner_view = archive.view(dict(view.split.members)["inner"])
    assert [(f.path, f.code) for f in inner_view.split.member_failures] == [("deepest.zip", "too_deep")]


def test_deleting_leaves_nothing(archive, tmp_path):
    """After a deletion no point, no blob and no file but the tombstone is left; the receipt says what there was."""
    document = archive.upload(pdf("secret one", "secret two"))
    archive.settle()
    receipt = archive.library.delete(TENANT, document)
    assert (receipt.pages_deleted, receipt.documents_deleted, receipt.blobs_deleted) == (2, 1, 1)
    assert set(receipt.remaining.values()) == {0}
    assert list(archive.blobs.blobs()) == []
    assert list(archive.store.scan(None)) == []
    with pytest.raises(NotFound):
        archive.view(document)
    assert [path.name for path in (tmp_path / "documents" / TENANT).iterdir()] == [f"{document}.gone.json"]


def test_deleting_an_archive_keeps_what_came_otherwise(archive):
    """Members that were uploaded by themselves or lie in another archive stay and lose that path only."""
    shared, own, alone = pdf("in both"), pdf("by itself too"), pdf("only here")
    first = archive.upload(zipped(shared=shared, own=own, alone=alone), "first.zip")
    second = archive.upload(zipped(shared=shared), "second.zip")
    mine = archive.upload(own, "own.pdf")
    archive.settle()
    members = dict(archive.view(first).split.members)
    receipt = archive.library.delete(TENANT, first)
    assert receipt.documents_deleted == 2
    assert archive.texts(mine) == ["by itself too"]
    assert archive.library.page(TENANT, members["shared"], 1)[1].labels.paths == ("second.zip/shared",)
    with pytest.raises(NotFound):
        archive.view(members["alone"])
    assert archive.view(second).state is DocumentState.DONE


def test_a_receipt_of_an_archive_looks_after_its_members_too(archive, monkeypatch):
    """What a look finds of members that were to go remains, and is said; what another document holds is its own."""
    box = archive.upload(zipped(a=pdf("one"), b=pdf("two"), c=pdf("three")), "box.zip")
    archive.upload(pdf("three"))
    archive.settle()
    members = dict(archive.view(box).split.members)
    kept = {archive.catalog.get(TENANT, members["a"]).manifest.sha256}
    delete, forget = archive.blobs.delete, archive.catalog.forget
    monkeypatch.setattr(archive.blobs, "delete", lambda sha256: sha256 not in kept and delete(sha256))
    monkeypatch.setattr(archive.catalog, "forget", lambda t, d, o=None: d == members["b"] or forget(t, d, o))
    receipt = archive.library.delete(TENANT, box)
    assert receipt.remaining == {"points": 0, "manifests": 1, "blobs": 1, "archives": 0}


def test_deleting_a_member_says_that_the_archive_still_has_it(archive):
    """The receipt does not claim that bytes are gone which an archive's original still contains."""
    box = archive.upload(zipped(a=pdf("one"), b=pdf("two")), "box.zip")
    archive.settle()
    members = dict(archive.view(box).split.members)
    receipt = archive.library.delete(TENANT, members["a"])
    assert receipt.remaining == {"points": 0, "manifests": 0, "blobs": 0, "archives": 1}
    assert archive.view(box).pages.done == 1


def test_a_deleted_document_does_not_come_back(tmp_path):
    """A worker that commits after the deletion changes nothing."""
    archive = Archive(tmp_path)
    document = archive.upload(pdf("late"))
    archive.jobs.expand(TENANT, document)
    key = archive.rung[-1].key

    class Deleting(FakeEngine):
        def read(self, images):
            archive.library.delete(TENANT, document)
            return super().read(images)

    archive.engine.read = Deleting().read
    archive.jobs.read(key)
    archive.settle()
    archive.recovery.reconcile()
    archive.settle()
    assert list(archive.store.scan(None)) == []
    assert list(archive.catalog.entries(None)) == []
    archive.close()


def test_deleted_bytes_can_be_uploaded_again(archive):
    """A deletion is no ban."""
    document = archive.upload(pdf("again"))
    archive.settle()
    archive.library.delete(TENANT, document)
    assert archive.upload(pdf("again")) == document
    archive.settle()
    assert archive.texts(document) == ["again"]


@pytest.mark.parametrize("cut", ["tombstone", "points", "origin"])
def test_a_deletion_that_was_cut_short_is_finished(archive, monkeypatch, cut):
    """Whatever step of a deletion the process dies in, the next start ends it."""
    document = archive.upload(pdf("half gone"))
    archive.settle()
    steps = {
        "tombstone": (archive.store, "delete"),
        "points": (archive.catalog, "forget"),
        "origin": (archive.blobs, "delete"),
    }

    def die(*_args):
        raise KeyboardInterrupt

    target, name = steps[cut]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(target, name, die)
        archive.library.delete(TENANT, document)
    archive.restart()
    archive.settle()
    assert list(archive.store.scan(None)) == []
    assert list(archive.blobs.blobs()) == []
    assert list(archive.catalog.entries(None)) == []


def test_lost_doorbells(archive):
    """With every message lost at every step, reconcile alone brings the work to its end."""
    document = archive.upload(zipped(a=pdf("one", "two"), b=pdf("three")), "box.zip")
    for _ in range(20):
        archive.rung.clear()
        archive.recovery.reconcile()
        if not archive.rung:
            break
        archive.jobs.run(archive.rung[0])
    assert archive.view(document).state is DocumentState.DONE
    assert set(archive.engine.reads.values()) == {1}


def test_killed_from_outside_costs_no_attempt(archive):
    """However often the service is killed while it reads a page, the page is read in the end."""
    document = archive.upload(pdf("page"))
    archive.jobs.expand(TENANT, document)
    for _ in range(MAX_INTERRUPTIONS):
        kill_while_reading(archive, document)
        archive.restart()
    archive.settle()
    assert archive.view(document).state is DocumentState.DONE


def test_a_page_that_is_always_killed_is_given_up(archive):
    """A page that ends in SIGKILL every time (out of memory) fails in the end; its neighbour is done."""
    document = archive.upload(pdf("hungry", "modest"))
    archive.jobs.expand(TENANT, document)
    for _ in range(MAX_INTERRUPTIONS + 1):
        kill_while_reading(archive, document)
        archive.restart()
    archive.settle()
    assert archive.view(document).failed_pages[0].error_code == "reader_killed"
    assert states(archive, document)[1] is PageState.DONE


def test_a_page_that_crashes_its_reader(archive):
    """After three crashes of the process in the middle of it, a page is failed without another try."""
    document = archive.upload(pdf("poison", "modest"))
    archive.jobs.expand(TENANT, document)
    for _ in range(3):
        kill_while_reading(archive, document)
        archive.restart(crashed=True)
    archive.settle()
    assert archive.view(document).failed_pages[0].error_code == "reader_crashed"
    assert archive.engine.reads["poison"] == 0
    assert states(archive, document)[1] is PageState.DONE


def kill_while_reading(archive, document):
    """The state that a SIGKILL in the middle of page 1 leaves behind."""

    class Killed(BaseException):
        pass

    def die(_images):
        raise Killed

    key = archive.library.page(TENANT, document, 1)[1].key
    read, archive.jobs.attempts._reader._engine.read = archive.jobs.attempts._reader._engine.read, die
    try:
        with pytest.raises(Killed):
            archive.jobs.run(Read(key))
    finally:
        archive.jobs.attempts._reader._engine.read = read
