"""Jobs where documents meet themselves, each other and bad luck: odd archives, passwords, races, full disks."""

from __future__ import annotations

import contextlib
import io
import zipfile
from datetime import timedelta
from types import SimpleNamespace

import pytest

from index.errors import StorageFull
from index.types import DocumentState, PageKey
from ingest.archives import Member
from tests.kit import TENANT, Archive, FakeEngine, pdf
from tests.test_jobs import archive, zipped  # noqa: F401  the fixture
from worker import expansion, openings
from worker.jobs import now
from worker.read_again import Asked
from worker.recovery import CrashLog

ARCHIVE = "box.zip"


@pytest.mark.parametrize(
    "content",
    [zipped(a=pdf("one"), b=pdf("one")), zipped(a=pdf("one"), inner=zipped(b=pdf("one")))],
    ids=["two members", "an archive inside"],
)
def test_the_same_file_twice_in_an_archive(archive, content):  # noqa: F811
    """Its pages are counted once, and the archive is done when they are."""
    box = archive.upload(content, ARCHIVE)
    archive.settle()
    view = archive.view(box)
    assert (view.state, view.pages.total) == (DocumentState.DONE, 1)
    assert archive.library.overview() == (view.pages, False)


def test_an_archive_that_contains_itself(archive, monkeypatch):  # noqa: F811
    """It is refused as a member of itself; nothing runs round in circles."""
    content = zipped(a=b"any")
    monkeypatch.setattr(expansion, "members", lambda *_, **__: iter([Member("a.zip", 1, lambda: iter([content]))]))
    box = archive.upload(content, ARCHIVE)
    archive.settle(limit=20)
    view = archive.view(box)
    assert view.state is DocumentState.FAILED
    assert [(failure.path, failure.code) for failure in view.split.member_failures] == [("a.zip", "bomb")]
    assert archive.library.documents(TENANT)[0]


def test_an_archive_without_files_says_so(archive):  # noqa: F811
    """A failed document has a reason."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.mkdir("only a folder")
    box = archive.upload(buffer.getvalue(), ARCHIVE)
    archive.settle()
    assert archive.view(box).split.error_code == "empty"


def test_uploading_an_archive_again_tries_its_failed_pages_again(tmp_path):
    """A person asks for another try of what failed, wherever in the archive it is."""
    archive = Archive(tmp_path, engine=FakeEngine(fail={"cursed": [RuntimeError()] * 3}))  # noqa: F811
    content = zipped(a=pdf("fine", "cursed"))
    box = archive.upload(content, ARCHIVE)
    archive.settle()
    assert archive.view(box).pages.failed == 1
    archive.upload(content, ARCHIVE)
    archive.settle()
    assert archive.view(box).state is DocumentState.DONE
    assert archive.engine.reads == {"fine": 1, "cursed": 4}
    archive.close()


def test_a_wrong_password_later_closes_nothing(archive):  # noqa: F811
    """What was opened keeps the password that opened it: its page images and unread pages need it."""
    document = archive.upload(pdf("!locked"), password="open sesame")
    archive.settle()
    archive.upload(pdf("!locked"), password="wrong")
    assert archive.catalog.get(TENANT, document).password == "open sesame"


def test_deleted_and_uploaded_again_while_it_is_unpacked(archive, monkeypatch):  # noqa: F811
    """The second upload has all members, whatever the first one's unpacking had found."""
    content = zipped(a=pdf("one"), b=pdf("two"), c=pdf("three"))
    box = archive.upload(content, ARCHIVE)
    members = expansion.members

    def meanwhile(*args, **options):
        for number, member in enumerate(members(*args, **options)):
            if number == 2:
                archive.library.delete(TENANT, box)
                archive.upload(content, ARCHIVE)
            yield member

    with monkeypatch.context() as patch:
        patch.setattr(expansion, "members", meanwhile)
        archive.jobs.run(archive.rung.pop())
    archive.settle()
    view = archive.view(box)
    assert (view.state, view.pages.done) == (DocumentState.DONE, 3)


