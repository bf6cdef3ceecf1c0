"""The web page in Chromium: documents in another order, by folder, and what could not be read; how far all are."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Page, expect

from index.types import Origin
from tests.browser_kit import Tab
from tests.test_web_named import NAMED
from tests.web_kit import ShelfService

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser


@pytest.fixture
def shelf(service: ShelfService) -> ShelfService:
    """Deeds in two boxes, numbered to ten; one lies in an archive, one is broken."""
    for number in (10, 9, 2):
        deed = service.put(f"deed {number}.pdf", [f"Deed {number}."] * (2 if number == 9 else 1))
        service._shelf[deed].origins = (Origin(None, f"Estate/Box {number}/deed {number}.pdf"),)
    inside = service.put("rents.pdf", ["Rents of the farm."])
    service.put_archive("farm.zip", [("1902/rents.pdf", inside)], [])
    service.put("torn.pdf", ["Torn.", "Whole."], broken=frozenset({1}))
    return service


def names(page: Page):
    return page.locator(f"{NAMED} .row-title")


def test_down_the_folders_and_back(tab: Tab, shelf: ShelfService):
    """Folders lead to what lies in them, archives too; the address keeps the place, for Back, a reload and a search."""
    page = tab.goto()
    folders = page.locator("#browse .folder")
    expect(folders).to_have_text(["Estate3", "farm.zip1"])
    folders.filter(has_text="Estate").click()
    expect(page.locator("#named-note")).to_have_text("3 documents in Estate")
    expect(folders).to_have_text(["Box 21", "Box 91", "Box 101"])
    expect(folders.first).to_be_focused()
    page.keyboard.press("Enter")
    expect(names(page)).to_have_text(["deed 2.pdf"])
    expect(page.locator("#browse [aria-current]")).to_have_text("Box 2")
    page.reload()
    expect(names(page)).to_have_text(["deed 2.pdf"])
    page.go_back()
    expect(names(page)).to_have_count(3)
    page.locator("#browse").get_by_role("button", name="All folders").click()
    expect(page.locator("#documents .row").first).to_be_visible()
    folders.filter(has_text="farm.zip").click()
    expect(names(page)).to_have_text(["rents.pdf"])
    page.get_by_role("button", name="Search in this folder").click()
    expect(page.locator("#f-folder")).to_have_value("farm.zip")
    expect(page.locator("#q")).to_be_focused()
    page.goto(f"{tab.base}/?in=Nowhere")
    expect(page.locator("#named-note")).to_have_text("There is nothing in Nowhere.")


def test_in_another_order(tab: Tab, shelf: ShelfService):
    """By name with numbers by their value, by pages; a row's own folder leads there and keeps the order."""
    page = tab.goto()
    page.get_by_label("Order of the documents").select_option("By name")
    expect(names(page)).to_have_text(["deed 2.pdf", "deed 9.pdf", "deed 10.pdf", "farm.zip", "torn.pdf"])
    page.get_by_label("Order of the documents").select_option("Most pages first")
    for first in range(2):
        expect(names(page).nth(first)).to_have_text(re.compile("deed 9|torn"))
    page.get_by_role("button", name="Estate / Box 9").click()
    expect(names(page)).to_have_text(["deed 9.pdf"])
    expect(page.get_by_label("Order of the documents")).to_have_value("pages")


def test_only_what_could_not_be_read(tab: Tab, shelf: ShelfService):
    """It is told apart from a list of nothing, and follows what is read again."""
    for number in range(4):
        shelf.put(f"fine {number}.pdf", ["Fine."])
    page = tab.goto()
    page.get_by_label("Only what could not be read").check()
    expect(page.locator("#named-note")).to_have_text("1 document that could not be read whole")
    expect(names(page)).to_have_text(["torn.pdf"])
    page.locator("#named").fill("deed")
    expect(page.locator("#named-note")).to_contain_text("among those that could not be read whole has “deed”")
    page.goto(f"{tab.base}/?unread=1&in=Estate")
    expect(page.locator("#named-note")).to_have_text("Everything in Estate could be read, or is still to be read.")


def test_progress_counts_what_is_not_listed(tab: Tab, service: ShelfService, monkeypatch: pytest.MonkeyPatch):
    """After a reload most of what is being read stands further down than is listed: all of it is told."""
    for number in range(51):
        service.put(f"{number}.pdf", ["Text."])
    counts = service.counts("default")
    told = [type(counts)(900, 100, 0), 2]
    monkeypatch.setattr(service, "reading", lambda _tenant: tuple(told))
    page = tab.goto()
    expect(page.locator(".activity-text")).to_have_text("900 pages to read, 2 files to open")
    told[:] = [type(counts)(1, 999, 0), 0]
    expect(page.locator(".activity-text")).to_have_text("1 page to read")
    bar = page.locator("#activity progress")
    assert bar.evaluate("node => [node.value, node.max]") == [899, 900]
    told[:] = [counts, 0]
    expect(page.locator("#activity")).to_be_hidden()


def test_what_is_read_in_a_folder_is_followed(tab: Tab, service: ShelfService):
    """Files of an archive too, which the list of all documents does not have."""
    tab.page.clock.install()
    service.most_pages = 0
    inside = service.put("rents.pdf", ["Rents.", "More."], page_s=0.01, since=time.monotonic())
    service.put_archive("farm.zip", [("1902/rents.pdf", inside)], [])
    page = tab.goto("?in=farm.zip")
    status = page.locator(f"{NAMED} .row-status")
    expect(status).to_have_text(["Waiting to be read, 2 pages"])
    service.most_pages = None
    page.clock.run_for(3_500)
    expect(status).to_have_text(["2 pages"])


def test_reading_a_file_of_an_archive_again_lists_it_nowhere_else(tab: Tab, service: ShelfService):
    """It stays in the folder, and does not come among the documents that were sent in."""
    inside = service.put("rents.pdf", ["Rents.", "More."], broken=frozenset({2}))
    service.put_archive("farm.zip", [("1902/rents.pdf", inside)], [])
    page = tab.goto("?in=farm.zip")
    page.locator(NAMED).get_by_role("button", name="Read again").click()
    expect(page.locator(f"{NAMED} .row-status")).to_have_text(["2 pages"])
    expect(page.locator("#documents .row .name")).to_have_text(["farm.zip"])
