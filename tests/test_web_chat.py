"""The web page in Chromium: the conversation above the results, streamed, stopped, broken off, and its sources."""

from __future__ import annotations

import json
import re
import threading

import pytest
from playwright.sync_api import Page, Route, expect

from index.errors import Unavailable
from tests.api_kit import serving, wait_for
from tests.browser_kit import Tab, ask_more, open_tab, turn
from tests.lazy_kit import LazyArchive
from tests.web_kit import ShelfService

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser

KEYS = "?q=Who keeps the keys of the store houses?"
ANSWER = "The harbour master, Captain Edith Rowan, keeps the keys of the store houses."
LETTER = [
    f"# Harbour Board\n\n{ANSWER}\n\nThe tender for the north quay was accepted on 9 March.",
    "# Schedule\n\nInvoice INV-1927-0117 is for the north quay.",
]


@pytest.fixture
def shelf(service: ShelfService) -> ShelfService:
    service.put("letter.pdf", LETTER)
    return service


def events(*told: tuple[str, object]) -> str:
    return "".join(f"event: {kind}\ndata: {json.dumps(data)}\n\n" for kind, data in told)


def answered(shelf: ShelfService, page: Page, **more: object) -> dict[str, object]:
    """A whole answer as the service gives it, with more in it."""
    response = page.request.post(
        page.url.split("?")[0].split("#")[0] + "v1/answers",
        data={"question": "Who keeps the keys of the store houses?"},
    )
    return {**response.json(), **more}


def test_the_text_comes_piece_by_piece_and_can_be_stopped(tab: Tab, shelf: ShelfService):
    """Words appear while others are still to come; Stop ends the work at the service and keeps what there is."""
    shelf.most_words = 3
    page = tab.goto(KEYS)
    text = page.locator("#answer .answer-text")
    expect(text).to_contain_text("The harbour master,")
    assert "store houses" not in text.text_content()
    expect(turn(page, 1)).to_have_attribute("aria-busy", "true")
    page.get_by_role("button", name="Stop").click()
    expect(turn(page, 1).locator(".turn-ended")).to_contain_text("Stopped.")
    expect(text).to_contain_text("The harbour master,")
    assert "store houses" not in text.text_content()
    wait_for(lambda: page.wait_for_timeout(50) or shelf.given_up)
    assert shelf.given_up == 1, "the service went on for nobody"
    shelf.most_words = None
    page.get_by_role("button", name="Ask again").click()
    expect(text).to_contain_text("the store houses.")
    expect(turn(page, 1)).not_to_have_attribute("aria-busy", "true")
    expect(page.locator("#answer .turn")).to_have_count(1)


def test_follow_ups_keep_the_conversation(tab: Tab, shelf: ShelfService):
    """The second question names the conversation of the first, both stay in view, a new conversation begins anew."""
    page = tab.goto(KEYS)
    expect(turn(page, 1).locator(".evidence-link").first).to_be_visible()
    expect(page.get_by_role("heading", name="Who keeps the keys")).to_have_css("position", "absolute")
    ask_more(page, "And the tender for the north quay?")
    expect(turn(page, 2).locator(".answer-text")).to_contain_text("accepted on 9 March")
    expect(turn(page, 1).locator(".answer-text")).to_contain_text("Edith Rowan")
    expect(turn(page, 2).locator(".turn-question")).to_have_text("And the tender for the north quay?")
    expect(page.get_by_label("Ask a follow-up question")).to_be_focused()
    expect(page.get_by_label("Ask a follow-up question")).to_have_value("")
    assert [conversation for _, conversation in shelf.asked] == ["0" * 32, "0" * 32]
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator("#q")).to_be_focused()
    expect(page.locator("#answer")).to_be_hidden()


def test_the_conversation_asks_for_a_new_id_first_and_names_it_then(tab: Tab, shelf: ShelfService):
    """What goes over the wire: stream, "new", and then the id that `done` told."""
    sent = []
    tab.page.on("request", lambda r: r.url.endswith("/v1/answers") and sent.append(r.post_data_json))
    page = tab.goto(KEYS)
    expect(turn(page, 1).locator(".evidence-link").first).to_be_visible()
    ask_more(page, "Is it the north quay?")
    expect(turn(page, 2).locator(".answer-text")).to_contain_text("north quay")
    assert [(one["stream"], one["conversation_id"]) for one in sent] == [(True, "new"), (True, "0" * 32)]


