"""The end of each reading is told once: whoever read, whatever died, and whenever it was asked for again."""

from __future__ import annotations

import io
import json
import random
import zipfile

import pytest

from tests.kit import TENANT, pdf
from tests.webhook_kit import URL, Telling
from worker.jobs import now
from worker.webhooks.ends import data, journal_of
from worker.webhooks.journal import Line


@pytest.fixture
def telling(tmp_path):
    made = Telling(tmp_path)
    yield made
    made.archive.close()


def bundle(**files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"{name}.pdf", data)
    return content.getvalue()


def test_told_once_when_the_last_page_is_read(telling):
    """Nothing before, one message after, none again; ids, counts and codes, and nothing of what stands on it."""
    telling.desk.register(TENANT, URL)
    document = telling.archive.upload(pdf("secret words", "!page_too_large"), filename="secret-name.pdf")
    telling.look()
    assert telling.told() == []
    telling.archive.settle()
    for _ in range(3):
        telling.look()
        telling.open()
    (told,) = telling.told()
    assert told["type"] == "document.partial"
    assert told["timestamp"].endswith("+00:00")
    assert told["data"] == {
        "document_id": document,
        "tenant": TENANT,
        "kind": "document",
        "state": "partial",
        "failure": None,
        "pages": {"done": 1, "failed": 1, "total": 2, "failures": [{"code": "page_too_large", "count": 1}]},
        "members": None,
    }
    assert "secret" not in json.dumps(told)


@pytest.mark.parametrize(
    ("content", "kind", "failure"),
    [
        (pdf("one"), "document.done", None),
        (pdf("!broken"), "document.failed", "damaged"),
        (pdf("!page_too_large"), "document.failed", None),
    ],
)
def test_each_end_has_its_type(telling, content, kind, failure):
    """Done, or failed, the whole file or all its pages."""
    telling.desk.register(TENANT, URL)
    telling.archive.upload(content)
    telling.archive.settle()
    telling.look()
    (told,) = telling.told()
    assert (told["type"], told["data"]["failure"]) == (kind, failure)


def test_hooks_get_what_they_asked_for(telling):
    """Each its own messages with ids of their own, and only the wanted ones."""
    telling.desk.register(TENANT, URL, ["document.failed"])
    telling.desk.register(TENANT, URL)
    telling.archive.upload(pdf("one"))
    telling.archive.upload(pdf("!broken"))
    telling.archive.settle()
    telling.look()
    assert sorted(told["type"] for told in telling.told()) == ["document.done", "document.failed", "document.failed"]
    assert len(set(telling.ids())) == 3


def test_tenants_are_told_of_their_own(telling):
    """A hook of one hears nothing of the other, the same file included."""
    telling.desk.register("other", URL)
    telling.archive.upload(pdf("one"))
    telling.archive.settle()
    telling.look()
    assert telling.told("other") == []
    assert not (telling.archive.root / "webhooks" / "reported" / f"{TENANT}.jsonl").exists()


def test_an_archive_is_told_once_with_its_members_counted(telling):
    """Not each of thousands of members."""
    telling.desk.register(TENANT, URL)
    content = bundle(a=pdf("one"), b=pdf("two", "three"), c=pdf("!broken"), d=b"no document")
    document = telling.archive.upload(content, filename="box.zip")
    for _ in range(3):
        telling.archive.jobs.run(telling.archive.rung.pop(0))
        telling.look()
    assert telling.told() == []
    telling.archive.settle()
    telling.look()
    (told,) = telling.told()
    assert (told["data"]["document_id"], told["data"]["kind"], told["data"]["state"]) == (
        document,
        "archive",
        "partial",
    )
    assert told["data"]["members"]["failed"] == 2
    assert {one["code"] for one in told["data"]["members"]["failures"]} == {"damaged", "unsupported_media_type"}
    assert told["data"]["pages"]["done"] == 3


