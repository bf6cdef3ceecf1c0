"""The web page in Chromium: conversations that outlive a reload of the tab, and quotes checked on the page image."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from api.app import create_app
from api.config import ApiConfig
from api.keyring import KeyRing
from index.errors import Conflict
from index.keys import KeyDirectory, Scope
from index.passages import embed_passages
from index.store import PageUpdate
from index.types import PageKey, PageReading, VisionFormat
from tests.api_kit import serving, wait_for
from tests.browser_kit import Tab, ask_more, open_tab, turn
from tests.kit import TENANT
from tests.lazy_kit import LazyArchive
from tests.web_kit import ShelfService
from worker.jobs import now

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser

KEYS = "?q=Who keeps the keys of the store houses?"
MORE = "And the tender for the north quay?"
ANSWER = "The harbour master, Captain Edith Rowan, keeps the keys of the store houses."
KEEPER = "The lighthouse keeper at Cape Wrath was John Sinclair."
WAGES = "The wages of the keeper were forty pounds a year."
CHECK = "Check the quotes on the page image"
AS_BEFORE = """
    const kept = JSON.parse(sessionStorage.getItem('folioscope.conversations'));
    for (const one of kept.conversations) { delete one.lost; for (const told of one.turns) delete told.filter; }
    sessionStorage.setItem('folioscope.conversations', JSON.stringify(kept));
