"""Pages that fail when a question needs them cool down: told as missing, not paid for by every question."""

from __future__ import annotations

import os
import threading
import time

import pytest

from index.errors import BadDocument, Conflict, NotFound, Unavailable
from index.types import PageKey
from tests.api_kit import UNKNOWN_ID
from tests.kit import TENANT, pdf
from tests.lazy_kit import LazyArchive, away, pages
from tests.test_jobs import zipped
from worker.asking.cooldown import FIRST_S, LONGEST_S, Cooldowns, Keeping
from worker.asking.decoding import DecodingConfig
from worker.patience import Patience
from worker.writeback import Want

KEEPER = "The lighthouse keeper at Cape Wrath was John Sinclair."
WAGES = "The wages of the keeper were forty pounds a year."
DAMAGED = "A sheet of the keeper at Cape Wrath that no decoder can bear."
QUESTION = "Who was the lighthouse keeper at Cape Wrath?"


@pytest.fixture
def archive(tmp_path):
    made = LazyArchive(tmp_path / "data")
    made.engine.broken = {DAMAGED: RuntimeError("index out of range in self")}
    yield made
    made.close()


def tries(archive) -> int:
    return archive.engine.decodes[DAMAGED, "markdown"]


def test_a_page_that_fails_is_left_alone_for_a_while(archive):
    """The next question does not decode it, says that it is missing and why, and has its whole budget for others; after
    the pause it is tried again, then after twice the pause; once it works it is as any other.
    """
    archive.add(DAMAGED)
    first = archive.ask(QUESTION)
    assert pages(first) == [(1, "markdown", False)]
    for _ in range(3):
        answer = archive.ask(QUESTION)
        assert (answer["decoded"], answer["incomplete"], answer["undecoded_pages"]) == ([], True, 1)
        (missing,) = answer["missing"]
        assert (missing["page"], missing["code"]) == (1, "internal_error")
        assert "failed once, so it is not tried before" in missing["reason"]
    assert tries(archive) == 1
    archive.late_s += FIRST_S + 1
    archive.ask(QUESTION)
    archive.late_s += FIRST_S + 1
    assert "failed 2 times in a row" in archive.ask(QUESTION)["missing"][0]["reason"]
    assert tries(archive) == 2
    archive.late_s += FIRST_S
    archive.engine.broken = {}
    healed = archive.ask("What can no decoder bear of the keeper at Cape Wrath?")
    assert (pages(healed), healed["missing"]) == ([(1, "markdown", True)], [])
    assert list((archive.root / "cooldowns").iterdir()) == []


def test_other_pages_answer_meanwhile(archive):
    """A page that cools down keeps its place in the row and takes nothing of the budget."""
    document = archive.add(*[DAMAGED] * 4, KEEPER)
    where = {"filter": {"document_ids": [document]}}
    first = archive.ask(QUESTION, **where)
    assert (first["found"], len(first["decoded"])) == (False, 4)
    answer = archive.ask(QUESTION, **where)
    assert answer["found"]
    assert pages(answer) == [(5, "markdown", True)]
    assert [(one["page"], one["code"]) for one in answer["missing"]] == [(n, "internal_error") for n in (1, 2, 3, 4)]
    assert tries(archive) == 4


def test_all_processes_know_and_a_restarted_one_too(archive):
    """What is known is in the data directory."""
    document = archive.add(DAMAGED)
    archive.ask(QUESTION)
    other = Cooldowns(archive.root / "cooldowns")
    key = PageKey(TENANT, document, 1)
    assert other.of(key, Want.MARKDOWN).failures == 1
    assert other.of(key, Want.FIGURE) is None
    assert other.of(PageKey("other", document, 1), Want.MARKDOWN) is None
    archive.restart()
    assert archive.ask(QUESTION)["missing"][0]["code"] == "internal_error"
    assert tries(archive) == 1


