"""The web page in Chromium, on paper: printed to PDF and read back."""

from __future__ import annotations

import pymupdf
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser_kit import Tab, open_tab
from tests.web_kit import ShelfService

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser

LONG = "\n\n".join(f"Entry {n}. The keeper of the light was paid on the {n}th." for n in range(60))


def printed(page: Page) -> pymupdf.Document:
    return pymupdf.open(stream=page.pdf(format="A4"), filetype="pdf")


def test_results_without_controls(tab: Tab, service: ShelfService):
    """What was found is on the paper; fields, filters and buttons are not."""
    service.put("lamp.pdf", ["The keeper of the light."])
    page = tab.goto("?q=keeper")
    expect(page.locator(".hit .thumb img.loaded")).to_have_count(1)
    text = printed(page)[0].get_text()
    assert "lamp.pdf" in text and "The keeper of the light." in text
    assert "Any folder" not in text and "Ask" not in text and "Add" not in text


def test_an_answer_with_its_question(tab: Tab, service: ShelfService):
    """What was asked is on the paper with the answer and its source, though the field is not."""
    service.put("lamp.pdf", ["Ada Quill was the keeper of the light."])
    page = tab.goto("?q=Who was the keeper of the light?")
    expect(page.locator(".evidence .strip img.loaded")).to_have_count(1)
    text = printed(page)[0].get_text()
    assert text.count("Who was the keeper of the light?") == 1
    assert text.index("Who was the keeper") < text.index("Ada Quill was") < text.index("lamp.pdf")
    assert "Show on the page" not in text


def test_an_open_page_is_one_sheet(tab: Tab, service: ShelfService):
    """The picture is whole on the first sheet, with name and number; the text follows, or not at all."""
    lamp = service.put("lamp.pdf", ["First.", LONG])
    page = tab.goto(f"#/doc/{lamp}/page/2")
    expect(page.locator(".page-sheet:not(.loading) img")).to_be_visible()
    paper = printed(page)
    first = paper[0]
    assert "lamp.pdf, page 2" in first.get_text()
    (picture,) = [first.get_image_bbox(image) for image in first.get_images(full=True)]
    assert first.rect.contains(picture) and picture.height > first.rect.height / 2
    text = "".join(sheet.get_text() for sheet in paper)
    assert "Entry 59." in text and "of 2" not in first.get_text()
    page.keyboard.press("t")
    assert len(printed(page)) == 1


def test_dark_windows_print_dark_ink(browser: Browser, site: str, service: ShelfService):
    """The letters on paper are dark, whatever the system's colours are."""
    service.put("lamp.pdf", ["The keeper of the light."])
    with open_tab(browser, site, color_scheme="dark") as tab:
        page = tab.goto("?q=keeper")
        expect(page.locator(".hit .thumb img.loaded")).to_have_count(1)
        blocks = printed(page)[0].get_text("dict")["blocks"]
        spans = [span for block in blocks for line in block.get("lines", []) for span in line["spans"]]
        inks = {span["color"] for span in spans if "lamp.pdf" in span["text"]}
        assert inks and all(max(ink >> 16, ink >> 8 & 255, ink & 255) < 0x60 for ink in inks), inks
