"""Fixtures of tests that render files in the real sandbox."""

from __future__ import annotations

import pytest

from ingest.sandbox import SandboxConfig, SandboxRenderer


@pytest.fixture(scope="module")
def renderer():
    with SandboxRenderer(SandboxConfig(children=1, max_pages=50)) as sandbox:
        yield sandbox


@pytest.fixture
def put(tmp_path):
    def put(data: bytes):
        path = tmp_path / f"file{len(list(tmp_path.iterdir()))}"
        path.write_bytes(data)
        return path

    return put
