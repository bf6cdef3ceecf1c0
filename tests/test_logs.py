"""What is logged as text: one line for each event, whatever strangers put into what it says."""

from __future__ import annotations

import io
import logging
import threading

import pytest

from tests.api_kit import Api
from worker import logs


def only_of_this_thread():
    """What threads of earlier tests still say is left out of the log."""
    mine = threading.get_ident()
    for name in ("folioscope", "uvicorn"):
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(lambda record: record.thread == mine)


@pytest.fixture
def lines(monkeypatch):
    """Lines of the log so far."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    logs.configure()
    only_of_this_thread()
    return lambda: stream.getvalue().splitlines()


def test_a_path_adds_no_line_and_tells_a_terminal_nothing(lines):
    """Line ends, escape sequences and characters that turn text round are written out, in a request that is refused
    as in any other.
    """
    Api().get("/v1/x%0A2026-01-01 INFO folioscope.access [-] DELETE%1b[2J%C2%9b31m%E2%80%A8%E2%80%AEy")
    (line,) = lines()
    assert r"GET /v1/x\n2026-01-01 INFO folioscope.access [-] DELETE\x1b[2J\x9b31m\u2028\u202ey 404" in line


def test_other_scripts_stay_as_they_are(lines):
    """Only what is no text is written otherwise."""
    logging.getLogger("folioscope.test").info("Überblick %s", "港の記録 – שלום")
    assert lines()[0].endswith("Überblick 港の記録 – שלום")


def test_a_traceback_is_indented(lines):
    """Its lines cannot be taken for events, nor can those of an error's own words."""
    try:
        raise ValueError("bad name\n2026-01-01 INFO all is well\x1b[0m")
    except ValueError:
        logging.getLogger("folioscope.test").exception("failed")
    first, *others = lines()
    assert first.endswith("failed")
    assert any("raise ValueError" in line for line in others)
    assert all(line.startswith("    ") for line in others)
    assert others[-1] == r"    2026-01-01 INFO all is well\x1b[0m"