"""


@pytest.fixture
def shelf(service: ShelfService) -> ShelfService:
    service.put("letter.pdf", [f"# Board\n\n{ANSWER}\n\nThe tender for the north quay was accepted on 9 March."])
    return service


def two_turns(tab: Tab) -> Page:
    page = tab.goto(KEYS)
    expect(turn(page, 1).locator(".evidence-link").first).to_be_visible()
    ask_more(page, MORE)
    expect(turn(page, 2).locator(".evidence-link").first).to_be_visible()
    return page


def test_a_reload_keeps_the_conversation(tab: Tab, shelf: ShelfService):
    """Both answers with their sources are there again, nothing is asked for it, and what follows names the same id."""
    page = two_turns(tab)
    page.reload()
    expect(page.locator("#answer .turn")).to_have_count(2)
    expect(turn(page, 1).locator(".answer-text")).to_contain_text("Edith Rowan")
    expect(turn(page, 2).locator(".trace summary")).to_have_text("1 page considered, 1 chosen, 9 ms")
    turn(page, 2).locator(".answer-text .chip").click()
    expect(page.locator(".page-text mark")).to_contain_text("accepted on 9 March")
    page.keyboard.press("Escape")
    assert len(shelf.asked) == 2
    ask_more(page, "Is it the north quay?")
    expect(turn(page, 3).locator(".answer-text")).to_contain_text("north quay")
    assert shelf.asked[2] == ("Is it the north quay?", "0" * 32)
    expect(turn(page, 1).get_by_text("Answered before this page was loaded again.")).to_be_visible()
    turn(page, 1).get_by_role("button", name="Ask again").click()
    expect(turn(page, 1).get_by_text("Answered before")).to_have_count(0)
    wait_for(lambda: page.wait_for_timeout(50) or len(shelf.asked) == 4)


def test_a_new_conversation_is_new(tab: Tab, shelf: ShelfService):
    """After "New conversation" the same question begins again, under an id of its own; Back shows the old one, also
    after a reload.
    """
    page = two_turns(tab)
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator("#answer")).to_be_hidden()
    page.reload()
    expect(page.locator("#answer")).to_be_hidden()
    page.go_back()
    expect(page.locator("#answer .turn")).to_have_count(2)
    assert len(shelf.asked) == 2
    sent = []
    page.on("request", lambda r: r.url.endswith("/v1/answers") and sent.append(r.post_data_json))
    page.get_by_role("button", name="New conversation").click()
    page.locator("#q").fill("Who keeps the keys of the store houses?")
    page.keyboard.press("Enter")
    expect(turn(page, 1).locator(".evidence-link").first).to_be_visible()
    expect(page.locator("#answer .turn")).to_have_count(1)
    assert [one["conversation_id"] for one in sent] == ["new"]


def test_what_was_under_way_at_the_reload_is_not_lost(tab: Tab, shelf: ShelfService):
    """A follow-up that was being answered is there with what came of it, and is asked again on request only (whether
    the page still hears that its connection ends is the browser's).
    """
    page = tab.goto(KEYS)
    expect(turn(page, 1).locator(".evidence-link").first).to_be_visible()
    shelf.most_words = 2
    ask_more(page, MORE)
    expect(turn(page, 2).locator(".answer-text")).to_contain_text("The tender")
    page.reload()
    expect(turn(page, 2).locator(".turn-ended")).to_contain_text(
        re.compile("The page was loaded again before this was answered|The answer broke off here")
    )
    expect(turn(page, 2).locator(".answer-text")).to_contain_text("The tender")
    shelf.most_words = None
    turn(page, 2).get_by_role("button", name="Ask again").click()
    expect(turn(page, 2).locator(".answer-text")).to_contain_text("accepted on 9 March")
    assert [question for question, _ in shelf.asked] == [shelf.asked[0][0], MORE, MORE]


BOUNDED = """
async () => {
  const { load, save } = await import('/web/kept.js');
  const one = (n, size) => ({ first: `q${n}`, filter: {}, id: 'x', turns: Array.from({ length: 60 }, (_, i) =>
    ({ question: `q${n}.${i}`, answer: 'x'.repeat(size) })) });
  const sizes = [];
  save([one(1, 10), one(2, 10)]);
  sizes.push(load().map(({ turns, lost }) => [turns.length, turns.at(-1).question, lost]));
  save([one(1, 5000), one(2, 5000), one(3, 5000)]);
  sizes.push(load().map(({ first, turns }) => [first, turns.at(-1).question]));
  sizes.push(sessionStorage.getItem('folioscope.conversations').length < 410_000);
  save([one(1, 500_000)]);
  sizes.push(sessionStorage.getItem('folioscope.conversations'));
  return sizes;
}
"""


def test_what_a_reload_does_not_keep_is_said(tab: Tab, shelf: ShelfService):
    """How many questions a long conversation has lost, over all reloads; the one that stands in the field is not taken
    for the first that is shown.
    """
    page = two_turns(tab)
    lengthen = """kept => {
      const all = JSON.parse(kept);
      const [one] = all.conversations;
      one.turns = [...Array(43).fill(one.turns[0]), one.turns[1]];
      addEventListener('pagehide', async () => sessionStorage.setItem('folioscope.conversations', JSON.stringify(all)));
    }"""
    page.evaluate(lengthen, page.evaluate("sessionStorage.getItem('folioscope.conversations')"))
    page.reload()
    expect(page.locator("#answer .turn")).to_have_count(44)
    expect(page.locator(".turns-lost")).to_have_count(0)
    page.reload()
    expect(page.locator("#answer .turn")).to_have_count(40)
    lost = "The first 4 questions of this conversation are not here any more: a reload keeps the newest."
    expect(page.locator(".turns-lost")).to_have_text(lost)
    ask_more(page, "Is it the north quay?")
    expect(turn(page, 41).locator(".evidence-link").first).to_be_visible()
    page.reload()
    expect(page.locator(".turns-lost")).to_have_text(lost.replace("4 questions", "5 questions"))
    expect(page.locator("#answer .turn")).to_have_count(40)


def test_questions_begun_while_typing_push_out_no_conversation(tab: Tab, shelf: ShelfService):
    """Each is a lone one, that is asked again by itself; of the conversation the answers would be lost."""
    page = two_turns(tab)
    for number in range(14):
        page.locator("#q").fill(f"Who keeps the keys of the store houses, {number}?")
        page.keyboard.press("Enter")
        expect(turn(page, 1).locator(".turn-question")).to_contain_text(f"houses, {number}?")
        expect(turn(page, 1).locator(".evidence-link").first).to_be_visible()
    page.goto(tab.base + "/" + KEYS)
    expect(page.locator("#answer .turn")).to_have_count(2)


def test_quotes_are_checked_under_the_filters_of_their_question(tab: Tab, shelf: ShelfService):
    """Other filters, set since, would check another answer than the one that stands there."""
    shelf.vision = VisionFormat("deepseek-ocr", "abc", "base", (0, 0), (1240, 1754))
    page = tab.goto(f"{KEYS}&type=application/pdf")
    expect(turn(page, 1).get_by_role("button", name=CHECK)).to_be_visible()
    ask_more(page, MORE)
    expect(turn(page, 2).get_by_role("button", name=CHECK)).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    for number, reload in ((1, False), (2, True)):
        if reload:
            page.reload()
        with page.expect_request("**/v1/answers") as sent:
            turn(page, number).get_by_role("button", name=CHECK).click()
        asked = sent.value.post_data_json
        assert (asked["verify"], asked["filter"]) == (True, {"media_types": ["application/pdf"]})


def test_what_an_older_version_of_the_page_kept_is_checked_under_the_filters_of_its_conversation(
    tab: Tab, shelf: ShelfService
):
    """It kept them with the conversation alone, and said nothing of questions that had been left out."""
    shelf.vision = VisionFormat("deepseek-ocr", "abc", "base", (0, 0), (1240, 1754))
    page = tab.goto(f"{KEYS}&type=application/pdf")
    expect(turn(page, 1).get_by_role("button", name=CHECK)).to_be_visible()
    page.add_init_script(AS_BEFORE)
    page.reload()
    with page.expect_request("**/v1/answers") as sent:
        turn(page, 1).get_by_role("button", name=CHECK).click()
    assert sent.value.post_data_json["filter"] == {"media_types": ["application/pdf"]}
    expect(page.locator(".turns-lost")).to_have_count(0)


def test_what_is_kept_is_bounded(tab: Tab, shelf: ShelfService):
    """Forty turns of a conversation, 400,000 characters of all: the oldest go first, what never fits is not kept."""
    turns, newest, bounded, oversized = tab.goto().evaluate(BOUNDED)
    assert turns == [[40, "q1.59", 20], [40, "q2.59", 20]]
    assert newest == [["q2", "q2.59"], ["q3", "q3.59"]]
    assert bounded
    assert oversized is None


@pytest.mark.parametrize(
    "damaged", ["{", "null", '{"form": 1, "conversations": [null]}', '{"form": 0, "conversations": [{}]}', "[]"]
)
def test_what_is_kept_may_be_damaged(tab: Tab, shelf: ShelfService, damaged: str):
    """It is passed over, and the question is asked."""
    page = tab.goto()
    page.evaluate("kept => sessionStorage.setItem('folioscope.conversations', kept)", damaged)
    page.goto(tab.base + "/" + KEYS)
    expect(turn(page, 1).locator(".answer-text")).to_contain_text("Edith Rowan")


def test_what_is_kept_stays_text(tab: Tab, shelf: ShelfService):
    """Markup in a restored answer is characters, its ids are parts of addresses, its pictures are of this service."""
    tab.expected = ("404",)  # there is no document of that name, which is asked for with its name in one piece
    page = two_turns(tab)
    evil = "<img src=x onerror=window.hurt=1> [here](javascript:window.hurt=1) [1]"
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    kept = json.loads(page.evaluate("sessionStorage.getItem('folioscope.conversations')"))
    answer = kept["conversations"][0]["turns"][0]["answer"]
    answer["text"] = evil
    answer["citations"][0] |= {"document_id": "../evil?x#", "image_url": "https://evil.example/x.png"}
    # Written behind what the page keeps as it goes.
    page.evaluate(
        "kept => addEventListener('pagehide', () => sessionStorage.setItem('folioscope.conversations', kept))",
        json.dumps(kept),
    )
    page.reload()
    expect(turn(page, 1).locator(".answer-text")).to_contain_text("<img src=x onerror=window.hurt=1> [here]")
    expect(turn(page, 1).locator(".answer-text img")).to_have_count(0)
    assert turn(page, 1).locator(".answer-text a").get_attribute("href").startswith("#/doc/..%2Fevil%3Fx%23/page/1")
    assert page.evaluate("window.hurt") is None
    assert not [url for url in asked if "evil.example" in url]


def test_signing_out_and_deleting_forget(browser, shelf: ShelfService, tmp_path):
    """Nothing of an answer stays in the tab when its visitor goes, or when a document was deleted."""
    directory = KeyDirectory(tmp_path)
    scopes = frozenset({Scope.READ, Scope.WRITE})
    token = directory.create(name="desk", tenant="default", scopes=scopes, now=datetime.now(UTC))[0]
    config = ApiConfig(max_upload_bytes=100_000, poll_s=0.05)
    kept = "sessionStorage.getItem('folioscope.conversations')"
    ring = KeyRing(directory, required=True)
    with serving(create_app(shelf, config, ring=ring)) as base, open_tab(browser, base) as tab:
        tab.expected = ("status of 401",)
        page = tab.goto(KEYS)
        page.get_by_label("Key", exact=True).fill(token)
        page.get_by_role("button", name="Open the archive").click()
        expect(turn(page, 1).locator(".evidence-link").first).to_be_visible()
        assert "Edith Rowan" in page.evaluate(kept)
        page.get_by_role("link", name="Folioscope, all documents").click()
        page.get_by_role("button", name="Delete letter.pdf").click()
        page.get_by_role("button", name="Delete", exact=True).click()
        expect(page.locator("#documents").get_by_text("letter.pdf")).to_have_count(0)
        assert page.evaluate(kept) is None
        page.keyboard.press("Escape")
        page.goto(base + "/" + KEYS)
        expect(turn(page, 1)).to_have_attribute("data-state", "none")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert page.evaluate("sessionStorage.length") == 0


def test_quotes_are_checked_on_the_page_image(browser, tmp_path):
    """With real decoding of stored tokens: each quote is verified, not verified, or could not be checked and why. A
    check that fails leaves the answer as it was, and a checked answer is still checked after a reload.
    """
    archive = LazyArchive(tmp_path)
    document = archive.add(KEEPER, WAGES, filename="keeper.pdf")
    try:
        with serving(archive.api.app) as base, open_tab(browser, base) as tab:
            tab.expected = ("status of 503", "ERR_INTERNET_DISCONNECTED")
            page = tab.goto("?q=Who was the lighthouse keeper at Cape Wrath?")
            verdict = turn(page, 1).locator(".evidence .verdict")
            expect(turn(page, 1).locator(".evidence-link").first).to_be_visible()
            expect(verdict).to_have_count(0)
            tab.context.set_offline(True)
            page.get_by_role("button", name=CHECK).click()
            expect(turn(page, 1).locator(".failure")).to_contain_text("The quotes were not checked.")
            expect(turn(page, 1).locator(".answer-text")).to_contain_text("John Sinclair")
            tab.context.set_offline(False)
            archive.engine.broken = {KEEPER: Conflict("Other weights.", code="wrong_tokens")}
            page.get_by_role("button", name=CHECK).click()
            expect(verdict).to_have_text(
                "Could not be checked. What is kept of its image was made by another model than the one that runs."
            )
            expect(page.locator("#live")).to_have_text("0 of 1 quote verified on the page image.")
            archive.engine.broken = {}
            page.reload()
            expect(verdict).to_contain_text("Could not be checked.")
            page.get_by_role("button", name="Ask again").click()
            page.get_by_role("button", name=CHECK).click()
            expect(verdict).to_have_text("Verified: the page image, read again, says this.")
            chip = turn(page, 1).locator(".answer-text .chip")
            expect(chip).to_have_attribute("aria-label", "Source 1: keeper.pdf, page 1. " + verdict.text_content())
            expect(page.get_by_role("button", name=CHECK)).to_have_count(0)
            rewrite(archive, document, KEEPER.replace("John Sinclair", "Hector Munro"))
            page.reload()
            page.get_by_role("button", name="Ask again").click()
            expect(turn(page, 1).locator(".answer-text")).to_contain_text("Hector Munro")
            page.get_by_role("button", name=CHECK).click()
            expect(verdict).to_have_text("Not verified: the page image, read again, does not say this.")
    finally:
        archive.close()


def rewrite(archive: LazyArchive, document: str, text: str) -> None:
    """The stored text of page 1 says something else than its tokens."""
    key = PageKey(TENANT, document, 1)
    point = archive.store.get([key], with_vision=True)[0]
    reading = PageReading("", (), (), 0.9, point.width, point.height, 0, point.reader, point.vision_tokens)
    passages = embed_passages(archive.embedder, text)
    archive.store.update([PageUpdate(key, now(), reading=replace(reading, text=text), passages=passages)])