def test_back_returns_to_the_conversation(tab: Tab, shelf: ShelfService):
    """A page opened from a source, closed, another search and Back: the conversation is there, and not asked again."""
    page = tab.goto(KEYS)
    expect(turn(page, 1).locator(".evidence-link").first).to_be_visible()
    ask_more(page, "And the tender for the north quay?")
    expect(turn(page, 2).locator(".evidence-link").first).to_be_visible()
    turn(page, 2).locator(".answer-text .chip").click()
    expect(page.locator(".page-text mark")).to_contain_text("accepted on 9 March")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    page.locator("#q").fill("invoice")
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_be_hidden()
    page.go_back()
    expect(page.locator("#answer .turn")).to_have_count(2)
    assert len(shelf.asked) == 2


def test_what_was_considered_is_folded_away(tab: Tab, shelf: ShelfService):
    """One quiet line says how many pages and how long; it opens to each page, why it was chosen, and the steps."""
    page = tab.goto(KEYS)
    trace = turn(page, 1).locator(".trace")
    expect(trace.locator("summary")).to_have_text("2 pages considered, 1 chosen, 9 ms")
    expect(trace.locator("li").first).to_be_hidden()
    trace.locator("summary").click()
    expect(trace.locator("li")).to_have_text(
        ["letter.pdfpage 1 chosen: the best match", "letter.pdfpage 2 left out: it adds nothing"]
    )
    expect(trace).to_contain_text("Time: searching 1 ms, answering 3 ms.")


def test_pages_that_are_read_for_the_answer_are_told(tab: Tab, shelf: ShelfService):
    """Decoding is said while it runs and counted afterwards; a page that could not be read makes the answer partial."""
    page = tab.goto()
    document = shelf.find("letter.pdf")
    one = {"document_id": document, "page": 2, "prompt": "figure", "reason": "low_trust"}
    other = {"document_id": document, "page": 1, "prompt": "markdown", "reason": "no_text"}
    done = answered(
        shelf,
        page,
        took_ms=1234.0,
        decoded=[{**one, "took_ms": 812.0, "ok": True}, {**other, "took_ms": 5, "ok": False, "code": "no_decoder"}],
        missing=[{"document_id": document, "page": 1, "code": "no_decoder"}],
    )
    first = [
        ("selection", {"question": "x", "considered": done["considered"], "timings_ms": {"retrieve": 1.0}}),
        ("decoding", {**one, "state": "started"}),
    ]
    last = [("decoding", {**one, "state": "done", "took_ms": 812.0}), ("text", {"text": done["text"]}), ("done", done)]
    # The stream breaks while a page is read; the second time it is whole.
    bodies = [events(*first), events(*first, *last)]
    page.route("**/v1/answers", lambda route: route.fulfill(content_type="text/event-stream", body=bodies.pop(0)))
    page.evaluate(
        "window.said = []; new MutationObserver(() => window.said.push(document.getElementById('live').textContent))"
        ".observe(document.getElementById('live'), {childList: true, characterData: true, subtree: true})"
    )
    page.locator("#q").fill("Who keeps the keys of the store houses?")
    page.keyboard.press("Enter")
    expect(turn(page, 1).locator(".failure")).to_contain_text("connection broke")
    page.get_by_role("button", name="Try again").click()
    trace = turn(page, 1).locator(".trace")
    expect(trace.locator("summary")).to_have_text(
        "2 pages considered, 1 chosen, 1 read now, 1 could not be read, 1.2 s"
    )
    expect(turn(page, 1).locator(".missing")).to_contain_text("letter.pdfpage 1 – Nobody who could read it is running.")
    trace.locator("summary").click()
    expect(trace.locator("li").nth(1)).to_contain_text("read now as figure (low trust) in 812 ms")
    expect(trace.locator("li").nth(0)).to_contain_text("not read (no text)")
    said = page.evaluate("window.said")
    assert said[-1].endswith("The answer is not whole.")
    assert sum("harbour master" in line for line in said) == 1, "not every piece of the text"