def test_a_full_disk_at_the_commit_costs_no_attempt(archive, monkeypatch):  # noqa: F811
    """However often it is met, the page waits, and is done when there is room."""
    document = archive.upload(pdf("page"))
    archive.jobs.expand(TENANT, document)
    key = archive.rung[-1].key
    update = archive.store.update

    def full(changes):
        if changes[0].reading is not None:
            raise StorageFull("no room")
        return update(changes)

    with monkeypatch.context() as patch:
        patch.setattr(archive.store, "update", full)
        for _ in range(5):
            with pytest.raises(StorageFull):
                archive.jobs.read(key)
    archive.settle()
    assert archive.view(document).state is DocumentState.DONE


def test_a_commit_that_the_index_refuses_fails_the_page(archive, monkeypatch):  # noqa: F811
    """After three attempts the page has failed with a code, and does not wait for ever."""
    document = archive.upload(pdf("page"))
    update = archive.store.update

    def refuse(changes):
        if changes[0].reading is not None:
            raise RuntimeError("refused")
        return update(changes)

    monkeypatch.setattr(archive.store, "update", refuse)
    archive.settle()
    assert [(page.error_code, page.attempts) for page in archive.view(document).failed_pages] == [("internal_error", 3)]


def test_a_bug_in_opening_a_document_is_told(archive, monkeypatch):  # noqa: F811
    """The document fails with a code instead of being opened in vain at every reconcile."""
    document = archive.upload(pdf("page"))
    monkeypatch.setattr(archive.renderer, "split", lambda *_: 1 / 0)
    archive.settle()
    assert archive.view(document).split.error_code == "internal_error"
    assert archive.recovery.reconcile() == 0
    monkeypatch.undo()
    archive.upload(pdf("page"))
    archive.settle()
    assert archive.view(document).state is DocumentState.DONE


def test_points_that_a_power_cut_brought_back_are_dropped(archive):  # noqa: F811
    """Pages without a manifest are found by nobody after the next reconcile; others stay."""
    gone, kept = archive.upload(pdf("deleted page")), archive.upload(pdf("kept page"))
    archive.settle()
    archive.catalog.forget(TENANT, gone)
    archive.restart()
    archive.settle()
    assert {point.key.document_id for point in archive.store.scan(None)} == {kept}


def test_members_shared_by_an_archive_and_one_inside_go_with_both(archive):  # noqa: F811
    """A member whose two ways in are both deleted by one deletion is deleted too, and its blob."""
    box = archive.upload(zipped(a=pdf("one"), inner=zipped(b=pdf("one"), c=pdf("two"))), ARCHIVE)
    archive.settle()
    receipt = archive.library.delete(TENANT, box)
    assert (receipt.documents_deleted, receipt.pages_deleted, receipt.blobs_deleted) == (4, 2, 4)
    assert list(archive.catalog.entries(None)) == []
    assert list(archive.blobs.blobs()) == []


def test_a_start_that_fails_early_tells_its_own_error(tmp_path):
    """The crash log of a service that never came up is closed without a complaint of its own."""
    CrashLog(tmp_path / "crash.log").disarm()


def test_an_archive_that_kills_the_service_is_not_opened_for_ever(archive, monkeypatch):  # noqa: F811
    """Ten times, and then it has failed with a code; sent again, it is tried again."""

    class Killed(BaseException):
        pass

    def kill(*_args, **_options):
        raise Killed

    # As a kill leaves it: the count is begun and nothing ends it.
    ends = archive.catalog.opening
    content = zipped(a=pdf("one"))
    box = archive.upload(content, ARCHIVE)
    with monkeypatch.context() as patch:
        patch.setattr(expansion, "members", kill)
        patch.setattr(archive.catalog, "opening", lambda t, d, *, begins: ends(t, d, begins=True) if begins else 0)
        for _ in range(10):
            with pytest.raises(Killed):
                archive.jobs.expand(TENANT, box)
    archive.restart()
    opened = []
    with monkeypatch.context() as patch:
        patch.setattr(expansion, "members", lambda *_args, **_options: opened.append(1))
        archive.settle()
    assert (archive.view(box).split.error_code, opened) == ("opening_killed", [])
    archive.upload(content, ARCHIVE)
    archive.settle()
    assert archive.view(box).state is DocumentState.DONE


