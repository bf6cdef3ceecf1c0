"""The web page in Chromium: what is found by meaning alone, quotes over lines, scripts from right to left, and pages
that are not there (any more).
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from tests.browser_kit import Tab
from tests.web_kit import ShelfService

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser

FILL = "e => getComputedStyle(e).fill"


@pytest.fixture
def shelf(service: ShelfService, monkeypatch: pytest.MonkeyPatch) -> ShelfService:
    """A search finds pages with the word, and behind them one that only means it: a passage, and no word of it."""
    service.put("quay.pdf", ["The quay is closed until May."])
    service.put("quay again.pdf", ["The quay is open."])
    service.put("mole.pdf", ["The mole is closed."])
    search = service.search

    def by_meaning_too(tenant, query, *args, **kwargs):
        found = search(tenant, query, *args, **kwargs)
        other = search(tenant, "mole", *args, **kwargs)
        snippets = tuple(replace(one, highlights=()) for one in other.hits[0].snippets)
        meant = replace(other.hits[0], snippets=snippets)
        return replace(found, hits=(*found.hits, meant))

    monkeypatch.setattr(service, "search", by_meaning_too)
    return service


def test_pages_found_by_meaning_alone_say_so(tab: Tab, shelf: ShelfService):
    """They are counted, named and marked otherwise than pages that have the words."""
    page = tab.goto("?q=quay")
    expect(page.locator("#summary")).to_contain_text("Best 3 pages of 3 pages searched, 1 of them by meaning alone")
    related = page.locator(".hit", has_text="Related in meaning")
    expect(related.locator(".hit-link")).to_have_text(["mole.pdfpage 1"])
    exact = page.locator(".hit:not(.related) .strip .marks rect").first
    assert related.locator(".strip .marks rect").first.evaluate(FILL) != exact.evaluate(FILL)


def test_all_by_meaning_is_said(tab: Tab, shelf: ShelfService):
    """No page has the word: nobody looks for it in vain."""
    page = tab.goto("?q=lighthouse")
    expect(page.locator("#summary")).to_contain_text("Best 1 page of 3 pages searched, all by meaning alone")


def test_a_quote_is_not_told_twice(tab: Tab, service: ShelfService, monkeypatch: pytest.MonkeyPatch):
    """A quote that ran over lines of its page is the answer's sentence; only another one is shown beside its source."""
    service.put("lease.pdf", ["The rent of the field is four pounds."])
    ask = service.ask

    def over_lines(*args, **kwargs):
        answer = ask(*args, **kwargs)
        quotes = tuple(replace(one, quote=one.quote.replace(" field ", "\nfield ")) for one in answer.citations)
        return replace(answer, citations=quotes)

    monkeypatch.setattr(service, "ask", over_lines)
    page = tab.goto("?q=What is the rent of the field?")
    expect(page.locator(".evidence li")).to_have_count(1)
    expect(page.locator(".answer-text")).to_contain_text("four pounds")
    expect(page.locator(".evidence .quote")).to_have_count(0)


ARABIC = "شهادة ميلاد فاطمة"


def test_each_line_has_the_direction_of_its_script(tab: Tab, service: ShelfService):
    """Arabic begins at the right, in results and beside the page, and English at the left of the same page."""
    service.put("birth.pdf", [f"{ARABIC}\n\nA certificate of birth."])
    page = tab.goto(f"?q={ARABIC.split()[0]}")
    starts = """(node) => {
        const words = document.createRange();
        words.selectNodeContents(node);
        const [own, all] = [words.getBoundingClientRect(), node.getBoundingClientRect()];
        return own.left - all.left > all.right - own.right ? 'right' : 'left';
    }"""
    snippet = page.locator(".snippet", has_text="فاطمة")
    assert snippet.evaluate(starts) == "right"
    page.locator(".hit-link").first.click()
    expect(page.locator(".page-text p")).to_have_count(2)
    assert page.locator(".page-text p").all()[0].evaluate(starts) == "right"
    assert page.locator(".page-text p").all()[1].evaluate(starts) == "left"


def test_a_link_to_a_page_that_the_document_has_not(tab: Tab, service: ShelfService):
    """The document is there: its pages are said and reached from there, and it stays listed and found."""
    tab.expected = ("404",)
    short = service.put("short.pdf", ["The quay is closed.", "The quay is open."])
    page = tab.goto(f"#/doc/{short}/page/99?q=quay")
    expect(page.locator(".page-state")).to_have_text("The document has 2 pages; there is no page 99.")
    expect(page.locator(".viewer-title")).to_have_text("short.pdf")
    expect(page.locator(".page-total")).to_have_text("of 2")
    expect(page.get_by_role("link", name="Download the original")).to_have_attribute("href", re.compile(short))
    expect(page.get_by_role("button", name="Next page")).to_be_disabled()
    page.get_by_role("button", name="Previous page").click()
    expect(page.locator(".page-text")).to_contain_text("The quay is open.")
    expect(page.get_by_role("button", name="Next page")).to_be_disabled()
    page.keyboard.press("p")
    expect(page.locator(".page-text")).to_contain_text("The quay is closed.")
    page.keyboard.press("Escape")
    page.locator("#brand").click()
    expect(page.locator("#documents .row")).to_have_count(1)


def test_a_page_somebody_else_deleted(tab: Tab, service: ShelfService):
    """Opened from results of before: said so, without an empty sheet; its hits and its row go."""
    tab.expected = ("404",)
    gone = service.put("gone.pdf", ["The quay is closed."])
    service.put("stays.pdf", ["The quay is open."])
    page = tab.goto("?q=quay")
    expect(page.locator(".hit-link")).to_have_count(2)
    service.delete("default", gone)
    page.locator(".hit-link", has_text="gone.pdf").click()
    expect(page.locator(".page-state")).to_contain_text("may have been deleted")
    expect(page.locator(".page-sheet")).to_be_hidden()
    expect(page.get_by_role("link", name="Download the original")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator(".hit-link")).to_have_text(["stays.pdfpage 1"])
    page.locator("#brand").click()
    expect(page.locator("#documents .row")).to_have_count(1)