def test_what_was_read_before_the_first_hook_is_not_told(telling):
    """What was being read then is, and what comes after."""
    old = telling.archive.upload(pdf("old"))
    telling.archive.settle()
    being_read = telling.archive.upload(pdf("being read"))
    box = telling.archive.upload(bundle(a=pdf("in a box")))
    telling.desk.register(TENANT, URL)
    telling.archive.settle()
    new = telling.archive.upload(pdf("new"))
    telling.archive.settle()
    telling.look()
    assert {told["data"]["document_id"] for told in telling.told()} == {being_read, box, new}
    assert old not in str(telling.told())


def test_a_hook_of_the_command_line_counts_from_the_next_look(telling):
    """Its process has no index to ask; the service finds what is being read."""
    telling.archive.upload(pdf("old"))
    telling.archive.settle()
    being_read = telling.archive.upload(pdf("being read"))
    telling.desk.hooks.add(TENANT, URL, ["document.done"], now())
    telling.look()
    telling.archive.settle()
    telling.look()
    assert [told["data"]["document_id"] for told in telling.told()] == [being_read]


def test_without_hooks_nothing_is_kept(telling):
    """And the end of the last hook ends the journal."""
    telling.archive.upload(pdf("one"))
    telling.archive.settle()
    telling.look()
    assert not (telling.archive.root / "webhooks").exists()
    hook = telling.desk.register(TENANT, URL)
    journal = journal_of(telling.archive.root / "webhooks", TENANT)
    journal.refresh()
    assert journal.there
    telling.desk.delete(TENANT, hook.hook_id)
    telling.look()
    journal.refresh()
    assert not journal.there
    journal.append(Line("late", "2026"))  # by another process, which had looked before
    assert not list((telling.archive.root / "webhooks" / "reported").iterdir())


def test_sent_again_to_be_tried_again(telling):
    """A document whose pages failed is told again when the second try ended, with another id; a done one is not."""
    telling.desk.register(TENANT, URL)
    engine = telling.archive.engine
    engine.fail["two"] = [RuntimeError("once")] * 3
    content = pdf("one", "two")
    telling.archive.upload(content)
    telling.archive.settle()
    telling.look()
    telling.archive.upload(content)
    telling.look()
    assert len(telling.told()) == 1
    telling.archive.settle()
    telling.look()
    assert [told["type"] for told in telling.told()] == ["document.partial", "document.done"]
    telling.archive.upload(content)
    telling.archive.settle()
    telling.late += 7200
    telling.look()
    assert len(set(telling.ids())) == 2


def test_tried_again_in_vain(telling):
    """The same end again is told again, once, though nothing has changed; not before it can be believed."""
    telling.desk.register(TENANT, URL)
    content = pdf("one", "!page_too_large")
    document = telling.archive.upload(content)
    telling.archive.settle()
    telling.look()
    telling.archive.library.read_again(TENANT, document)
    telling.archive.settle()
    telling.look()
    assert len(telling.told()) == 1
    for _ in range(3):
        telling.late += 31
        telling.look()
        telling.open()
    assert [told["type"] for told in telling.told()] == ["document.partial", "document.partial"]
    assert len(set(telling.ids())) == 2


def test_tried_again_after_an_end_that_nobody_was_told(telling):
    """It had ended before there was a webhook: the new end is told, but not what is seen before pages are put back."""
    document = telling.archive.upload(pdf("one", "!page_too_large"))
    telling.archive.settle()
    telling.desk.register(TENANT, URL)
    telling.desk.again(TENANT, document)
    telling.look()
    assert telling.told() == []
    telling.archive.library.read_again(TENANT, document)
    telling.archive.settle()
    telling.late += 31
    telling.look()
    assert [told["type"] for told in telling.told()] == ["document.partial"]