def test_opening_leaves_no_count_behind(archive):  # noqa: F811
    """An archive that was opened, or could not be, has none to be blamed for later; nor has a deleted one."""
    box = archive.upload(zipped(a=pdf("one")), ARCHIVE)
    broken = archive.upload(zipped(a=pdf("two"))[:60], "broken.zip")
    archive.settle()
    assert {archive.view(one).state for one in (box, broken)} == {DocumentState.DONE, DocumentState.FAILED}
    assert not list((archive.root / "documents").glob("*/*.opening.json"))
    archive.catalog.opening(TENANT, box, begins=True)
    archive.library.delete(TENANT, box)
    assert not list((archive.root / "documents").glob("*/*.opening.json"))


def test_an_archive_is_reading_while_its_members_come_out(archive, monkeypatch):  # noqa: F811
    """It waits for nobody any more; how many pages it has is known when all of it was seen."""
    seen = []

    def members(*_args, **_options):
        for name in ("a.pdf", "b.pdf"):
            yield Member(name, 1, lambda name=name: iter([pdf(name)]))
            seen.append(archive.view(box))

    monkeypatch.setattr(expansion, "members", members)
    box = archive.upload(zipped(a=b"any"), ARCHIVE)
    assert archive.view(box).state is DocumentState.ACCEPTED
    split = archive.catalog.split
    record = lambda *given: (len(given) > 2 and given[1] == box and seen.append(archive.view(box))) or split(*given)  # noqa: E731
    monkeypatch.setattr(archive.catalog, "split", record)
    archive.settle()
    assert [(view.state, view.pages.total) for view in seen] == [(DocumentState.READING, 0)] * 3
    assert archive.view(box).state is DocumentState.DONE


def test_an_archive_that_was_opened_while_it_is_looked_at_does_not_wait_again(archive, monkeypatch):  # noqa: F811
    """Its members are recorded, and it is not being opened any more, after both were asked for in this order."""
    box = archive.upload(zipped(a=pdf("one")), ARCHIVE)
    being_opened = archive.catalog.being_opened
    with monkeypatch.context() as patch:
        patch.setattr(archive.catalog, "being_opened", lambda *about: archive.settle() or being_opened(*about))
        assert archive.view(box).state is DocumentState.DONE


def test_an_archive_on_a_full_disk_is_unpacked_again_once_there_is_room(archive, monkeypatch):  # noqa: F811
    """Not before: each try would write most of it again."""
    content = zipped(a=pdf("one"), b=pdf("two"))
    box = archive.upload(content, ARCHIVE)
    free, unpacked = [1 << 20], []
    disk_usage = openings.shutil.disk_usage
    members = expansion.members

    def full(*args, **options):
        unpacked.append(1)
        if free[0] < 1 << 30:
            raise StorageFull("no room")
        return members(*args, **options)

    monkeypatch.setattr(expansion, "members", full)
    monkeypatch.setattr(openings.shutil, "disk_usage", lambda path: disk_usage(path)._replace(free=free[0]))
    for _ in range(5):
        with pytest.raises(StorageFull):
            archive.jobs.expand(TENANT, box)
    assert len(unpacked) == 1
    free[0] = 2 << 30
    archive.settle()
    assert (archive.view(box).state, len(unpacked)) == (DocumentState.DONE, 2)
    # It had its room: sent again, it is tried however little there is now.
    archive.library.delete(TENANT, box)
    archive.upload(content, ARCHIVE)
    monkeypatch.setattr(expansion, "members", members)
    free[0] = 1 << 20
    archive.jobs.expand(TENANT, box)
    assert len(archive.view(box).split.members) == 2