def test_a_stream_that_breaks_keeps_what_came(tab: Tab, shelf: ShelfService):
    """Half an answer stays readable, says that it broke off, and is asked for again on request."""
    page = tab.goto()
    body = events(
        ("selection", {"question": "x", "considered": [], "timings_ms": {}}), ("text", {"text": "The harbour"})
    )
    page.route(
        "**/v1/answers", lambda r: r.fulfill(content_type="text/event-stream", body=body + 'event: text\ndata: {"te')
    )
    page.locator("#q").fill("Who keeps the keys of the store houses?")
    page.keyboard.press("Enter")
    expect(turn(page, 1).locator(".answer-text")).to_have_text("The harbour")
    expect(turn(page, 1).locator(".failure")).to_contain_text("The answer broke off here")
    page.unroute("**/v1/answers")
    page.get_by_role("button", name="Try again").click()
    expect(turn(page, 1).locator(".answer-text")).to_contain_text("keeps the keys of the store houses.")
    expect(turn(page, 1).locator(".failure")).to_have_count(0)


def test_errors_are_sentences_with_a_way_on(tab: Tab, shelf: ShelfService):
    """An error in the stream, and one instead of it, say what the service said; trying again asks again."""
    shelf.fail_answer = Unavailable("The language model does not answer; try again.", code="llm_unavailable")
    page = tab.goto(KEYS)
    expect(turn(page, 1).locator(".failure")).to_have_text("The language model does not answer; try again.")
    shelf.fail_answer = None
    tab.expected = ("429",)
    problem = {"code": "too_many_answers", "detail": "Too many answers are under way.", "status": 429}

    def refuse(route: Route) -> None:
        route.fulfill(status=429, content_type="application/problem+json", body=json.dumps(problem))

    page.route("**/v1/answers", refuse)
    page.get_by_role("button", name="Try again").click()
    expect(turn(page, 1).locator(".failure")).to_have_text("Too many answers are under way.")
    page.unroute("**/v1/answers")
    page.get_by_role("button", name="Try again").click()
    expect(turn(page, 1).locator(".answer-text")).to_contain_text("Edith Rowan")


def test_a_service_that_is_away_fails_the_turn_only(tab: Tab, shelf: ShelfService):
    """Offline: the follow-up fails with words, the conversation stays, and goes on afterwards."""
    tab.expected = ("ERR_INTERNET_DISCONNECTED",)
    page = tab.goto(KEYS)
    expect(turn(page, 1).locator(".evidence-link").first).to_be_visible()
    tab.context.set_offline(True)
    ask_more(page, "And the tender for the north quay?")
    expect(turn(page, 2).locator(".failure")).to_have_text("Folioscope does not answer.")
    tab.context.set_offline(False)
    turn(page, 2).get_by_role("button", name="Try again").click()
    expect(turn(page, 2).locator(".answer-text")).to_contain_text("accepted on 9 March")
    expect(page.locator("#answer .turn")).to_have_count(2)


def test_sources_say_whether_they_were_checked(tab: Tab, shelf: ShelfService):
    """A citation that was checked by reading the page again has a mark, in words for who cannot see it."""
    page = tab.goto()
    done = answered(shelf, page)
    first = done["citations"][0]
    done["text"] = "One [1] and two [2] and three [3]."
    done["citations"] = [
        {**first, "verified": True},
        {**first, "number": 2, "verified": False},
        {**first, "number": 3, "verified": None},
    ]
    page.route("**/v1/answers", lambda r: r.fulfill(content_type="text/event-stream", body=events(("done", done))))
    page.locator("#q").fill("Who keeps the keys of the store houses?")
    page.keyboard.press("Enter")
    expect(page.locator(".evidence > li")).to_have_count(3)
    says = ["Verified: the page image, read again, says this."]
    says.append("Not verified: the page image, read again, does not say this.")
    expect(page.locator(".evidence > li").nth(0).locator(".checked")).to_have_text(says[0])
    expect(page.locator(".evidence > li").nth(1).locator(".doubted")).to_have_text(says[1])
    expect(page.locator(".evidence > li").nth(2).locator(".verdict")).to_have_count(0)
    labels = page.locator(".answer-text .chip").evaluate_all("chips => chips.map(c => c.getAttribute('aria-label'))")
    assert [re.sub(r".*page 1\. ?", "", label) for label in labels] == [*says, ""]


