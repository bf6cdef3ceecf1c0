"""The web page in Chromium: words found in an open document, from place to place over its pages."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser_kit import Tab
from tests.web_kit import ShelfService

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser

PAGES = [
    "# Minutes\n\nThe lamp was lit.",
    "# Lamps\n\nOne lamp for the north quay.\n\nAnother lamp for the south quay.",
    "# Letters\n\nNothing came.",
    "# Oil\n\nThe lamp needs oil. Whale oil is dear.",
]


@pytest.fixture
def ledger(service: ShelfService) -> str:
    """A document of four pages with lamps on three of them, and another one that is full of lamps."""
    service.put("other.pdf", ["Lamp, lamp and lamp. Oil."])
    return service.put("ledger.pdf", PAGES)


def status(page: Page):
    return page.locator(".find-status")


def number(page: Page):
    return page.locator("#page-number")


def pointed(page: Page) -> list[float]:
    return page.locator(".page-sheet .pointed rect").evaluate("r => ['x', 'y'].map((n) => Number(r.getAttribute(n)))")


def test_from_place_to_place(tab: Tab, ledger: str):
    """Enter goes over all places of a page, then to the next page that has the word, and around; Shift goes back."""
    page = tab.goto(f"#/doc/{ledger}/page/1")
    expect(page.locator(".page-text")).to_contain_text("The lamp was lit")
    page.keyboard.press("f")
    field = page.get_by_label("Words to find in this document")
    expect(field).to_be_focused()
    page.keyboard.type("lamp")
    expect(status(page)).to_have_text("1 of 1 on this page, 3 pages with it")
    expect(page.locator(".page-text mark")).to_have_text("lamp")
    for there, place in [("2", "1 of 3"), ("2", "2 of 3"), ("2", "3 of 3"), ("4", "1 of 1"), ("1", "1 of 1")]:
        field.press("Enter")
        expect(number(page)).to_have_value(there)
        expect(status(page)).to_contain_text(f"{place} on this page")
        expect(page.locator(".page-sheet .pointed rect")).to_have_count(1)
    field.press("Shift+Enter")
    expect(number(page)).to_have_value("4")
    expect(page).to_have_url(re.compile(r"page/4\?q=lamp$"))


def test_what_is_found_on_the_open_page_is_marked_on_its_picture(tab: Tab, ledger: str):
    """All its places, and none of what was looked for before; a cited place gives way, and comes back."""
    start = PAGES[3].index("Whale")
    cited = f"#/doc/{ledger}/page/4?at={start}-{start + 5}"
    page = tab.goto(cited)
    marks = page.locator(".page-sheet .marks rect")
    places = "all => all.map((one) => one.getAttribute('x') + ' ' + one.getAttribute('y'))"
    expect(page.locator(".page-sheet .marks.cited rect")).to_have_count(1)
    whale = marks.evaluate_all(places)
    page.keyboard.press("f")
    field = page.get_by_label("Words to find in this document")
    field.fill("oil")
    expect(status(page)).to_contain_text("1 of 3 on this page")
    expect(marks).to_have_count(3)
    expect(page.locator(".page-sheet .marks.cited")).to_have_count(0)
    oil = marks.evaluate_all(places)
    field.fill("lamp")
    expect(status(page)).to_contain_text("1 of 1 on this page")
    expect(marks).to_have_count(1)
    assert not {*marks.evaluate_all(places)} & {*oil, *whale}
    page.evaluate("(hash) => { location.hash = hash; }", cited)
    expect(page.locator(".page-sheet .marks.cited rect")).to_have_count(1)
    assert marks.evaluate_all(places) == whale


def test_back_over_a_page_begins_at_its_end(tab: Tab, ledger: str):
    """Backwards from page 4 the last place of page 2 comes first; page 3 has none and is passed over."""
    page = tab.goto(f"#/doc/{ledger}/page/4?q=lamp")
    expect(page.locator(".page-text")).to_contain_text("Whale")
    page.get_by_role("button", name="Find in this document").click()
    expect(status(page)).to_have_text("1 of 1 on this page, 3 pages with it")
    page.get_by_role("button", name="Previous place").click()
    expect(number(page)).to_have_value("2")
    expect(status(page)).to_have_text("3 of 3 on this page, 3 pages with it")
    lower = pointed(page)[1]
    page.get_by_role("button", name="Previous place").click()
    expect(status(page)).to_contain_text("2 of 3")
    assert pointed(page)[1] < lower
    page.get_by_role("button", name="Next place").click()
    page.get_by_role("button", name="Next place").click()
    expect(number(page)).to_have_value("4")


def test_what_is_not_there_is_said(tab: Tab, ledger: str):
    """The page stays; other documents do not count; Esc closes the bar, then the page, and the focus goes back."""
    page = tab.goto(f"#/doc/{ledger}/page/3")
    expect(page.locator(".page-text")).to_contain_text("Nothing came")
    page.keyboard.press("f")
    page.get_by_label("Words to find in this document").fill("whale")
    expect(number(page)).to_have_value("4")
    page.get_by_label("Words to find in this document").fill("zebra")
    expect(status(page)).to_have_text("Not in this document")
    expect(page.locator("#viewer [data-live]")).to_have_text("Not in this document")
    expect(page.locator(".page-sheet .pointed")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator(".find-bar")).to_be_hidden()
    expect(page.locator(".stage")).to_be_focused()
    expect(page.locator("#viewer")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()


def test_words_of_the_search_are_there(tab: Tab, ledger: str):
    """Opened from a search, the field has its words; Ctrl+F opens it, and is the browser's own where it is open."""
    page = tab.goto("?q=whale")
    page.locator(".hit-link").first.click()
    expect(page.locator(".page-text")).to_contain_text("Whale")
    page.keyboard.press("Control+f")
    expect(page.get_by_label("Words to find in this document")).to_have_value("whale")
    expect(status(page)).to_have_text("1 of 1 on this page")
    taken = page.evaluate(
        """() => {
            const press = new KeyboardEvent('keydown', {key: 'f', ctrlKey: true, bubbles: true, cancelable: true});
            document.querySelector('#find').dispatchEvent(press);
            return press.defaultPrevented;
        }"""
    )
    assert not taken