@pytest.mark.parametrize("first", ["outer", "inner"])
def test_what_is_too_deep_does_not_depend_on_what_came_first(archive, first):  # noqa: F811
    """An archive that is sent in by itself, before or after the one that holds it, has its own archives opened."""
    inner = zipped(b=pdf("inside"), deepest=zipped(c=pdf("deep")))
    outer = zipped(a=pdf("outside"), inner=inner)
    contents = [outer, inner] if first == "outer" else [inner, outer]
    sent = []
    for content in contents:
        sent.append(archive.upload(content, ARCHIVE))
        archive.settle()
    views = [archive.view(one) for one in sorted(sent)]
    assert {view.state for view in views} == {DocumentState.DONE}
    assert sorted(view.pages.done for view in views) == [2, 3]
    assert not any(view.split.member_failures for view in views)


def test_a_page_that_is_deleted_while_it_waits_for_its_turn_is_not_read(archive, monkeypatch):  # noqa: F811
    """That is no failure to be tried again, and nothing of it comes back."""
    document = archive.upload(pdf("one"))
    archive.jobs.expand(TENANT, document)
    archive.rung.clear()

    @contextlib.contextmanager
    def turn(*, alone):
        archive.library.delete(TENANT, document)
        yield

    monkeypatch.setattr(archive.jobs.attempts, "_lanes", SimpleNamespace(enter=turn))
    archive.jobs.read(PageKey(TENANT, document, 1))
    assert archive.rung == []
    assert not archive.engine.reads
    assert archive.store.count(TENANT).total == 0


def test_asking_again_ends_where_others_are_at_the_same_pages(archive, monkeypatch):  # noqa: F811
    """Pages that cannot be put back are not found step after step, for ever."""
    archive.upload(pdf("!page_too_large", "!page_too_large"))
    archive.settle()
    monkeypatch.setattr(archive.store, "update", lambda changes: [False] * len(changes))
    cursor, steps = None, 0
    while True:
        step = archive.jobs.again.failed(TENANT, cursor, 1)
        assert (step.asked, step.touched) == (Asked(), ())
        cursor, steps = step.cursor, steps + 1
        assert steps < 10
        if cursor is None:
            break


def test_what_failed_before_the_clock_was_set_back_is_tried_again(archive):  # noqa: F811
    """Once each: what fails again, also by a clock that is minutes ahead, is not tried another time."""
    document = archive.upload(pdf("!page_too_large", "!page_too_large", "!page_too_large"))
    archive.jobs.attempts._clock = lambda: now() + timedelta(hours=1)
    archive.settle()
    assert archive.view(document).pages.failed == 3
    archive.jobs.attempts._clock = lambda: now() + timedelta(minutes=5)
    cursor, pages = None, []
    while not pages or (cursor is not None and len(pages) < 20):
        step = archive.jobs.again.failed(TENANT, cursor, 2)
        cursor = step.cursor
        pages.append(step.asked.pages)
        archive.settle()
    assert (sum(pages), cursor) == (3, None)
    assert archive.view(document).pages.failed == 3


def test_that_a_file_is_to_be_opened_again_survives_a_kill(archive):  # noqa: F811
    """Who asked was told that it is tried again; the ring alone would be lost."""
    closed = archive.upload(pdf("!locked"))
    archive.settle()
    assert archive.library.read_again(TENANT, closed).documents == 1
    assert archive.view(closed).state is DocumentState.ACCEPTED
    archive.restart()
    assert [job.document_id for job in archive.rung] == [closed]
    archive.settle()
    assert archive.view(closed).state is DocumentState.FAILED
