"""The web page in Chromium: what others add and delete, and what is heard and seen while much comes in."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser_kit import Tab
from tests.test_web_strict import HEARD
from tests.test_web_upload import add, recipe, row
from tests.web_kit import ShelfService

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser

GLANCE_MS = 10_000
TOGETHER_MS = 5_000


def at_my_own_time(tab: Tab, address: str = "") -> Page:
    """The page, with timers that a test can hasten."""
    tab.page.clock.install()
    return tab.goto(address)


def test_what_others_add_and_delete_is_seen(tab: Tab, service: ShelfService):
    """From a terminal, say, or in a window beside this one: the list follows, without a reload and silently."""
    kept = service.put("kept.pdf", ["Kept."])
    page = at_my_own_time(tab)
    expect(page.locator("#documents .row")).to_have_count(1)
    page.evaluate(HEARD, "#live")
    late = service.put("late.pdf", ["Late."])
    page.clock.run_for(GLANCE_MS)
    expect(page.locator("#documents .row .name")).to_have_text(["late.pdf", "kept.pdf"])
    expect(page.locator("#library-count")).to_have_text("2 documents, 2 pages read")
    service.delete("default", kept)
    page.clock.run_for(GLANCE_MS)
    expect(page.locator("#documents .row .name")).to_have_text(["late.pdf"])
    service.delete("default", late)
    service.put("another.pdf", ["Another."])
    page.clock.run_for(GLANCE_MS)
    expect(page.locator("#documents .row .name")).to_have_text(["another.pdf"])
    assert page.evaluate("() => window.heard") == []


def test_reading_is_followed_while_files_keep_coming(tab: Tab, service: ShelfService):
    """Each that comes draws the list anew, and none puts off the next look at what is being read."""
    tab.expected = ("net::ERR_FAILED",)
    tab.context.route("**/events", lambda route: route.abort())
    service.most_pages = 0
    page = at_my_own_time(tab)
    add(page, recipe("first.pdf"))
    expect(row(page, "first.pdf")).to_be_visible()
    page.clock.pause_at(datetime.now() + timedelta(minutes=1))
    with page.expect_request(re.compile(r"documents\?limit=20\b"), timeout=5_000):
        for number in range(4):
            page.clock.run_for(700)
            add(page, recipe(f"next-{number}.pdf"))
            expect(row(page, f"next-{number}.pdf")).to_be_visible()


@pytest.mark.parametrize("broken", [False, True], ids=["read", "failed"])
def test_many_outcomes_are_heard_together(tab: Tab, service: ShelfService, broken: bool):
    """The first with its name; then how many more there were, not hundreds of sentences one after the other."""
    page = at_my_own_time(tab)
    page.evaluate(HEARD, "#live")
    files = [recipe(f"deed {number}.pdf") for number in range(8)]
    if broken:
        files = [{**file, "buffer": f"no scan {number}".encode()} for number, file in enumerate(files)]
    add(page, *files)
    state = "failed" if broken else "done"
    expect(page.locator(f"#documents .row[data-state={state}]")).to_have_count(8)
    page.clock.run_for(TOGETHER_MS)
    expect(page.locator("#live")).to_contain_text("more documents")
    page.clock.run_for(TOGETHER_MS)
    told = [said for said in page.evaluate("() => window.heard") if said.startswith("deed") or "more document" in said]
    assert re.match(r"deed \d\.pdf: Could not" if broken else r"deed \d\.pdf: 1 page$", told[0])
    many = re.compile(r"(\d) more documents " + (r"could not be read\." if broken else r"were read\.$"))
    assert sum(int(found[1]) if (found := many.match(said)) else 1 for said in told) == 8
    assert len(told) < 5  # two, unless this machine takes seconds for a file
