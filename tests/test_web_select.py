"""The web page in Chromium: several documents chosen and deleted together."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from index.errors import Unavailable
from tests.browser_kit import Tab
from tests.test_web_upload import row
from tests.web_kit import ShelfService

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser


@pytest.fixture
def shelf(service: ShelfService) -> ShelfService:
    for number in range(9):
        service.put(f"card {number}.pdf", [f"Entry {number}."])
    service.put("letter.pdf", ["Dear Sir."])
    return service


def bar(page: Page):
    return page.get_by_role("group", name="Selected documents")


def start(tab: Tab) -> Page:
    page = tab.goto()
    page.get_by_role("button", name="Select", exact=True).click()
    expect(bar(page)).to_contain_text("Tick the documents that are meant")
    return page


def test_some_are_deleted_together(tab: Tab, shelf: ShelfService):
    """Ticked by keyboard, asked once with their names, told once; the others stay and the focus is not lost."""
    page = start(tab)
    expect(bar(page).get_by_role("button", name="Delete")).to_be_disabled()
    page.get_by_label("Select card 3.pdf").focus()
    page.keyboard.press("Space")
    page.get_by_label("Select card 5.pdf").check()
    expect(bar(page)).to_contain_text("2 documents selected")
    bar(page).get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog", name="Delete 2 documents?")
    expect(dialog.get_by_role("listitem")).to_have_text(["card 5.pdf", "card 3.pdf"])
    dialog.get_by_role("button", name="Keep them").click()
    expect(page.locator("#documents .row")).to_have_count(10)
    expect(bar(page)).to_contain_text("2 documents selected")
    bar(page).get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete", exact=True).click()
    told = page.get_by_role("dialog", name="2 documents deleted")
    expect(told).to_contain_text("Nothing of them")
    told.get_by_role("button", name="Close").click()
    expect(page.locator("#documents .row")).to_have_count(8)
    expect(page.locator("#library-count")).to_have_text("8 documents, 8 pages read")
    expect(page.get_by_role("button", name="Select", exact=True)).to_be_focused()
    expect(bar(page)).to_be_hidden()
    assert len(shelf.documents("default")[0]) == 8


def test_all_of_a_name(tab: Tab, shelf: ShelfService):
    """Found by name and selected at once: what the other list hides is not deleted unseen."""
    page = start(tab)
    page.get_by_label("Select letter.pdf").check()
    page.get_by_label("Find a document by its name or folder").fill("card")
    expect(page.locator("#named-documents .row")).to_have_count(9)
    expect(bar(page)).to_contain_text("Tick the documents")
    bar(page).get_by_role("button", name="Select all listed").click()
    expect(bar(page)).to_contain_text("9 documents selected")
    bar(page).get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_contain_text("and 1 more")
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#named-note")).to_contain_text("No document has “card”")
    page.get_by_label("Find a document by its name or folder").press("Escape")
    expect(page.locator("#documents .row")).to_have_count(1)
    expect(row(page, "letter.pdf")).to_be_visible()


def test_one_that_cannot_be_deleted_stays(tab: Tab, shelf: ShelfService, monkeypatch: pytest.MonkeyPatch):
    """It keeps its row and is named with the reason; the others are gone."""
    tab.expected = ("503",)
    delete, kept = shelf.delete, shelf.find("card 1.pdf")

    def unwilling(tenant, document_id):
        if document_id == kept:
            raise Unavailable("The index is busy.")
        return delete(tenant, document_id)

    monkeypatch.setattr(shelf, "delete", unwilling)
    page = start(tab)
    for name in ("card 0.pdf", "card 1.pdf", "card 2.pdf"):
        page.get_by_label(f"Select {name}").check()
    bar(page).get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    told = page.get_by_role("dialog", name="Not everything was deleted")
    expect(told).to_contain_text("2 of 3")
    expect(told).to_contain_text("card 1.pdf – The index is busy.")
    told.get_by_role("button", name="Close").click()
    expect(page.locator("#documents .row")).to_have_count(8)
    expect(row(page, "card 1.pdf")).to_be_visible()


def test_done_leaves_nothing_ticked(tab: Tab, shelf: ShelfService):
    """The boxes go and forget; rows have their own buttons again."""
    page = start(tab)
    expect(row(page, "letter.pdf").get_by_role("button", name="Delete")).to_be_hidden()
    page.get_by_label("Select letter.pdf").check()
    bar(page).get_by_role("button", name="Done").click()
    expect(page.get_by_label("Select letter.pdf")).to_be_hidden()
    expect(row(page, "letter.pdf").get_by_role("button", name="Delete")).to_be_visible()
    page.get_by_role("button", name="Select", exact=True).click()
    expect(page.get_by_label("Select letter.pdf")).not_to_be_checked()


def test_on_a_narrow_window(tab: Tab, shelf: ShelfService):
    """The bar stays in sight below the top while the list is scrolled, and nothing is wider than 360 pixels."""
    page = start(tab)
    page.set_viewport_size({"width": 360, "height": 740})
    page.get_by_label("Select card 0.pdf").check()
    page.mouse.wheel(0, 600)
    top, held = page.locator(".top").bounding_box(), bar(page).bounding_box()
    assert held["y"] >= top["y"] + top["height"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
