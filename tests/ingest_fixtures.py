"""Fixtures of tests that render files in the real sandbox."""

from __future__ import annotations

import pytest

from ingest.sandbox import SandboxConfig, SandboxRenderer
from tests.ingest_kit import PATIENT, pdf_bytes


@pytest.fixture(scope="module")
def renderer():
    with SandboxRenderer(SandboxConfig(children=1, max_pages=50, **PATIENT)) as sandbox:
        yield sandbox


@pytest.fixture
def put(tmp_path):
    def put(data: bytes):
        path = tmp_path / f"file{len(list(tmp_path.iterdir()))}"
        path.write_bytes(data)
        return path

    return put


@pytest.fixture
def good(tmp_path):
    """A PDF of three pages."""
    path = tmp_path / "good.pdf"
    path.write_bytes(pdf_bytes(pages=3))
    return path