def test_everything_read_again(telling):
    """Asked for by an administrator: also a document that was done."""
    telling.desk.register(TENANT, URL)
    document = telling.archive.upload(pdf("one"))
    telling.archive.settle()
    telling.look()
    assert telling.archive.library.read_again(TENANT, document).pages == 0
    telling.late += 60
    telling.look()
    assert len(telling.told()) == 1
    telling.archive.library.read_again(TENANT, document, everything=True)
    telling.late += 60
    telling.look()
    assert len(telling.told()) == 1
    telling.archive.settle()
    telling.look()
    assert [told["type"] for told in telling.told()] == ["document.done", "document.done"]


def test_a_page_of_a_member_read_again(telling):
    """The archive is what was uploaded: its end is told again."""
    telling.desk.register(TENANT, URL)
    box = telling.archive.upload(bundle(a=pdf("one"), b=pdf("two")))
    telling.archive.settle()
    telling.look()
    member = telling.archive.view(box).split.members[0][1]
    telling.archive.library.read_again(TENANT, member, 1, everything=True)
    telling.archive.settle()
    telling.late += 60
    telling.look()
    assert [told["data"]["document_id"] for told in telling.told()] == [box, box]


def test_deleted_documents_are_not_told(telling):
    """What waits is dropped; sent in again it is another document, which is told."""
    telling.desk.register(TENANT, URL)
    document = telling.archive.upload(pdf("one"))
    telling.archive.settle()
    telling.look()
    first = telling.ids()
    telling.archive.library.delete(TENANT, document)
    telling.look()
    assert telling.told() == []
    telling.archive.upload(pdf("one"))
    telling.archive.settle()
    telling.look()
    assert len(telling.ids()) == 1
    assert telling.ids() != first


@pytest.mark.parametrize("moment", ["outbox", "journal"])
def test_cut_off_while_it_is_noted(telling, monkeypatch, moment):
    """Killed between the outbox and the journal, or before both: told after the restart, and the same message."""
    telling.desk.register(TENANT, URL)
    telling.archive.upload(pdf("one"))
    telling.archive.settle()

    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        target = "worker.webhooks.outbox.Outbox.put" if moment == "outbox" else "worker.webhooks.journal.Journal.append"
        patch.setattr(target, dies)
        with pytest.raises(KeyboardInterrupt):
            telling.look()
    before = telling.ids()
    telling.archive.restart()
    telling.open()
    telling.look()
    assert len(telling.ids()) == 1
    assert before in ([], telling.ids())


def test_many_documents_in_any_order(telling):
    """Uploads, readings, looks, restarts and deletions as they come: what was read and is there is told once."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    draw = random.Random(seed)
    telling.desk.register(TENANT, URL)
    there, ever = set(), set()
    for number in range(20):
        one = telling.archive.upload(pdf(*(f"page {number} {page}" for page in range(draw.randrange(1, 4)))))
        there.add(one)
        ever.add(one)
        for _ in range(draw.randrange(6)):
            if telling.archive.rung:
                telling.archive.jobs.run(telling.archive.rung.pop(draw.randrange(len(telling.archive.rung))))
        step = draw.random()
        if step < 0.2:
            telling.archive.restart()
            telling.open()
        elif step < 0.5:
            telling.look()
        elif step < 0.6:
            gone = draw.choice(sorted(there))
            telling.archive.library.delete(TENANT, gone)
            there.discard(gone)
    telling.archive.settle()
    for _ in range(3):
        telling.look()
    told = [one["data"]["document_id"] for one in telling.told()]
    assert sorted(told) == sorted(there)


def test_what_is_told_is_of_the_view(telling):
    """`data` speaks of failures by their codes and is the same for the same end."""
    document = telling.archive.upload(pdf("!render_timeout", "!render_timeout"))
    telling.archive.settle()
    view = telling.archive.view(document)
    assert data(view)["pages"]["failures"] == [{"code": "render_timeout", "count": 2}]
    assert data(view) == data(telling.archive.view(document))
