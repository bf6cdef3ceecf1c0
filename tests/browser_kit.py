"""A real Chromium for tests of the web page: found or asked for, never downloaded, and watched for every complaint."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, expect

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TIMEOUT_MS = 60_000
expect.set_options(timeout=TIMEOUT_MS)


def chromium() -> str:
    """Where Chromium is; fails the test with the way to install it where it is not."""
    path = os.environ.get("FOLIOSCOPE_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None or not Path(path).exists():
        pytest.fail(
            "The tests of the web page need Chromium, and none was found. Install it "
            "(Debian: apt-get install chromium) or set FOLIOSCOPE_CHROMIUM to its path.",
            pytrace=False,
        )
    return path


@dataclass
class Tab:
    """A page of the browser with everything it complained about. `expected` are complaints that belong to a test."""

    page: Page
    base: str
    context: BrowserContext
    complaints: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()
    deleted: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)

    def heard(self, message: ConsoleMessage) -> None:
        """A warning or an error of the console, unless of what may still be under way when a document is deleted.

        A row's picture, say, that was asked for before and comes to be served after the deletion: 404.
        """
        address = message.location["url"]
        late = "status of 404" in message.text and any(address.startswith(gone + "/") for gone in self.deleted)
        if message.type in ("error", "warning") and not late:
            self.complaints.append(f"{message.type}: {message.text}")
            self.places.append(address)

    def asked(self, request: Request) -> None:
        if request.method == "DELETE":
            self.deleted.append(request.url)

    def goto(self, address: str = "") -> Page:
        self.page.goto(self.base + "/" + address)
        return self.page

    def unexpected(self) -> list[str]:
        return [said for said in self.complaints if not any(part in said for part in self.expected)]


@contextlib.contextmanager
def open_tab(browser: Browser, base: str, **options: object) -> Iterator[Tab]:
    """A fresh profile. On leaving, any console error, uncaught exception or violated policy fails the test."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
    context.set_default_timeout(TIMEOUT_MS)
    context.add_init_script(
        "addEventListener('securitypolicyviolation', (e) => console.error('CSP', e.violatedDirective, e.blockedURI))"
    )
    tab = Tab(context.new_page(), base, context)
    tab.page.on("console", tab.heard)
    tab.page.on("request", tab.asked)
    tab.page.on("pageerror", lambda error: tab.complaints.append(f"uncaught: {error}"))
    try:
        yield tab
        assert tab.unexpected() == [], list(zip(tab.complaints, tab.places, strict=True))
    finally:
        context.close()


def turn(page: Page, number: int) -> Locator:
    """A question of the conversation with its answer; the first is 1."""
    return page.locator("#answer .turn").nth(number - 1)


def ask_more(page: Page, question: str) -> None:
    """Ask a further question in the conversation."""
    page.get_by_label("Ask a follow-up question").fill(question)
    page.keyboard.press("Enter")
