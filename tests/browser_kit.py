"""A real Chromium for tests of the web page: found or asked for, never downloaded, and watched for every complaint."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

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
    tab.page.on("console", lambda m: m.type in ("error", "warning") and tab.complaints.append(f"{m.type}: {m.text}"))
    tab.page.on("pageerror", lambda error: tab.complaints.append(f"uncaught: {error}"))
    try:
        yield tab
        assert tab.unexpected() == [], tab.complaints
    finally:
        context.close()


def turn(page: Page, number: int) -> Locator:
    """A question of the conversation with its answer; the first is 1."""
    return page.locator("#answer .turn").nth(number - 1)


def ask_more(page: Page, question: str) -> None:
    """Ask a further question in the conversation."""
    page.get_by_label("Ask a follow-up question").fill(question)
    page.keyboard.press("Enter")
