"""The web page in Chromium: what is looked at stays where it is, and what has the focus is not covered."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser_kit import Tab, open_tab
from tests.web_kit import ShelfService

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser

SIZES = {"wide": {"width": 1280, "height": 800}, "narrow": {"width": 360, "height": 740}}
DOCUMENTS = 24
DEEP = 1000
STILL = 3  # pixels: what is between two of them may be rounded otherwise
FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture
def shelf(service: ShelfService) -> ShelfService:
    for number in range(DOCUMENTS):
        service.put(f"card {number}.pdf", [f"Entry {number}."])
    return service


def deep(tab: Tab, y: int = DEEP) -> Page:
    """The list, further down."""
    page = tab.goto()
    expect(page.locator("#documents .row")).to_have_count(DOCUMENTS)
    page.evaluate(f"document.activeElement.blur(), scrollTo(0, {y})")
    return page


def at(page: Page) -> int:
    """How far down it is, once that is drawn."""
    page.evaluate(FRAMES)
    return page.evaluate("Math.round(scrollY)")


@pytest.mark.parametrize("size", SIZES)
def test_what_is_used_of_the_top_moves_nothing_below_it(browser, site: str, shelf: ShelfService, size: str):
    """Neither the focus nor a key that is typed there scrolls the list; back from a search it is where it was."""
    with open_tab(browser, site, viewport=SIZES[size]) as tab:
        page = deep(tab)
        page.get_by_role("button", name="Keyboard and search help").click()
        page.keyboard.press("Escape")
        assert at(page) == pytest.approx(DEEP, abs=STILL)
        page.keyboard.press("/")
        expect(page.locator("#q")).to_be_focused()
        page.keyboard.type("   ")
        assert at(page) == pytest.approx(DEEP, abs=STILL)
        page.keyboard.type("entry")
        expect(page.locator("#results .hit").first).to_be_visible()
        page.go_back()
        expect(page.locator("#documents .row").first).to_be_attached()
        expect(page.locator("#library-view")).to_be_visible()
        page.wait_for_function("scrollY > 0")
        assert at(page) == pytest.approx(DEEP, abs=STILL)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("selecting", [False, True], ids=["list", "selecting"])
def test_nothing_covers_what_has_the_focus(browser, site: str, shelf: ShelfService, size: str, selecting: bool):
    """Going up by keyboard, each thing that is reached stands below the top, and below the bar of a selection."""
    with open_tab(browser, site, viewport=SIZES[size]) as tab:
        page = deep(tab)
        if selecting:
            page.get_by_role("button", name="Select", exact=True).click()
            page.get_by_label("Select card 3.pdf").check()
        above = page.locator("#select-bar" if selecting else ".top")
        page.locator("#documents .row-link").last.focus()
        reached = 0
        while page.evaluate("Boolean(document.activeElement.closest('#documents')) && scrollY > 0"):
            bottom = above.evaluate("(node) => node.getBoundingClientRect().bottom")
            top = page.evaluate("document.activeElement.getBoundingClientRect().top")
            assert top >= bottom, page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
            reached += 1
            page.keyboard.press("Shift+Tab")
        assert reached > DOCUMENTS / 2
