"""Signing in at the web page of a service that wants keys."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from api.app import create_app
from api.config import ApiConfig
from api.keyring import KeyRing
from index.keys import KeyDirectory, Scope
from tests.api_kit import serving
from tests.browser_kit import ask_more, open_tab, turn

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser

REFUSED = "the server responded with a status of 401"  # the browser's own note of each
BOTH = frozenset({Scope.READ, Scope.WRITE})


@pytest.fixture
def keys(tmp_path):
    return KeyDirectory(tmp_path)


@pytest.fixture
def site(service, keys):
    """The page in front of a service that wants keys."""
    config = ApiConfig(max_upload_bytes=100_000, poll_s=0.05)
    with serving(create_app(service, config, ring=KeyRing(keys, required=True))) as base:
        yield base


@pytest.fixture
def tab(browser, site):
    with open_tab(browser, site) as opened:
        opened.expected = (REFUSED,)
        yield opened


def make(keys, scopes=BOTH, tenant="default"):
    return keys.create(name="reading room", tenant=tenant, scopes=scopes, now=datetime.now(UTC))


def sign_in(page, token):
    page.get_by_label("Key", exact=True).fill(token)
    page.get_by_role("button", name="Open the archive").click()


def test_the_page_asks_for_a_key_and_then_shows_pictures_and_texts(tab, service, keys):
    """A wrong key is said, the right one opens all: list, thumbnails by cookie, search."""
    service.put("minutes.pdf", ["The bridge fund stands at 412 pounds."])
    page = tab.goto()
    sign_in(page, "fsk_wrong")
    expect(page.get_by_role("alert").filter(has_text="not known")).to_be_visible()
    sign_in(page, make(keys)[0])
    expect(page.locator("#documents").get_by_text("minutes.pdf")).to_be_visible()
    expect(page.locator("#documents img.loaded")).to_have_count(1)
    page.fill("#q", "bridge")
    page.keyboard.press("Enter")
    expect(page.locator(".hit-link").first).to_be_visible()


def test_the_key_stays_with_the_tab_and_goes_with_signing_out(tab, service, keys):
    """A new visit to the same tab asks for nothing; after signing out nothing of the key is left."""
    service.put("minutes.pdf", ["The bridge fund."])
    page = tab.goto()
    sign_in(page, make(keys)[0])
    expect(page.locator("#documents").get_by_text("minutes.pdf")).to_be_visible()
    page.reload()
    expect(page.locator("#documents img.loaded")).to_have_count(1)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0
    assert tab.context.cookies() == []


def test_esc_does_not_get_around_the_key(tab):
    """The question stays."""
    page = tab.goto()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    for _ in range(3):
        page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_key_that_only_reads_gets_no_buttons_to_add(tab, keys):
    """What it may not do is not offered."""
    page = tab.goto()
    sign_in(page, make(keys, frozenset({Scope.READ}))[0])
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.locator("#add")).to_be_hidden()


def test_a_revoked_key_asks_again_and_goes_on_where_it_was(tab, service, keys):
    """The search that met the refusal is answered with the new key."""
    service.put("minutes.pdf", ["The bridge fund."])
    page = tab.goto()
    token, key = make(keys)
    sign_in(page, token)
    expect(page.locator("#documents").get_by_text("minutes.pdf")).to_be_visible()
    keys.revoke(key.key_id, datetime.now(UTC) + timedelta(seconds=0))
    page.wait_for_timeout(2500)  # KeyRing's FRESH_S and a little
    page.fill("#q", "bridge")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in(page, make(keys)[0])
    expect(page.locator(".hit-link").first).to_be_visible()
    expect(page).to_have_url(re.compile("q=bridge"))


@pytest.mark.parametrize("reload", [False, True])
@pytest.mark.parametrize(("tenant", "turns"), [("default", 2), ("other", 1)])
def test_another_tenants_key_begins_anew(tab, service, keys, reload, tenant, turns):
    """Nothing stays of what the tenant before was shown and answered; with a new key of the same one all does."""
    service.put("minutes.pdf", ["Ada Quill keeps the bridge fund. The bridge was built in 1911."])
    page = tab.goto("?q=Who keeps the bridge fund?")
    token, key = make(keys)
    sign_in(page, token)
    expect(turn(page, 1).locator(".evidence-link")).to_be_visible()
    ask_more(page, "When was the bridge built?")
    expect(turn(page, 2).locator(".evidence-link")).to_be_visible()
    keys.revoke(key.key_id, datetime.now(UTC))
    page.wait_for_timeout(2500)  # KeyRing's FRESH_S and a little
    if reload:
        page.reload()
    else:
        page.locator("#f-type").select_option("application/pdf")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in(page, make(keys, tenant=tenant)[0])
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("#answer .turn")).to_have_count(turns)
    expect(turn(page, turns).locator(".evidence-link")).to_be_visible()
    assert len(service.asked) == 2 + (tenant == "other")


def test_an_open_service_asks_nothing(browser, service):
    """No key, no question, no button to sign out."""
    service.put("minutes.pdf", ["The bridge fund."])
    with serving(create_app(service)) as base, open_tab(browser, base) as opened:
        page = opened.goto()
        expect(page.locator("#documents").get_by_text("minutes.pdf")).to_be_visible()
        expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
