"""The web page in Chromium: letters and input methods of any language, what is pressed twice or fails, and what is
heard of it."""

from __future__ import annotations

import json
import re
import time

import pytest
from playwright.sync_api import Route, expect

from tests.browser_kit import Tab
from tests.web_kit import ShelfService

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser

COMPOSING = """key => {
    const event = new KeyboardEvent('keydown', {key, isComposing: true, bubbles: true, cancelable: true});
    document.activeElement.dispatchEvent(event);
    return event.defaultPrevented;
}"""
HEARD = """place => {
    window.heard = [];
    const live = document.querySelector(place);
    new MutationObserver(() => live.textContent && window.heard.push(live.textContent))
        .observe(live, {childList: true, characterData: true, subtree: true});
}"""


@pytest.fixture
def shelf(service: ShelfService) -> ShelfService:
    service.put("ledger.pdf", [f"# Page\n\nThe quay and the slipway, entry {n}." for n in range(24)])
    return service


def test_keys_of_an_input_method_are_not_the_pages(tab: Tab, shelf: ShelfService):
    """Arrows choose among candidates, Enter takes one, Esc gives them up: what is written stays, and the focus."""
    page = tab.goto("?q=quay")
    expect(page.locator(".hit")).to_have_count(10)
    page.locator("#q").focus()
    for key in ("ArrowDown", "ArrowUp", "Enter", "Escape"):
        assert page.evaluate(COMPOSING, key) is False
        expect(page.locator("#q")).to_be_focused()
        expect(page.locator("#q")).to_have_value("quay")
    page.keyboard.press("ArrowDown")  # without one it is the page's
    expect(page.locator(".hit-link").first).to_be_focused()


def test_more_that_is_pressed_twice_is_added_once(tab: Tab, shelf: ShelfService):
    """By an impatient hand, or by a key that is held down."""
    page = tab.goto("?q=quay")
    expect(page.locator(".hit")).to_have_count(10)
    page.evaluate("() => { const more = document.querySelector('.more button'); more.click(); more.click(); }")
    expect(page.locator(".hit-link").nth(10)).to_be_focused()
    expect(page.locator(".more button")).to_have_count(1)
    page.wait_for_load_state("networkidle")
    assert page.locator(".hit").count() == 20
    assert len(set(page.locator(".hit-link").all_text_contents())) == 20


def test_more_that_fails_leaves_what_was_found(tab: Tab, shelf: ShelfService):
    """The button is another try."""
    tab.expected = ("status of 503",)
    page = tab.goto("?q=quay")
    expect(page.locator(".hit")).to_have_count(10)
    problem = {"code": "store_unavailable", "detail": "The index does not answer.", "status": 503}

    def refuse(route: Route) -> None:
        route.fulfill(status=503, content_type="application/problem+json", body=json.dumps(problem))

    page.route("**/v1/search", refuse)
    for _ in range(2):
        page.get_by_role("button", name="Show more").click()
        expect(page.locator("#results .failure")).to_have_text(["The index does not answer."])
        expect(page.locator(".hit")).to_have_count(10)
    page.unroute("**/v1/search")
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".hit")).to_have_count(20)
    expect(page.locator("#results .failure")).to_have_count(0)


def test_the_same_outcome_of_another_search_is_heard(tab: Tab, shelf: ShelfService):
    """A region of the page that stays as it is says nothing to a screen reader."""
    page = tab.goto()
    page.evaluate(HEARD, "#live")
    for query in ("quay", "slipway"):
        page.locator("#q").fill(query)
        page.wait_for_url(f"**?q={query}")
        expect(page.locator(".hit mark").first).to_contain_text(query)
    page.wait_for_function("() => window.heard.length >= 2")
    told = page.evaluate("() => window.heard")
    assert told == ["Best 10 pages of 24 pages searched"] * 2


def test_results_are_not_busy_for_ever(tab: Tab, shelf: ShelfService):
    """A search that is given up for none leaves nothing that screen readers wait for."""
    shelf.held.add("quay")
    page = tab.goto()
    page.locator("#q").fill("quay")
    expect(page.locator("#results[aria-busy=true]")).to_have_count(1)
    page.locator("#q").fill("")
    expect(page.locator("#library-view")).to_be_visible()
    shelf.held.clear()
    expect(page.locator("#results[aria-busy]")).to_have_count(0)


def test_a_page_number_is_written_while_the_page_waits(tab: Tab, shelf: ShelfService):
    """It is looked at again and again until it is read: what is written in the field meanwhile stays."""
    shelf.most_pages = 0
    waits = shelf.put("waits.pdf", ["# One", "# Two", "# Three"], page_s=0.01, since=time.monotonic())
    page = tab.goto(f"#/doc/{waits}/page/1")
    expect(page.locator(".page-total")).to_have_text("of 3")
    page.locator("#page-number").fill("3")
    with page.expect_response("**/pages/1?words=true"):
        pass  # it was looked at once more
    page.wait_for_timeout(100)
    expect(page.locator("#page-number")).to_have_value("3")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**#/doc/{waits}/page/3")


@pytest.mark.parametrize("opened", [True, False])
def test_a_page_that_waits_is_told_once(tab: Tab, shelf: ShelfService, opened: bool):
    """However often it is looked at: a page that waits to be read, and one of a file that waits to be opened."""
    tab.expected = ("status of 409",)
    shelf.most_pages = 0
    waits = shelf.put("waits.pdf", ["# One", "# Two"], page_s=0.01, since=time.monotonic())
    problem = {"code": "not_ready", "detail": "Ask again in a moment.", "status": 409}
    page = tab.goto()
    if not opened:
        page.route(
            "**/pages/1?words=true",
            lambda r: r.fulfill(status=409, content_type="application/problem+json", body=json.dumps(problem)),
        )
    tab.goto(f"#/doc/{waits}/page/1")
    live = page.locator("#viewer [data-live]")
    expect(live).to_have_text("Page 1 of 2" if opened else re.compile("^This document has not been opened yet"))
    page.evaluate(HEARD, "#viewer [data-live]")
    for _ in range(2):
        with page.expect_response("**/pages/1?words=true"):
            pass
    page.wait_for_timeout(200)
    assert page.evaluate("() => window.heard") == []


def test_marks_stand_where_they_belong_behind_rare_letters(tab: Tab, service: ShelfService):
    """Those that JavaScript counts as two: of mathematics, and Chinese ones of names. In results, on the page, in a
    cited place, and in the address of what is copied."""
    text = "# 𝑓 of 𝑥\n\nLet 𝒙 ∈ ℝ and 𠮷野 be given.\n\nThe quay 𝑞 is closed until May."
    document = service.put("proof.pdf", [text])
    page = tab.goto("?q=quay")
    expect(page.locator(".snippet mark")).to_have_text(["quay"])
    page = tab.goto(f"#/doc/{document}/page/1?q=closed")
    expect(page.locator(".page-text mark")).to_have_text(["closed"])
    expect(page.locator(".page-text")).to_contain_text("𠮷野 be given.")
    at = text.index("closed until")
    page = tab.goto(f"#/doc/{document}/page/1?at={at}-{at + 12}")
    expect(page.locator(".page-text mark")).to_have_text(["closed until"])
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.page-text mark'))")
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator("#viewer [data-live]")).to_contain_text("Selected text copied")
    assert f"?at={at}-{at + 12}" in page.evaluate("() => navigator.clipboard.readText()")
