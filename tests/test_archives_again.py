"""Archives that are opened once more: for a password that came, or since they lie less deep. Until that has been, what
came of it before says nothing.
"""

from __future__ import annotations

import pytest

from index.errors import StorageFull
from index.types import DocumentState
from tests.kit import TENANT, pdf
from tests.test_jobs import archive, zipped  # noqa: F401  the fixture
from worker import expansion

BOX = "box.zip"
LOCKED = {"a": pdf("open"), "b": pdf("!locked")}
SESAME = "open sesame"


def marks(archive):  # noqa: F811
    return list((archive.root / "documents").glob("*/*.opening.json"))


def told_until_settled(archive, box):  # noqa: F811
    """Each state that is told between one job and the next, and the failures with it; the last one is how it ended."""
    told = [archive.view(box)]
    while archive.rung:
        archive.jobs.run(archive.rung.pop(0))
        told.append(archive.view(box))
    return [(view.state, len(view.split.member_failures)) for view in told]


@pytest.mark.parametrize("content", [zipped(**LOCKED), zipped(a=pdf("open"), inner=zipped(**LOCKED))])
def test_the_failure_of_before_is_not_told_again(archive, content):  # noqa: F811
    """Not when it is sent in, nor between the opening of an archive and of those in it."""
    box = archive.upload(content, BOX)
    archive.settle()
    assert (archive.view(box).state, len(archive.view(box).split.member_failures)) == (DocumentState.PARTIAL, 1)
    archive.upload(content, BOX, password=SESAME)
    *on_the_way, end = told_until_settled(archive, box)
    assert set(on_the_way[:3]) == {(DocumentState.READING, 0)}
    assert (DocumentState.PARTIAL, 1) not in on_the_way
    assert end == (DocumentState.DONE, 0)
    assert not marks(archive)


def test_what_is_in_an_archive_is_not_tried_before_it_has_the_password(archive):  # noqa: F811
    """It would fail once more, and be told as failed until the archive's opening has come to it."""
    content = zipped(b=pdf("!locked"))
    box = archive.upload(content, BOX)
    archive.settle()
    assert archive.view(box).state is DocumentState.FAILED
    archive.upload(content, BOX, password=SESAME)
    assert {job.document_id for job in archive.rung} == {box}
    assert {state for state, _ in told_until_settled(archive, box)} == {DocumentState.READING, DocumentState.DONE}


def test_a_wrong_password_ends_as_before(archive):  # noqa: F811
    """Told as waiting, then with its failure; and without a password nothing is opened again."""
    content = zipped(**LOCKED)
    box = archive.upload(content, BOX)
    archive.settle()
    archive.upload(content, BOX, password="wrong")
    assert archive.view(box).state is DocumentState.READING
    assert archive.library.reading(TENANT)[1] > 0
    archive.settle()
    assert (archive.view(box).state, len(archive.view(box).split.member_failures)) == (DocumentState.PARTIAL, 1)
    assert not marks(archive)


def test_an_archive_sent_in_by_itself_is_opened_deeper(archive):  # noqa: F811
    """The archives in it were too deep where it lay."""
    inner = zipped(b=pdf("inside"), deepest=zipped(c=pdf("deep")))
    archive.upload(zipped(a=pdf("outside"), inner=inner), BOX)
    archive.settle()
    box = archive.upload(inner, "inner.zip")
    told = told_until_settled(archive, box)
    assert (told[0], told[-1]) == ((DocumentState.READING, 0), (DocumentState.DONE, 0))


def test_a_kill_before_it_was_opened_again(archive):  # noqa: F811
    """The ring is lost, the wish is not."""
    content = zipped(**LOCKED)
    box = archive.upload(content, BOX)
    archive.settle()
    archive.upload(content, BOX, password=SESAME)
    archive.restart()
    assert archive.view(box).state is DocumentState.READING
    archive.settle()
    assert (archive.view(box).state, marks(archive)) == (DocumentState.DONE, [])


def test_a_password_that_comes_while_an_archive_is_opened_survives_a_kill(archive, monkeypatch):  # noqa: F811
    """Which was begun without it, and so ends with what is locked."""
    content = zipped(**LOCKED)
    box = archive.upload(content, BOX)
    members, sent = expansion.members, []

    def meanwhile(*args, **options):
        if not sent:
            sent.append(archive.upload(content, BOX, password=SESAME))
        return members(*args, **options)

    monkeypatch.setattr(expansion, "members", meanwhile)
    archive.jobs.expand(TENANT, box)
    assert archive.view(box).state is DocumentState.READING
    archive.restart()
    archive.settle()
    assert (archive.view(box).state, marks(archive)) == (DocumentState.DONE, [])


def test_no_room_to_open_it_again(archive, monkeypatch):  # noqa: F811
    """It goes on by itself once there is room, as one that is opened for the first time does."""
    content = zipped(**LOCKED)
    box = archive.upload(content, BOX)
    archive.settle()
    archive.upload(content, BOX, password=SESAME)

    def full(*_args, **_options):
        raise StorageFull("no room")

    with monkeypatch.context() as patch:
        patch.setattr(expansion, "members", full)
        with pytest.raises(StorageFull):
            archive.jobs.expand(TENANT, box)
    archive.rung.clear()
    assert archive.view(box).state is DocumentState.READING
    archive.restart()
    archive.settle()
    assert archive.view(box).state is DocumentState.DONE


def test_no_room_to_note_that_it_is_opened_again(archive, monkeypatch):  # noqa: F811
    """The upload is taken all the same."""
    content = zipped(**LOCKED)
    box = archive.upload(content, BOX)
    archive.settle()

    def full(*_about):
        raise StorageFull("no room")

    monkeypatch.setattr(archive.catalog, "await_opening", full)
    archive.upload(content, BOX, password=SESAME)
    archive.settle()
    assert archive.view(box).state is DocumentState.DONE