def test_reading_again_lifts_it(archive):
    """Of a page, of a document, and of an archive with its members; nothing else is put back."""
    document = archive.add(DAMAGED)
    archive.ask(QUESTION)
    path = f"/v1/documents/{document}/pages/1/read-again"
    lifted = {"document_id": document, "pages": 0, "documents": 0, "lifted": 1}
    assert archive.api.post(path).json() == lifted
    assert archive.api.post(path).json() == {**lifted, "lifted": 0}
    archive.ask(QUESTION)
    assert tries(archive) == 2
    assert archive.api.post(f"/v1/documents/{document}/pages/2/read-again").status_code == 404
    assert archive.ask(QUESTION)["decoded"] == []
    assert archive.api.post(f"/v1/documents/{document}/read-again").json() == lifted
    box = archive.upload(zipped(a=pdf(DAMAGED)), "box.zip")
    archive.settle()
    archive.ask(QUESTION)
    assert tries(archive) == 3
    assert archive.api.post(f"/v1/documents/{box}/read-again").json()["lifted"] == 1
    assert archive.rung == []


def test_reading_one_page_again_lifts_no_other(tmp_path):
    """Nor another tenant's, whose document has the same id."""
    cooldowns = Cooldowns(tmp_path)
    keys = [PageKey("a", UNKNOWN_ID, 1), PageKey("a", UNKNOWN_ID, 2), PageKey("b", UNKNOWN_ID, 1)]
    for key in keys:
        cooldowns.failed(key, Want.MARKDOWN, Unavailable("x", code="x"))
    assert cooldowns.lift("a", [UNKNOWN_ID], page=1) == 1
    assert [cooldowns.of(key, Want.MARKDOWN) is None for key in keys] == [True, False, False]


def test_deleted_and_sent_again_is_new(archive):
    """The same bytes have the same id, and no past."""
    document = archive.add(DAMAGED)
    archive.ask(QUESTION)
    archive.library.delete(TENANT, document)
    assert archive.add(DAMAGED) == document
    archive.ask(QUESTION)
    assert tries(archive) == 2


@pytest.mark.parametrize(
    "error", [away(), Conflict("Other weights.", code="wrong_tokens"), away("gpu_failed"), away("cancelled")]
)
def test_what_says_nothing_of_the_page_does_not_count(archive, error):
    """Where nobody decodes, or with other weights, each question asks for the page, which works when that is over."""
    archive.engine.broken = {KEEPER: error}
    archive.add(KEEPER)
    assert archive.ask(QUESTION)["missing"][0]["code"] == error.code
    archive.engine.broken = {}
    assert archive.ask(QUESTION)["found"]


def test_a_page_without_end_costs_one_question(tmp_path):
    """It took more than half of what an answer may take; the next question does not wait for it."""
    archive = LazyArchive(tmp_path, decoding=DecodingConfig(seconds=0.3))
    try:
        archive.add(KEEPER)
        archive.engine.gate = threading.Event()
        assert archive.ask(QUESTION)["missing"][0]["code"] == "decode_timeout"
        answer = archive.ask(QUESTION)
        assert (answer["decoded"], answer["missing"][0]["code"]) == ([], "decode_timeout")
        archive.engine.gate = None
        archive.decoding = DecodingConfig()  # enough of it also where the machine stops for a while
        archive.restart()
        archive.late_s += FIRST_S + 1
        assert archive.ask(QUESTION)["found"]
    finally:
        archive.close()


@pytest.mark.parametrize(
    ("error", "left_s", "counts"),
    [
        (Unavailable("x", code="decode_timeout"), 100.0, True),
        (Unavailable("x", code="decode_timeout"), None, True),
        (Unavailable("x", code="decode_timeout"), 40.0, False),
        (Unavailable("x", code="gpu_memory"), 40.0, True),
        (Unavailable("x", code="no_decoder"), 100.0, False),
        (NotFound("x", code="deleted"), 100.0, False),
        (Conflict("x", code="not_read"), 100.0, False),
        (BadDocument("x", code="render_timeout"), 100.0, True),
        (ValueError("x"), 1.0, True),
    ],
)
def test_which_failures_count(tmp_path, error, left_s, counts):
    """Those that would come again; a page whose turn came when the time was nearly spent has shown nothing."""

    class Failing:
        def keep(self, *_):
            raise error

    cooldowns = Cooldowns(tmp_path)
    key = PageKey(TENANT, "0b8f7e56-9a43-5d5e-8a83-b7cc0b0c5c8f", 3)
    with pytest.raises(type(error)):
        Keeping(Failing(), cooldowns, key, Want.FIGURE, 120.0)(Patience(left_s))
    assert (cooldowns.of(key, Want.FIGURE) is not None) is counts


