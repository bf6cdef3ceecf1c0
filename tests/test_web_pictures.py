"""The web page in Chromium: pictures that could not be had are asked for again, and come."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from playwright.sync_api import Route, expect

from tests.browser_kit import Tab
from tests.web_kit import ShelfService

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser

IMAGE = re.compile(r"/pages/\d+/image")


def test_a_picture_that_was_refused_comes_later(tab: Tab, service: ShelfService):
    """As when the key's requests of this minute are used up: in a list, in a result with its strip, and whole."""
    document_id = service.put("minutes.pdf", ["The quay was mended."])
    asked: Counter[str] = Counter()
    tab.expected = ("status of 429",)

    def refuse_once(route: Route) -> None:
        asked[route.request.url] += 1
        if asked[route.request.url] == 1:
            route.fulfill(status=429, headers={"Retry-After": "1"})
        else:
            route.continue_()

    tab.page.route(IMAGE, refuse_once)
    page = tab.goto()
    row = page.locator("#documents .thumb img")
    expect(row).to_have_class("missing")
    expect(row).to_have_class("loaded")
    tab.goto("?q=quay")
    expect(page.locator(".hit .thumb img")).to_have_class("loaded")
    expect(page.locator(".hit .strip img")).to_have_class("loaded")
    expect(page.locator(".hit .strip")).to_be_visible()
    asked.clear()
    tab.goto(f"#/doc/{document_id}/page/1")
    expect(page.locator(".page-sheet.missing")).to_be_visible()
    expect(page.locator(".page-sheet img")).to_be_visible()
    expect(page.locator(".page-sheet.missing")).to_have_count(0)
    assert set(asked.values()) == {2}
