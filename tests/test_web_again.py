"""The web page in Chromium: reading a page again, and finding words on its picture, from vision tokens."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from index.errors import Conflict
from index.types import ReadingMark, VisionFormat
from tests.browser_kit import Tab
from tests.web_kit import ShelfService
from worker.engine.engine import Finish
from worker.engine.prompts import Task

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser

PAGES = ["# Harbour Board\n\nThe north quay was let for 412 pounds. The quay is closed.", "# Second\n\nNothing more."]


@pytest.fixture
def letter(service: ShelfService) -> str:
    """A document whose pages have vision tokens."""
    service.vision = VisionFormat("deepseek-ocr", "abc", "base", (0, 0), (1240, 1754))
    return service.put("letter.pdf", PAGES)


def test_a_page_without_tokens_has_no_panel(tab: Tab, service: ShelfService):
    """Nothing is offered that the page cannot do."""
    document = service.put("letter.pdf", PAGES)
    page = tab.goto(f"#/doc/{document}/page/1")
    expect(page.locator(".page-text")).to_contain_text("412 pounds")
    expect(page.locator(".again")).to_be_hidden()


def test_reading_again_with_the_keyboard(tab: Tab, service: ShelfService, letter: str):
    """The panel opens, a task is chosen and asked for without a mouse; what was stored stays beside it."""
    page = tab.goto(f"#/doc/{letter}/page/1")
    summary = page.locator(".again summary")
    expect(summary).to_contain_text("deepseek-ocr · base · 256 tokens")
    summary.focus()
    page.keyboard.press("Enter")
    page.locator("#again-task").focus()
    page.keyboard.press("c")  # Charts and drawings
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".again-text")).to_contain_text("a bar chart of dues")
    assert [prompt.task for prompt in service.prompts] == [Task.FIGURE]
    expect(page.locator(".page-text")).to_contain_text("412 pounds")
    expect(page.locator(".again-out")).to_be_focused()


def test_words_are_marked_on_the_picture(tab: Tab, service: ShelfService, letter: str):
    """Each place has its box; typing does not turn pages; the boxes go with the page."""
    page = tab.goto(f"#/doc/{letter}/page/1")
    page.locator(".again summary").click()
    page.locator("#again-phrase").press_sequentially("quay n p")
    page.keyboard.press("Enter")
    expect(page.locator(".page-sheet .found rect")).to_have_count(2)
    expect(page.locator(".again-out")).to_contain_text("2 places marked")
    assert service.prompts[0].argument == "quay n p"
    page.locator("#again-phrase").fill("nowhere")
    page.locator("#again-phrase").press("Enter")
    expect(page.locator(".again-out")).to_contain_text("not found on this page")
    expect(page.locator(".page-sheet .found")).to_have_count(0)
    page.get_by_role("button", name="Next page").click()
    expect(page.locator("#page-number")).to_have_value("2")
    expect(page.locator(".again-out")).to_be_hidden()


def test_what_was_asked_of_another_page_does_not_arrive(tab: Tab, service: ShelfService, letter: str):
    """Turning the page while it is read again: the late answer is dropped."""
    service.held.add("describe")
    page = tab.goto(f"#/doc/{letter}/page/1")
    page.locator(".again summary").click()
    page.locator(".again").get_by_role("button", name="Read").click()
    expect(page.locator(".again-out")).to_contain_text("Reading")
    page.get_by_role("button", name="Next page").click()
    expect(page.locator("#page-number")).to_have_value("2")
    service.held.clear()
    page.wait_for_timeout(900)
    expect(page.locator(".again-out")).to_be_hidden()
    expect(page.locator(".again").get_by_role("button", name="Read")).to_be_enabled()


def test_refusals_and_doubts_are_told(tab: Tab, service: ShelfService, letter: str):
    """The service's sentence where it cannot; a warning where the text has no end; marks of the stored reading."""
    tab.expected = ("409",)
    service.marks = (ReadingMark.CUT_OFF,)
    service.decode_error = Conflict("These vision tokens were made by other weights.", code="wrong_tokens")
    page = tab.goto(f"#/doc/{letter}/page/1")
    expect(page.locator(".page-note")).to_contain_text("The end is missing")
    page.locator(".again summary").click()
    page.locator(".again").get_by_role("button", name="Read").click()
    expect(page.locator(".again-out .failure")).to_have_text("These vision tokens were made by other weights.")
    service.decode_error, service.finish = None, Finish.LOOP
    page.locator(".again").get_by_role("button", name="Read").click()
    expect(page.locator(".again-out .hint")).to_contain_text("began to repeat itself")