def test_what_a_model_writes_is_text(tab: Tab, shelf: ShelfService):
    """Markdown gives structure; links, pictures and HTML of an answer stay characters, streamed or whole."""
    page = tab.goto()
    evil = (
        "See [here](https://evil.example/?q=secret) ![x](https://evil.example/x.png) <img src=x onerror=window.hurt=1> "
        "<https://evil.example> https://evil.example\n\n- one\n- two [7]\n\n[1]: https://evil.example"
    )
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    done = answered(shelf, page, text=evil)
    body = events(("text", {"text": evil[:60]}), ("text", {"text": evil[60:]}), ("citations", []), ("done", done))
    page.route("**/v1/answers", lambda r: r.fulfill(content_type="text/event-stream", body=body))
    page.locator("#q").fill("Who keeps the keys of the store houses?")
    page.keyboard.press("Enter")
    text = page.locator(".answer-text")
    expect(text.locator("li")).to_have_text(["one", "two [7]"])
    expect(text).to_contain_text("[here](https://evil.example/?q=secret) ![x](https://evil.example/x.png)")
    assert text.locator("img, script, iframe, object").count() == 0
    assert all(
        href.startswith("#/doc/")
        for href in text.locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    )
    assert page.evaluate("window.hurt") is None
    assert not [url for url in asked if "evil" in url]


def test_nothing_found_is_told_apart_and_helps(tab: Tab, shelf: ShelfService):
    """A refusal looks like none of the answers, lists where to look, and asks all documents when filters were on."""
    page = tab.goto("?q=Who keeps the keys of the store houses?&from=2001-01-01&to=2001-01-02")
    expect(turn(page, 1)).to_have_attribute("data-state", "none")
    expect(turn(page, 1).locator(".answer-heading")).to_have_text("Nothing found")
    page.get_by_role("button", name="Ask all documents").click()
    expect(page.locator("#answer .answer-text")).to_contain_text("Edith Rowan")
    expect(page.locator("#answer .turn")).to_have_count(1)
    ask_more(page, "Who discovered radium in Paris?")
    expect(turn(page, 2).locator(".considered a").first).to_contain_text("letter.pdf")
    expect(turn(page, 2).locator(".tips")).to_contain_text("Ask for one thing at a time.")


