"""The web page in Chromium: the focus of a keyboard is never lost with what is pressed, or with what goes."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser_kit import Tab, turn
from tests.test_web_upload import add, recipe, row
from tests.web_kit import ShelfService

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser


def press(page: Page, name: str) -> None:
    """With the keyboard."""
    control = page.get_by_role("button", name=name, exact=True)
    control.focus()
    page.keyboard.press("Enter")


def test_turning_to_the_last_page_leaves_the_keys(tab: Tab, service: ShelfService):
    """The button that led there turns no further, and stays where the keyboard is."""
    document = service.put("ledger.pdf", ["One.", "Two.", "Three."])
    page = tab.goto(f"#/doc/{document}/page/2")
    expect(page.locator(".page-text")).to_contain_text("Two.")
    press(page, "Next page")
    expect(page.locator(".page-text")).to_contain_text("Three.")
    following = page.get_by_role("button", name="Next page")
    expect(following).to_have_attribute("aria-disabled", "true")
    expect(following).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".page-text")).to_contain_text("Two.")


def test_a_row_that_goes_hands_the_focus_on(tab: Tab, service: ShelfService):
    """To the next one, behind the receipt of a deletion; and to the other control of a file that was not added."""
    tab.expected = ("413",)
    for name in ("first.pdf", "second.pdf", "third.pdf"):
        service.put(name, ["x"])
    page = tab.goto()
    press(page, "Delete second.pdf")
    page.get_by_role("button", name="Delete", exact=True).press("Enter")
    page.get_by_role("button", name="Close", exact=True).press("Enter")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(row(page, "first.pdf").locator(".row-link")).to_be_focused()
    huge = {"name": "huge.pdf", "mimeType": "application/pdf", "buffer": b"%PDF" + bytes(300_000)}
    add(page, huge, {**huge, "name": "vast.pdf"})
    expect(page.get_by_role("button", name="Hide vast.pdf")).to_be_visible()
    press(page, "Hide huge.pdf")
    expect(page.get_by_role("button", name="Hide vast.pdf")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_reading_again_keeps_it_in_the_row(tab: Tab, service: ShelfService):
    """The button goes with the failure."""
    service.put("torn.pdf", ["One.", "Two."], broken=frozenset({2}))
    page = tab.goto()
    press(page, "Read again")
    expect(row(page, "torn.pdf").locator(".row-status")).to_have_text("2 pages")
    expect(row(page, "torn.pdf").locator(".row-link")).to_be_focused()


def test_a_password_from_the_row_keeps_it_there(tab: Tab, service: ShelfService):
    """The button that asked for it goes when the document is opened."""
    page = tab.goto()
    add(page, recipe("will.pdf", 1, password="ellery"))
    expect(row(page, "will.pdf").locator(".row-problem")).to_contain_text("protected")
    add(page, recipe("above.pdf"))  # what is sent again comes on top of it
    expect(row(page, "above.pdf").locator(".row-status")).to_have_text("1 page")
    press(page, "Enter the password")
    page.keyboard.type("ellery")
    page.keyboard.press("Enter")
    expect(row(page, "will.pdf").locator(".row-status")).to_have_text("1 page")
    expect(row(page, "will.pdf").locator(":focus")).to_have_count(1)


def test_a_failure_that_is_mended_leaves_it_in_its_section(tab: Tab, service: ShelfService):
    """How things stand: the row is gone, and what follows is reached from where it was."""
    tab.page.clock.install()
    service.put("torn.pdf", ["One.", "Two."], broken=frozenset({2}))
    service.put("worn.pdf", ["One."], broken=frozenset({1}))
    page = tab.goto("#/admin")
    press(page, "Read torn.pdf again")
    expect(page.locator(".fact.failures")).not_to_contain_text("torn.pdf")
    expect(page.locator(".fact.failures :focus")).to_have_count(1)


def test_filters_and_tips_that_go_leave_it_beside_what_came(tab: Tab, service: ShelfService):
    """Without the filters: in the filters, on the first result, or in the field for more."""
    service.put("lamp.pdf", ["Ada Quill was the keeper of the light."])
    page = tab.goto("?q=keeper&type=application/pdf")
    expect(page.locator(".hit")).to_have_count(1)
    press(page, "Clear filters")
    expect(page.locator("#filters :focus")).to_have_count(1)
    tab.goto("?q=keeper&type=image/webp")
    press(page, "Search all documents")
    expect(page.locator(".hit-link")).to_be_focused()
    tab.goto("?q=Who was the keeper of the light?&type=image/webp")
    press(page, "Ask all documents")
    expect(turn(page, 1).locator(".evidence-link")).to_be_visible()
    expect(page.locator("#answer :focus")).to_have_count(1)


def test_asking_again_leaves_it_in_the_conversation(tab: Tab, service: ShelfService):
    """On the button that stops it, and in the field for more at the end."""
    service.put("lamp.pdf", ["Ada Quill was the keeper of the light."])
    service.most_words = 2
    page = tab.goto("?q=Who was the keeper of the light?")
    expect(turn(page, 1).locator(".answer-text")).to_contain_text("Ada")
    press(page, "Stop")
    press(page, "Ask again")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_focused()
    service.most_words = None
    expect(turn(page, 1).locator(".evidence-link")).to_be_visible()
    expect(page.get_by_label("Ask a follow-up question")).to_be_focused()
