"""Fixtures of the browser tests, as a plugin: `pytest_plugins = ("tests.browser_fixtures",)`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from api.app import create_app
from api.config import ApiConfig
from tests.api_kit import serving
from tests.browser_kit import ARGUMENTS, Tab, chromium, open_tab
from tests.web_kit import ShelfService


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield instance
        instance.close()


@pytest.fixture
def service() -> ShelfService:
    return ShelfService()


@pytest.fixture
def site(service: ShelfService) -> Iterator[str]:
    """The app around `service`, on a real socket; yields its address."""
    with serving(create_app(service, ApiConfig(max_upload_bytes=100_000, poll_s=0.05))) as base:
        yield base


@pytest.fixture
def tab(browser: Browser, site: str) -> Iterator[Tab]:
    with open_tab(browser, site) as opened:
        yield opened
