"""The web page in Chromium: how things stand, for administrators, and reading again what failed."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from api.app import create_app
from api.config import ApiConfig
from api.keyring import KeyRing
from index.keys import KeyDirectory, Scope
from tests.api_kit import serving
from tests.browser_kit import Tab, open_tab
from tests.web_kit import ShelfService
from worker.overview import Disk, FailedDocument, FailedPage, Inside, WorkerState

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser

EVIL = "<img src=x onerror=window.hurt=1>"


@pytest.fixture
def shelf(service: ShelfService) -> ShelfService:
    service.put("ledger.pdf", ["One.", "Two.", "Three."], broken=frozenset({2, 3}))
    service.put("minutes.pdf", ["The quay."])
    service.put("will.pdf", ["x"], error=("render_timeout", "Opening it took too long."))
    return service


def fact(page: Page, name: str):
    return page.locator(f".fact.{name}")


def test_how_things_stand(tab: Tab, shelf: ShelfService):
    """Pages, disk, queues, workers and failures on one page, reached by a link and left by Back."""
    shelf.in_archives = 2
    page = tab.goto()
    page.get_by_role("link", name="How things stand").click()
    expect(page.get_by_role("heading", name="How things stand")).to_be_visible()
    expect(page.locator("#library-view")).to_be_hidden()
    expect(fact(page, "pages").locator(".quiet")).to_have_text("3 documents, 2 of them in archives")
    expect(fact(page, "pages")).to_contain_text("3read")
    expect(fact(page, "pages")).to_contain_text("2failed")
    expect(fact(page, "pages")).to_contain_text("1file not opened")
    expect(fact(page, "disk")).to_contain_text("200 GB free of 500 GB")
    expect(fact(page, "queues").locator("tbody tr").nth(1)).to_contain_text("pages to read3")
    expect(fact(page, "workers").locator("tbody td")).to_have_text(
        ["reader-0", "read", "drawn@1", "1 job, longest 2.5 s", "41", "–", "now"]
    )
    expect(fact(page, "failures").locator(".codes")).to_have_text(
        "2 pages Reading it took too long, so it was stopped. render_timeout"
    )
    expect(fact(page, "setup")).to_contain_text("Enginedrawn")
    assert page.url.endswith("#/admin")
    page.go_back()
    expect(page.locator("#library-view")).to_be_visible()
    expect(page.locator("#admin-view")).to_be_hidden()


def test_it_stays_up_to_date_without_disturbing(tab: Tab, shelf: ShelfService):
    """What changes is shown by itself; what was opened stays open and the focus where it was."""
    page = tab.goto("#/admin")
    page.locator(".failed summary").click()
    again = page.get_by_role("button", name="Read page 3 of ledger.pdf again")
    again.focus()
    shelf.inside = replace(shelf.inside, workers=(), problem="The message broker does not answer.")
    shelf.disk = Disk(500_000_000_000, 1_500_000_000, 1_000_000_000)
    shelf.put("torn.pdf", ["x"], broken=frozenset({1}))
    expect(fact(page, "workers")).to_contain_text("Nobody works")
    expect(fact(page, "queues")).to_contain_text("The message broker does not answer.")
    expect(fact(page, "disk").locator(".hint")).to_contain_text("1.5 GB free")
    expect(fact(page, "pages")).to_contain_text("3failed")
    expect(page.locator(".failed details[open]")).to_have_count(1)
    expect(again).to_be_focused()


def test_a_page_a_document_and_all_are_read_again(tab: Tab, shelf: ShelfService):
    """Each by its own button; the page says what is tried, and the failures go away."""
    page = tab.goto("#/admin")
    page.locator(".failed summary").click()
    page.get_by_role("button", name="Read page 3 of ledger.pdf again").click()
    expect(page.locator("#admin-note")).to_have_text("1 page will be read again.")
    expect(page.locator(".failed details li")).to_have_count(1)
    page.get_by_role("button", name="Read will.pdf again").click()
    expect(page.locator("#admin-note")).to_have_text("1 file will be read again.")
    shelf.put("torn.pdf", ["x", "y"], broken=frozenset({1, 2}))
    expect(fact(page, "failures")).to_contain_text("torn.pdf")
    page.get_by_role("button", name="Read all failed again").click()
    expect(page.locator("#admin-note")).to_have_text("3 pages will be read again.")
    expect(fact(page, "failures")).to_contain_text("None.")
    expect(page.locator("#live")).to_have_text("3 pages will be read again.")


def test_all_means_also_what_is_not_listed(tab: Tab, shelf: ShelfService):
    """The list has room for so many; the button goes on, step by step, until nothing is left."""
    everything = shelf.overlook

    def shortened(tenant: str):
        seen = everything(tenant)
        return replace(seen, failed_pages=seen.failed_pages[:1], more_pages=max(0, len(seen.failed_pages) - 1))

    shelf.overlook = shortened
    for number in range(4):
        shelf.put(f"torn-{number}.pdf", ["x", "y"], broken=frozenset({1, 2}))
    page = tab.goto("#/admin")
    expect(fact(page, "failures")).to_contain_text("and 9 older ones")
    page.get_by_role("button", name="Read all failed again").click()
    expect(page.locator("#admin-note")).to_have_text("10 pages and 1 file will be read again.")
    expect(fact(page, "failures")).to_contain_text("None.")


def test_reading_again_from_the_list_of_documents(tab: Tab, shelf: ShelfService):
    """A document of which pages failed has a button of its own."""
    page = tab.goto()
    ledger = page.locator("#documents .row", has_text="ledger.pdf")
    expect(ledger.locator(".row-status")).to_have_text("1 of 3 pages read, 2 could not be")
    ledger.get_by_role("button", name="Read again").click()
    expect(ledger.locator(".row-status")).to_have_text("3 pages")
    expect(ledger.get_by_role("button", name="Read again")).to_have_count(0)
    expect(
        page.locator("#documents .row", has_text="minutes.pdf").get_by_role("button", name="Read again")
    ).to_have_count(0)


def test_a_failed_page_is_a_link_to_it(tab: Tab, shelf: ShelfService):
    """The page opens over this view, and closing it comes back here."""
    page = tab.goto("#/admin")
    page.locator(".failed summary").click()
    page.get_by_role("link", name="Page 2", exact=True).click()
    expect(page.locator(".page-state")).to_contain_text("This page could not be read.")
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="How things stand")).to_be_visible()


def test_names_and_messages_stay_text(tab: Tab, service: ShelfService):
    """Whatever documents, workers and errors are called."""
    service.put(f"{EVIL}.pdf", ["x"], error=("x<b>", EVIL))
    service.put(f"torn {EVIL}.pdf", ["x"], broken=frozenset({1}))
    service.inside = Inside(workers=(WorkerState(EVIL, (EVIL,), EVIL, 0, 0.0, 0),), problem=EVIL)
    page = tab.goto("#/admin")
    expect(page.locator(".failed .name").first).to_contain_text(EVIL)
    expect(fact(page, "workers").locator("td").first).to_have_text(EVIL)
    assert page.evaluate("window.hurt") is None
    assert page.locator("img[src='x']").count() == 0


def test_no_further_try_is_offered_where_it_would_end_as_the_last_did(tab: Tab, shelf: ShelfService):
    """Of a damaged file the same bytes are to blame; what only took too long may open the next time."""
    shelf.put("torn.pdf", ["x"], error=("damaged", "This file is damaged: it ends in the middle of a page."))
    page = tab.goto()
    rows = page.locator("#documents .row")
    expect(rows.filter(has_text="will.pdf").get_by_role("button", name="Read again")).to_have_count(1)
    expect(rows.filter(has_text="torn.pdf")).to_contain_text("This file is damaged")
    expect(rows.filter(has_text="torn.pdf").get_by_role("button", name="Read again")).to_have_count(0)
    tab.goto("#/admin")
    expect(page.get_by_role("button", name="Read will.pdf again")).to_be_visible()
    expect(page.locator(".failed")).to_contain_text("torn.pdf")
    expect(page.get_by_role("button", name="Read torn.pdf again")).to_have_count(0)


def test_a_failed_member_is_named_with_its_archive(tab: Tab, service: ShelfService, monkeypatch):
    """The archive and the folders stand beside the name, as text; what was sent in by itself has none."""
    lone, inside = FailedDocument("a", "scan.pdf", "damaged", "Torn."), f"{EVIL}.zip/1911/scan.pdf"
    seen = replace(
        service.overlook("default"),
        failed_documents=(lone, replace(lone, document_id="b", paths=(inside,))),
        failed_pages=(FailedPage("c", "scan.pdf", 2, "render_timeout", 3, None, ("box.zip/scan.pdf",)),),
    )
    monkeypatch.setattr(service, "overlook", lambda _tenant: seen)
    page = tab.goto("#/admin")
    names = page.locator(".failed > li > .failed-row")
    expect(names).to_have_text(["scan.pdf", f"scan.pdf in {EVIL}.zip / 1911", "scan.pdf in box.zip"])
    assert page.evaluate("window.hurt") is None


@pytest.mark.parametrize("width", [320, 768])
def test_on_narrow_screens(browser, site: str, shelf: ShelfService, width: int):
    """Tables scroll in themselves; the page does not."""
    shelf.inside = replace(
        shelf.inside,
        workers=tuple(WorkerState(f"worker-{n}", ("read.gpu",), "engine@" + "f" * 40, 1, 3.0, 1) for n in range(3)),
    )
    shelf.put("a-long-name-" * 12 + ".pdf", ["x"], broken=frozenset({1}))
    with open_tab(browser, site, viewport={"width": width, "height": 640}, color_scheme="dark") as tab:
        page = tab.goto("#/admin")
        expect(fact(page, "failures").locator(".failed > li")).to_have_count(3)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.fixture
def keys(tmp_path):
    return KeyDirectory(tmp_path)


def make(keys, *scopes: Scope) -> str:
    return keys.create(name="desk", tenant="default", scopes=frozenset(scopes), now=datetime.now(UTC))[0]


def test_a_key_without_the_scope_is_asked_for_another(browser, shelf: ShelfService, keys):
    """The visitor's own key stays for all else; the administrator's is asked for and kept apart."""
    config = ApiConfig(max_upload_bytes=100_000, poll_s=0.05)
    with serving(create_app(shelf, config, ring=KeyRing(keys, required=True))) as base, open_tab(browser, base) as tab:
        tab.expected = ("status of 401", "status of 403")
        page = tab.goto("#/admin")
        page.get_by_label("Key", exact=True).fill(make(keys, Scope.READ, Scope.WRITE))
        page.get_by_role("button", name="Open the archive").click()
        expect(page.get_by_role("heading", name="An administrator’s key")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#admin-note")).to_contain_text("This takes a key with the scope admin.")
        page.get_by_role("button", name="Enter a key").click()
        page.get_by_label("Key", exact=True).fill("fsk_wrong")
        page.get_by_role("button", name="Look", exact=True).click()
        expect(page.get_by_role("alert").filter(has_text="not known")).to_be_visible()
        page.get_by_label("Key", exact=True).fill(make(keys, Scope.ADMIN))
        page.get_by_role("button", name="Look", exact=True).click()
        expect(fact(page, "pages")).to_contain_text("2failed")
        page.get_by_role("button", name="Read ledger.pdf again").click()
        expect(page.locator("#admin-note")).to_have_text("2 pages will be read again.")
        page.reload()
        expect(fact(page, "pages")).to_contain_text("0failed")
        expect(page.locator("dialog[open]")).to_have_count(0)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert page.evaluate("sessionStorage.length") == 0


def test_a_key_that_only_reads_is_offered_nothing(browser, shelf: ShelfService, keys):
    """Who may look and not write sees the failures without the buttons."""
    config = ApiConfig(max_upload_bytes=100_000, poll_s=0.05)
    with serving(create_app(shelf, config, ring=KeyRing(keys, required=True))) as base, open_tab(browser, base) as tab:
        tab.expected = ("status of 401",)
        page = tab.goto("#/admin")
        page.get_by_label("Key", exact=True).fill(make(keys, Scope.READ, Scope.ADMIN))
        page.get_by_role("button", name="Open the archive").click()
        expect(fact(page, "failures")).to_contain_text("ledger.pdf")
        expect(page.get_by_role("button", name=re.compile("again"))).to_have_count(0)


@pytest.mark.parametrize("pages", [["One."], ["One.", "Two."]])
def test_a_failed_page_speaks_of_others_where_there_are_any(tab: Tab, service: ShelfService, pages: list[str]):
    """A file of one page has none that could be affected."""
    torn = service.put("torn.pdf", pages, broken=frozenset({1}))
    page = tab.goto(f"#/doc/{torn}/page/1")
    said = "This page could not be read. Reading it took too long, so it was stopped."
    others = " The other pages are not affected." if len(pages) > 1 else ""
    expect(page.locator(".page-state")).to_have_text(said + others)