def test_pauses_grow_and_end(tmp_path):
    """Twice as long each time up to an hour; a damaged note is none; old notes are swept; a full disk harms nobody."""
    now = [1e9]
    cooldowns = Cooldowns(tmp_path / "c", clock=lambda: now[0])
    key = PageKey(TENANT, "0b8f7e56-9a43-5d5e-8a83-b7cc0b0c5c8f", 3)
    pauses = []
    for _ in range(9):
        cooldowns.failed(key, Want.FINER, Conflict("x", code="x"))
        pauses.append(cooldowns.of(key, Want.FINER).until - now[0])
        now[0] += pauses[-1]
        assert cooldowns.of(key, Want.FINER) is None
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    (path,) = (tmp_path / "c").iterdir()
    path.write_text('{"code": "x"')
    assert cooldowns.of(key, Want.FINER) is None
    (tmp_path / "c" / "stranger.json").write_text("{}")
    assert cooldowns.lift(TENANT, [key.document_id]) == 0
    os.utime(tmp_path / "c" / "stranger.json", (0, 0))
    now[0] += 1000
    cooldowns.failed(key, Want.FINER, Conflict("x", code="x"))
    assert [path.name.split(".")[1:] for path in (tmp_path / "c").iterdir()] == [["3", "finer", "json"]]


def test_a_clock_that_was_set_back_keeps_no_page_away(tmp_path):
    """A computer that began in the wrong year noted a pause that would last until then."""
    now = [4e9]
    cooldowns = Cooldowns(tmp_path, clock=lambda: now[0])
    key = PageKey(TENANT, "0b8f7e56-9a43-5d5e-8a83-b7cc0b0c5c8f", 3)
    for _ in range(9):
        cooldowns.failed(key, Want.FINER, Conflict("x", code="x"))
    now[0] -= 1  # as clocks are set every day
    assert cooldowns.of(key, Want.FINER) is not None
    now[0] = 1e9
    assert cooldowns.of(key, Want.FINER) is None
    assert cooldowns.lift(TENANT, [key.document_id]) == 0
    cooldowns.failed(key, Want.FINER, Conflict("x", code="x"))
    assert cooldowns.of(key, Want.FINER) is not None


def test_old_notes_are_swept_though_the_clock_was_set_back(tmp_path):
    """Not only once the time is reached again at which they last were, which may be years."""
    now = [4e9]
    cooldowns = Cooldowns(tmp_path, clock=lambda: now[0])
    (tmp_path / "old.json").write_text("{}")
    os.utime(tmp_path / "old.json", (0, 0))
    now[0] = 1e9
    cooldowns.failed(PageKey(TENANT, "0b8f7e56-9a43-5d5e-8a83-b7cc0b0c5c8f", 3), Want.FINER, Conflict("x", code="x"))
    assert not (tmp_path / "old.json").exists()


def test_failures_are_remembered_for_a_day(tmp_path):
    """Beyond the longest pause: who fails again later the same day has failed twice, and the day after once."""
    now = [time.time()]
    cooldowns = Cooldowns(tmp_path, clock=lambda: now[0])
    key, other = (PageKey(TENANT, "0b8f7e56-9a43-5d5e-8a83-b7cc0b0c5c8f", number) for number in (3, 4))
    counts = []
    for later_s in (0, LONGEST_S + 3600, LONGEST_S + 86_401):
        now[0] += later_s
        cooldowns.failed(other, Want.FINER, Conflict("x", code="x"))  # sweeps
        cooldowns.failed(key, Want.FINER, Conflict("x", code="x"))
        counts.append(cooldowns.of(key, Want.FINER).failures)
        os.utime(next(tmp_path.glob("*.3.*")), (now[0], now[0]))
    assert counts == [1, 2, 1]
