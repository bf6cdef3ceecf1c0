"""What all tests share: offline models, and a seed in the output (pytest-randomly prints and resets it)."""

from __future__ import annotations

import logging
import os

import pytest

# Before any import of a model library: nothing may be looked for on a network.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
# Haystack would tell its makers of every pipeline that runs.
os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")
# A service converts the judge of answers at its start, seconds for each fresh data directory: only in tests about it.
os.environ.setdefault("FOLIOSCOPE_JUDGE", "false")


@pytest.fixture(autouse=True)
def _logs_as_they_were():
    """A command that ran in this process sends its log to a stream that is closed after its test."""
    loggers = [logging.getLogger(name) for name in ("folioscope", "uvicorn")]
    before = [(one, one.handlers, one.level, one.propagate) for one in loggers]
    yield
    for one, handlers, level, propagate in before:
        one.handlers, one.propagate = handlers, propagate
        one.setLevel(level)
