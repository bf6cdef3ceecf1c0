"""The web page in Chromium: over an open page and over other views is seen, and can be pressed, what is said there."""

from __future__ import annotations

import pytest
from playwright.sync_api import JSHandle, Page, expect

from tests.api_kit import wait_for
from tests.browser_kit import Tab
from tests.test_web_upload import recipe, row
from tests.web_kit import ShelfService

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser


def carried(page: Page, name: str, content: str) -> JSHandle:
    """A file as it is dragged."""
    return page.evaluate_handle(
        """([name, content]) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([content], name));
          return transfer;
        }""",
        [name, content],
    )


def drop(page: Page, where: str, name: str, content: str) -> None:
    transfer = carried(page, name, content)
    page.dispatch_event(where, "dragenter", {"dataTransfer": transfer})
    expect(page.locator("#curtain")).to_be_visible()
    assert page.evaluate("document.querySelector('#curtain').matches(':popover-open')")  # or an open page covered it
    page.dispatch_event(where, "drop", {"dataTransfer": transfer})
    expect(page.locator("#curtain")).to_be_hidden()


def test_a_file_dropped_on_an_open_page(tab: Tab, service: ShelfService):
    """That it is added is seen for a while; a refusal stays until it is closed, which leaves the page open."""
    tab.expected = ("413",)
    document = service.put("minutes.pdf", ["The quay."])
    page = tab.goto(f"#/doc/{document}/page/1")
    expect(page.locator(".page-text")).to_contain_text("The quay.")
    tab.page.clock.install()
    drop(page, "#viewer .stage", "late.pdf", recipe("late.pdf")["buffer"].decode())
    banner = page.locator("#banner")
    expect(banner).to_contain_text("Adding 1 file.")
    page.clock.run_for(7_000)
    expect(banner).to_be_hidden()
    drop(page, "#viewer .stage", "huge.pdf", "%PDF" + "x" * 300_000)
    expect(banner).to_contain_text("huge.pdf was not added. The file is over the limit")
    page.clock.run_for(7_000)
    banner.get_by_role("button", name="Close").click()
    expect(banner).to_be_hidden()
    expect(page.locator("#viewer")).to_be_visible()
    page.keyboard.press("Escape")
    expect(row(page, "late.pdf")).to_be_visible()


@pytest.mark.parametrize("address", ["?q=quay", "#/admin"])
def test_a_file_dropped_on_another_view(tab: Tab, service: ShelfService, address: str):
    """Its row is in the list of documents, which is not in sight."""
    service.put("minutes.pdf", ["The quay."])
    page = tab.goto(address)
    drop(page, "body", "late.pdf", recipe("late.pdf")["buffer"].decode())
    expect(page.locator("#banner")).to_contain_text("Adding 1 file. The list of documents shows")


def test_the_service_goes_away_under_an_open_page(tab: Tab, service: ShelfService):
    """ "Try now" can be pressed there, and still when the page is closed."""
    tab.expected = ("net::ERR_FAILED",)
    document = service.put("minutes.pdf", ["The quay.", "The slipway."])
    page = tab.goto(f"#/doc/{document}/page/1")
    expect(page.locator(".page-text")).to_contain_text("The quay.")
    tab.page.clock.install()
    page.route("**/livez", lambda route: route.abort())
    page.route("**/pages/2?*", lambda route: route.abort())
    page.get_by_role("button", name="Next page").click()
    banner = page.locator("#banner")
    expect(banner).to_contain_text("Folioscope does not answer.")
    banner.get_by_role("button", name="Try now").click()
    expect(banner).to_contain_text("trying again in 2 seconds")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    page.unroute("**/livez")
    banner.get_by_role("button", name="Try now").click()
    expect(banner).to_be_hidden()


def test_a_reload_of_an_open_page_changes_no_way_back(tab: Tab, service: ShelfService):
    """Esc is the step back to what it was opened above, also behind a reload: over how things stand, and no step that
    goes nowhere."""
    service.put("torn.pdf", ["One.", "Two."], broken=frozenset({2}))
    page = tab.goto("?q=one")
    expect(page.locator(".hit")).to_have_count(1)
    tab.goto("#/admin")
    page.locator(".failed summary").click()
    page.get_by_role("link", name="Page 2", exact=True).click()
    expect(page.locator(".page-state")).to_contain_text("This page could not be read.")
    page.reload()
    expect(page.locator(".page-state")).to_contain_text("This page could not be read.")
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="How things stand")).to_be_visible()
    page.go_back()
    expect(page.locator(".hit")).to_have_count(1)


def test_a_page_that_takes_its_time_is_not_taken_for_the_one_before(tab: Tab, service: ShelfService):
    """On a slow line the number is the new page's already: what still stands there is faint, and the page is said to
    be loading; a search that has shown nothing yet says that it searches.
    """
    document = service.put("minutes.pdf", ["The quay.", "The slipway."])
    page = tab.goto(f"#/doc/{document}/page/1")
    expect(page.locator(".page-text")).to_contain_text("The quay.")
    held = []
    page.route("**/pages/2?*", lambda route: held.append(route))  # noqa: PLW0108 - Playwright takes no builtin
    page.get_by_role("button", name="Next page").click()
    expect(page.locator(".page-text")).to_have_css("opacity", "0.15")
    expect(page.locator(".page-sheet")).to_have_css("opacity", "0.15")
    assert "Loading" in page.evaluate("getComputedStyle(document.querySelector('.viewer-body'), '::before').content")
    wait_for(lambda: page.wait_for_timeout(20) or held)
    held[0].continue_()
    expect(page.locator(".page-text")).to_contain_text("The slipway.")
    expect(page.locator(".page-text")).to_have_css("opacity", "1")
    page.keyboard.press("Escape")
    service.held.add("quay")
    page.locator("#q").fill("quay")
    expect(page.locator("#results[aria-busy=true]")).to_have_count(1)
    said = "getComputedStyle(document.querySelector('#results'), '::before').content"
    assert "Searching" in page.evaluate(said)
    service.held.clear()
    expect(page.locator(".hit")).to_have_count(1)
    assert page.evaluate(said) == "none"
