"""Documentation that cannot drift: what the reference pages say is what the code has."""

from __future__ import annotations

from pathlib import Path

from worker import settings

DOCS = Path(__file__).parent.parent / "docs"


def test_settings_reference():
    """Every setting, its default and its meaning stand in docs/settings.md."""
    assert settings.reference() in (DOCS / "settings.md").read_text()
