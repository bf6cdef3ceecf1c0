"""The web page in Chromium: documents found by their names, in the list and beside a search, and how far all are."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from index.types import Origin
from tests.browser_kit import Tab
from tests.test_web_upload import add, recipe, row
from tests.web_kit import ShelfService

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser

NAMED = "#named-documents .row"


@pytest.fixture
def shelf(service: ShelfService) -> ShelfService:
    """Sixty cards, more than are listed at first; the oldest is a letter, and one lies in an archive."""
    service.put("Brief Müller.pdf", ["Dear Sir, the gate is painted."])
    inside = service.put("rents.pdf", ["Rents of the farm."])
    service.put_archive("estate.zip", [("1902/rents.pdf", inside)], [])
    for number in range(60):
        card = service.put(f"card {number:02}.pdf", [f"Relief was given, entry {number}."])
        service._shelf[card].origins = (
            Origin(None, f"{('North Box', 'South Box')[number // 30]}/card {number:02}.pdf"),
        )
    return service


def heading(page: Page):
    return page.locator("#library-count")


def test_count_is_of_all_documents(tab: Tab, shelf: ShelfService):
    """Fifty are listed and all are counted, also after more were shown and one was deleted."""
    page = tab.goto()
    expect(heading(page)).to_have_text("62 documents, 50 of them listed here")
    page.goto(f"{tab.base}/?q=relief")
    other = page.locator("#f-document option").last
    expect(other).to_have_text("Others: “Search in” beside them in the list")
    expect(other).to_be_disabled()
    page.locator("#brand").click()
    page.get_by_role("button", name="Show older documents").click()
    expect(heading(page)).to_have_text("62 documents, 62 pages read")
    expect(page.locator("#documents .row").nth(50).locator(".row-link")).to_be_focused()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # looked at again, it is listed as before
    page.wait_for_timeout(300)
    expect(heading(page)).to_have_text("62 documents, 62 pages read")
    expect(page.get_by_role("button", name="Show older documents")).to_have_count(0)
    row(page, "card 07.pdf").get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Close").click()
    expect(heading(page)).to_contain_text("61 documents")


def test_a_document_is_found_by_name(tab: Tab, shelf: ShelfService):
    """Also one that is not listed, in a folder or in an archive; without accents; Esc brings the list back."""
    page = tab.goto()
    field = page.get_by_label("Find a document by its name or folder")
    field.fill("muller")
    expect(page.locator(NAMED)).to_have_count(1)
    expect(page.locator(NAMED)).to_contain_text("Brief Müller.pdf")
    expect(page.locator("#documents")).to_be_hidden()
    field.fill("rents")
    expect(page.locator(NAMED)).to_contain_text("1902")
    field.fill("south box")
    expect(page.locator("#named-note")).to_have_text("30 documents with “south box” in the name or folder")
    expect(page.locator("#live")).to_contain_text("30 documents")
    field.fill("nowhere")
    expect(page.locator("#named-note")).to_contain_text("No document has “nowhere” in its name")
    expect(page.locator(NAMED)).to_have_count(0)
    field.press("Escape")
    expect(page.locator("#documents .row").first).to_be_visible()
    expect(page.locator("#named-note")).to_be_hidden()


def test_more_by_name_and_deleted_from_there(tab: Tab, shelf: ShelfService):
    """A long list goes on by its button with the focus on the first new row; what is deleted there is gone there."""
    page = tab.goto()
    page.get_by_label("Find a document by its name or folder").fill("card")
    expect(page.locator(NAMED)).to_have_count(50)
    page.locator("#named-more").get_by_role("button").click()
    expect(page.locator(NAMED)).to_have_count(60)
    expect(page.locator(NAMED).nth(50).locator(".row-link")).to_be_focused()
    page.get_by_label("Find a document by its name or folder").fill("card 03")
    expect(page.locator(NAMED)).to_have_count(1)
    page.locator(NAMED).get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Close").click()
    expect(page.locator(NAMED)).to_have_count(0)


def test_search_offers_documents_of_that_name(tab: Tab, shelf: ShelfService):
    """Above the pages, which say nothing of a file's name; more of them lead to the list. A question offers none."""
    page = tab.goto()
    page.locator("#q").fill("card 42")
    line = page.locator(".named-line")
    expect(line.get_by_role("link")).to_have_text(["card 42.pdf"])
    page.locator("#q").fill("card")
    expect(line.get_by_role("link")).to_have_count(4)
    line.get_by_role("button", name="and 56 more").click()
    expect(page.locator(NAMED)).to_have_count(50)
    expect(page.get_by_label("Find a document by its name or folder")).to_have_value("card")
    page.locator("#q").fill("estate")
    line.get_by_role("button", name="estate.zip").click()
    expect(page.locator("#f-folder")).to_have_value("estate.zip")
    page.goto(f"{tab.base}/?q=card?")
    expect(page.locator("#summary")).to_contain_text("page")
    expect(line).to_have_count(0)


def test_few_documents_need_no_field(tab: Tab, service: ShelfService):
    """It comes with the eighth document."""
    for number in range(7):
        service.put(f"{number}.pdf", ["Text."])
    page = tab.goto()
    expect(heading(page)).to_have_text("7 documents, 7 pages read")
    expect(page.locator("#named")).to_be_hidden()
    add(page, recipe("8.pdf"))
    expect(page.locator("#named")).to_be_visible()


PROGRESS = """
    window.bars = [];
    new MutationObserver(() => {
      const bar = document.querySelector('#activity:not([hidden]) progress[value]');
      if (bar) window.bars.push([bar.value, bar.max]);
    }).observe(document.querySelector('#activity'), {subtree: true, childList: true, attributes: true});
"""


def test_progress_never_goes_back(tab: Tab, service: ShelfService):
    """A short document that ends first stays counted in how far all are, and what waits is not said to be read."""
    service.most_pages = 0
    page = tab.goto()
    page.evaluate(PROGRESS)
    add(page, recipe("short.pdf", 1), recipe("long.pdf", 4))
    expect(row(page, "long.pdf").locator(".row-status")).to_have_text("Waiting to be read, 4 pages")
    for done in (1, 2, 3):  # the short one has ended with the first
        service.most_pages = done
        expect(row(page, "long.pdf").locator(".row-status")).to_have_text(f"Reading page {done + 1} of 4")
    service.most_pages = None
    expect(page.locator("#activity")).to_be_hidden()
    bars = page.evaluate("window.bars")
    done, most = [value for value, _ in bars], [most for _, most in bars]
    assert max(most) == 5, bars
    assert done == sorted(done) and most == sorted(most), bars


def test_names_on_a_narrow_window(tab: Tab, shelf: ShelfService):
    """A long name is one line of a pill; the product's name stays in one piece, and gives way while pages are read."""
    shelf.put("a card whose name is a whole description of what it says " * 3 + ".pdf", ["Gate."])
    shelf.most_pages = 2
    page = tab.goto()
    page.set_viewport_size({"width": 360, "height": 740})
    page.locator("#q").fill("card whose")
    pill = page.locator(".named-line a")
    assert pill.bounding_box()["height"] < 40
    line = page.locator(".brand-word").evaluate("word => parseFloat(getComputedStyle(word).lineHeight)")
    assert page.locator(".brand-word").bounding_box()["height"] < 1.5 * line
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) <= 360
    content = json.dumps({"pages": [f"Page {n}" for n in range(5)]}).encode()
    page.set_input_files("#file-chooser", {"name": "new.pdf", "mimeType": "application/pdf", "buffer": content})
    expect(page.locator("#activity")).to_be_visible()
    assert page.evaluate(wide) <= 360