def test_the_conversation_by_keyboard_alone(tab: Tab, shelf: ShelfService):
    """Question, source, follow-up, stop and back to the field, without a pointer."""
    page = tab.goto()
    page.keyboard.press("/")
    page.keyboard.type("Who keeps the keys of the store houses?")
    page.keyboard.press("Enter")
    expect(turn(page, 1).locator(".evidence-link").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".evidence-link").first).to_be_focused()
    shelf.most_words = 2
    page.get_by_label("Ask a follow-up question").focus()
    page.keyboard.type("And the tender for the north quay?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.keyboard.press("Escape")
    expect(turn(page, 2).locator(".turn-ended")).to_contain_text("Stopped.")
    expect(page.get_by_label("Ask a follow-up question")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_long_conversation_on_a_narrow_screen(browser, site: str, shelf: ShelfService, scheme: str):
    """Nothing runs out of a window of 320 pixels, and the field for more is in view after each answer."""
    with open_tab(browser, site, viewport={"width": 320, "height": 640}, color_scheme=scheme) as tab:
        page = tab.goto(KEYS)
        expect(turn(page, 1).locator(".evidence-link").first).to_be_visible()
        for number, question in enumerate(
            ("And the tender for the north quay?", "Who discovered " + "x" * 80 + "?"), 2
        ):
            ask_more(page, question)
            expect(turn(page, number)).to_have_attribute("data-state", re.compile("found|none"))
            expect(page.get_by_label("Ask a follow-up question")).to_be_in_viewport()
        for summary in page.locator(".trace summary").all():
            summary.click()
        expect(page.locator(".trace li").last).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_a_page_is_really_read_for_the_answer(browser, tmp_path):
    """With the real library and real decoding on need: the page that is being read is named while it is, the answer
    comes from it, and the line below says so; stopping in the middle ends the decoder's work.
    """
    archive = LazyArchive(tmp_path)
    gate = threading.Event()
    archive.engine.gate = gate
    archive.add("The lamp of the lower harbour was lit by Tobias Wren.", filename="lamp-ledger.pdf")
    try:
        with serving(archive.api.app) as base, open_tab(browser, base) as tab:
            page = tab.goto("?q=Who lit the lamp of the lower harbour?&ask=1")
            status = turn(page, 1).locator(".thinking")
            expect(status).to_have_text("Reading page 1 of lamp-ledger.pdf…")
            page.get_by_role("button", name="Stop").click()
            expect(turn(page, 1).locator(".turn-ended")).to_contain_text("Stopped.")
            page.get_by_role("button", name="Ask again").click()
            expect(status).to_have_text("Reading page 1 of lamp-ledger.pdf…")
            gate.set()
            expect(turn(page, 1).locator(".answer-text")).to_contain_text("lit by Tobias Wren")
            expect(turn(page, 1).locator(".trace summary")).to_contain_text("1 read now")
            turn(page, 1).locator(".trace summary").click()
            expect(turn(page, 1).locator(".trace li").first).to_contain_text("read now")
            ask_more(page, "And who lit it?")
            expect(turn(page, 2)).to_have_attribute("data-state", re.compile("found|none"))
            expect(turn(page, 2).locator(".trace summary")).not_to_contain_text("read now")
    finally:
        gate.set()
        archive.close()


def test_what_was_told_of_a_page_that_is_gone_does_not_stay(tab: Tab, shelf: ShelfService):
    """The end of the stream counts: a statement whose page was lost meanwhile goes, and its page is named."""
    page = tab.goto()
    told = "The ferry paid 42 pounds. [1] "
    gone = {
        "document_id": shelf.find("letter.pdf"),
        "page": 2,
        "code": "read_anew",
        "reason": "The page was read anew.",
    }
    done = answered(shelf, page, missing=[gone], incomplete=True)
    body = events(("text", {"text": told}), ("text", {"text": f"{ANSWER} [2]"}), ("done", done))
    page.route("**/v1/answers", lambda route: route.fulfill(content_type="text/event-stream", body=body))
    page.locator("#q").fill("Who keeps the keys of the store houses?")
    page.keyboard.press("Enter")
    expect(turn(page, 1).locator(".missing")).to_contain_text("letter.pdfpage 2 – The page was read anew.")
    expect(turn(page, 1).locator(".answer-text")).to_contain_text("Captain Edith Rowan")
    expect(turn(page, 1)).not_to_contain_text("42 pounds")
    expect(turn(page, 1).locator(".answer-text .chip")).to_have_count(1)


@pytest.mark.parametrize("weak", [True, False])
def test_an_answer_of_weak_support_says_so(tab: Tab, shelf: ShelfService, weak):
    """As the service judges it, and after a reload too."""
    page = tab.goto()
    done = answered(shelf, page, weak_support=weak)
    page.route(
        "**/v1/answers",
        lambda route: route.fulfill(
            content_type="text/event-stream", body=events(("text", {"text": ANSWER}), ("done", done))
        ),
    )
    page.locator("#q").fill("Who keeps the keys of the store houses?")
    page.keyboard.press("Enter")
    expect(turn(page, 1)).to_have_attribute("data-state", "found")
    hint = turn(page, 1).get_by_text("Weak support – compare this with the page")
    expect(hint).to_have_count(int(weak))
    page.reload()
    expect(turn(page, 1)).to_have_attribute("data-state", "found")
    expect(hint).to_have_count(int(weak))


def test_what_is_copied_by_hand_keeps_its_numbers_apart(tab: Tab, shelf: ShelfService):
    """A citation's number would be a figure of the sentence before it; what can be pressed does not come along."""
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = tab.goto(KEYS)
    expect(page.get_by_role("button", name="Copy with sources")).to_be_visible()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#answer'))")
    page.keyboard.press("Control+c")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert f"{ANSWER} [1]" in copied
    assert re.search(r"letter\.pdf\s+page 1", copied)
    assert not re.search("Copy with sources|Show on the page|New conversation", copied)
