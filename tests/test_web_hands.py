"""The web page in Chromium: a page turned, moved and made larger by hand; text copied with where it stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from index.types import VisionFormat
from tests.browser_kit import Tab
from tests.web_kit import ShelfService

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser

CLAUSE = "The tenant shall keep the fences in good repair."
SCROLLED = "node => [node.scrollLeft, node.scrollTop]"


@pytest.fixture
def lease(service: ShelfService) -> str:
    return service.put("lease 1911.pdf", [f"# Lease\n\n{CLAUSE}\n\nThe rent is nine pounds.", "Signed."])


@pytest.fixture
def page(tab: Tab, lease: str) -> Page:
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown = tab.goto(f"#/doc/{lease}/page/1?q=fences")
    expect(shown.locator(".page-sheet img")).to_be_visible()
    return shown


def copied(page: Page) -> str:
    return page.evaluate("navigator.clipboard.readText()")


def middle(box: dict) -> tuple[float, float]:
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_page_is_turned(page: Page, lease: str):
    """By quarters, marks and all; what is pointed at is found under the pointer, and the next page lies as well."""
    sheet = page.locator(".page-sheet")
    before, mark = sheet.bounding_box(), middle(page.locator(".marks rect").first.bounding_box())
    at = [(mark[0] - before["x"]) / before["width"], (mark[1] - before["y"]) / before["height"]]
    page.keyboard.press("r")
    lying, mark = sheet.bounding_box(), middle(page.locator(".marks rect").first.bounding_box())
    assert lying["width"] / lying["height"] == pytest.approx(before["height"] / before["width"], abs=0.02)
    turned = [(mark[0] - lying["x"]) / lying["width"], (mark[1] - lying["y"]) / lying["height"]]
    assert turned == pytest.approx([1 - at[1], at[0]], abs=0.01)
    page.mouse.move(*mark)
    expect(page.locator(".block.lit")).to_contain_text("fences")
    page.get_by_role("button", name="Next page").click()
    expect(page.locator(".page-text")).to_contain_text("Signed.")
    assert sheet.bounding_box()["width"] > sheet.bounding_box()["height"]
    for _ in range(3):
        page.get_by_role("button", name="Turn the page").click()
    assert sheet.bounding_box()["width"] < sheet.bounding_box()["height"]


def test_a_large_page_is_moved_with_the_mouse(page: Page):
    """Double click comes closer to the place, which stays under the pointer; a move is no click; another fits again."""
    stage, sheet = page.locator(".stage"), page.locator(".page-sheet")
    fitted = sheet.bounding_box()
    page.mouse.dblclick(fitted["x"] + fitted["width"] / 2, fitted["y"] + fitted["height"] / 2)
    large = sheet.bounding_box()
    assert large["width"] == pytest.approx(2 * fitted["width"], abs=2)
    left, top = stage.evaluate(SCROLLED)
    x, y = middle(stage.bounding_box())
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 60, steps=3)
    page.mouse.up()
    assert stage.evaluate(SCROLLED) == pytest.approx([left, top + 60], abs=1)
    page.mouse.dblclick(x, y)
    assert sheet.bounding_box()["width"] == pytest.approx(fitted["width"], abs=1)


def test_text_is_copied_with_where_it_stands(page: Page, lease: str, tab: Tab):
    """All of a page, or what is selected, whose address opens it with that place marked."""
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator("#viewer [data-live]")).to_contain_text("Text of the page copied")
    assert copied(page).startswith("Lease")
    assert copied(page).endswith(f"lease 1911.pdf, page 1 of 2\n{tab.base}/#/doc/{lease}/page/1")
    page.evaluate("getSelection().selectAllChildren(document.querySelectorAll('.page-text .block')[1])")
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator("#viewer [data-live]")).to_contain_text("Selected text copied")
    quote, place, url = copied(page).replace("\n\n", "\n").split("\n")
    assert (quote, place) == (f"“{CLAUSE}”", "lease 1911.pdf, page 1 of 2")
    page.goto(url)
    expect(page.locator(".page-text mark")).to_have_text(CLAUSE.rstrip("."))


def test_an_answer_is_copied_with_its_sources(tab: Tab, service: ShelfService, lease: str):
    """Question, answer, and under each number its quote, page and address. A check is offered where pages can be read
    again, and nowhere else.
    """
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    with tab.page.expect_response("**/pages/1?words=false"):  # whether it could be checked
        page = tab.goto("?q=Who keeps the fences in good repair?")
    page.get_by_role("button", name="Copy with sources").click()
    expect(page.locator("#live")).to_have_text("Answer copied, with its sources")
    lines = copied(page).split("\n\n")
    assert lines[0] == "Who keeps the fences in good repair?"
    assert lines[2] == f"[1] “{CLAUSE}”"
    assert lines[3].startswith(f"lease 1911.pdf, page 1\n{tab.base}/#/doc/{lease}/page/1?at=")
    check = page.get_by_role("button", name="Check the quotes on the page image")
    expect(check).to_have_count(0)
    service.vision = VisionFormat("deepseek-ocr", "abc", "base", (0, 0), (1240, 1754))
    tab.goto("?q=Who shall keep the fences in good repair?")
    expect(check).to_be_visible()


def test_the_text_of_a_folder_is_downloaded(tab: Tab, service: ShelfService, monkeypatch: pytest.MonkeyPatch):
    """As a file of JSON Lines, with what the service sends for that folder."""
    letter, _ = (service.put(name, [f"Text of {name}"]) for name in ("a.pdf", "b.pdf"))
    service.put_archive("Letters", [("1911/a.pdf", letter)], [])
    asked = []

    def export(_tenant, where):
        asked.append(where.folder)
        return iter([service.page("default", letter, 1)[1]])

    monkeypatch.setattr(service, "export", export, raising=False)
    page = tab.goto("?in=Letters/1911")
    with page.expect_download() as begun:
        page.get_by_role("button", name="Download text").click()
    assert begun.value.suggested_filename == "1911.jsonl"
    assert json.loads(Path(begun.value.path()).read_text())["text"] == "Text of a.pdf"
    assert asked == ["Letters/1911"]
