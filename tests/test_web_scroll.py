"""The web page in Chromium: what is looked at stays where it is, and what has the focus is not covered."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from index.types import Origin
from tests.api_kit import wait_for
from tests.browser_kit import Tab, open_tab
from tests.web_kit import ShelfService

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser

SIZES = {"wide": {"width": 1280, "height": 800}, "narrow": {"width": 360, "height": 740}}
DOCUMENTS = 24
DEEP = 1000
ROW = 100  # pixels: about the height of one
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


def test_back_and_a_reload_find_as_much_as_was_shown(tab: Tab, service: ShelfService):
    """Where it was: after another search, a reload, one under an open page, and when the service comes back."""
    service.put("ledger.pdf", [f"The quay and the slipway, entry {n}." for n in range(45)])
    page = tab.goto("?q=quay")
    hits = page.locator(".hit")
    for shown in (20, 30):
        page.get_by_role("button", name="Show more").click()
        expect(hits).to_have_count(shown)
    page.evaluate("scrollTo(0, 2500)")

    def is_there() -> bool:
        """In sight, and noted."""
        y, noted = page.evaluate("[scrollY, history.state?.depth?.y ?? 0]")
        return abs(y - 2500) <= STILL and abs(noted - 2500) <= STILL

    wait_for(is_there)
    page.locator("#q").fill("slipway")
    page.wait_for_url("**?q=slipway")
    expect(hits).to_have_count(10)
    wait_for(lambda: page.evaluate("scrollY") == 0)
    page.go_back()
    expect(hits).to_have_count(30)
    wait_for(is_there)
    page.reload()
    expect(hits).to_have_count(30)
    wait_for(is_there)
    hits.nth(17).locator(".hit-link").evaluate("(link) => link.click()")
    expect(page.locator("#viewer")).to_be_visible()
    page.reload()
    expect(page.locator("#viewer")).to_be_visible()
    expect(hits).to_have_count(30)
    page.keyboard.press("Escape")
    wait_for(is_there)
    page.get_by_role("button", name="Show more").click()
    expect(hits).to_have_count(40)
    names = page.locator(".hit-link").all_text_contents()
    assert len(set(names)) == 40


@pytest.mark.parametrize("where", ["", "?in=box"], ids=["all", "a folder"])
def test_a_reload_lists_as_many_documents_as_were_listed(tab: Tab, service: ShelfService, where: str):
    """Where they were, also under an open page; and the way down goes on from there."""
    for number in range(130):
        card = service.put(f"card {number}.pdf", [f"Entry {number}."])
        service._shelf[card].origins = (Origin(None, f"box/card {number}.pdf"),)
    page = tab.goto(where)
    listed = page.locator("#named-documents .row" if where else "#documents .row")
    more = page.get_by_role("button", name="Show more" if where else "Show older documents")
    expect(listed).to_have_count(50)
    more.click()
    expect(listed).to_have_count(100)
    page.evaluate("scrollTo(0, 6500)")

    def is_there() -> bool:
        """In sight, and noted; each picture that comes may change its row by a fraction of a pixel."""
        y, noted = page.evaluate("[scrollY, history.state?.depth?.y ?? 0]")
        return abs(y - 6500) <= ROW and abs(noted - 6500) <= ROW

    wait_for(is_there)
    page.reload()
    expect(listed).to_have_count(100)
    wait_for(is_there)
    listed.nth(90).locator(".row-link").evaluate("(link) => link.click()")
    expect(page.locator("#viewer")).to_be_visible()
    page.reload()
    expect(page.locator("#viewer")).to_be_visible()
    expect(listed).to_have_count(100)
    page.keyboard.press("Escape")
    wait_for(is_there)
    more.click()
    expect(listed).to_have_count(130)
    expect(more).to_have_count(0)