def test_another_document_begins_anew(tab: Tab, ledger: str):
    """What was found in one document is not said of the next."""
    page = tab.goto(f"#/doc/{ledger}/page/1")
    expect(page.locator(".page-text")).to_contain_text("The lamp was lit")
    page.keyboard.press("f")
    page.get_by_label("Words to find in this document").fill("whale")
    expect(number(page)).to_have_value("4")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.locator(".row-link", has_text="other.pdf").click()
    expect(page.locator("#viewer-title")).to_have_text("other.pdf")
    expect(page.locator(".find-bar")).to_be_hidden()
    page.keyboard.press("f")
    expect(page.get_by_label("Words to find in this document")).to_have_value("")
    expect(status(page)).to_have_text("")


def test_it_is_busy_as_long_as_it_looks(tab: Tab, service: ShelfService, ledger: str):
    """Screen readers wait for the words that were typed last: that those before are given up ends nothing."""
    service.held |= {"lamp", "whale"}
    page = tab.goto(f"#/doc/{ledger}/page/1")
    expect(page.locator(".page-text")).to_contain_text("The lamp was lit")
    page.keyboard.press("f")
    field = page.get_by_label("Words to find in this document")
    with page.expect_request("**/v1/search"):
        field.fill("lamp")
    with page.expect_event("requestfailed"):  # the first one is given up
        field.fill("whale")
    expect(page.locator(".find-bar")).to_have_attribute("aria-busy", "true")
    expect(status(page)).to_have_text("Looking…")
    service.held.clear()
    expect(number(page)).to_have_value("4")
    expect(page.locator(".find-bar[aria-busy]")).to_have_count(0)


def test_the_bar_on_a_narrow_window(tab: Tab, ledger: str):
    """Everything is in reach at 360 pixels, and the sentence has a line of its own."""
    page = tab.goto(f"#/doc/{ledger}/page/1?q=lamp")
    page.set_viewport_size({"width": 360, "height": 740})
    expect(page.locator(".page-sheet")).to_be_visible()
    page.get_by_role("button", name="Find in this document").click()
    expect(status(page)).to_contain_text("3 pages with it")
    assert page.locator(".find-bar").bounding_box()["height"] < 110
    assert page.locator(".find-bar").evaluate("e => e.scrollWidth <= e.clientWidth")
    close = page.get_by_role("button", name="Close the search").bounding_box()
    assert close["x"] + close["width"] <= 360
