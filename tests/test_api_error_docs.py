"""No code can be raised that no page explains."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from api import problems

ROOT = Path(__file__).parent.parent
# Raised and caught by ourselves: no person ever sees them.
INTERNAL = {"error", "blob_missing", "deleted"}


def codes_in(path):
    """Every literal that is given as `code` or `error_code`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.keyword)
            and node.arg in {"code", "error_code"}
            and isinstance(node.value, ast.Constant)
        ):
            yield node.value.value


def test_every_code_is_explained():
    """In docs/errors.md or docs/api.md."""
    text = (ROOT / "docs" / "errors.md").read_text() + (ROOT / "docs" / "api.md").read_text()
    explained = {
        code for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for code in re.findall(r"`(\w+)`", row)
    }
    raised = {
        code
        for package in ("index", "ingest", "worker", "api")
        for path in sorted((ROOT / package).rglob("*.py"))
        for code in codes_in(path)
        if code
    }
    assert {"damaged", "data_dir_in_use", "port_in_use"} <= raised
    # Of the command line's own JSON:
    client_side = {"bad_key", "cannot_open", "no_archive", "unreachable", "unexpected_answer"}
    assert raised - explained - INTERNAL - client_side == set()
    assert set(problems.CODES) <= explained
