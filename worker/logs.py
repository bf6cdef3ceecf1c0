"""Logging of services and workers: one line for each event, plain or JSON, with what it is about.

Every line carries the id of the request, and the ids of the document and the page that are worked on, where there are
any: `about` says so for a block, in this thread and in those that take its context along.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

request_id_var: ContextVar[str] = ContextVar("request_id", default="-")
_subject_var: ContextVar[tuple[str, int | None] | None] = ContextVar("subject", default=None)

# Control characters of ASCII and of Latin-1, what some programs take for the end of a line, and what turns text round.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_EXTRAS = ("route", "status", "code", "duration_ms", "key_id", "tenant", "document_id", "page")


@contextmanager
def about(document_id: str, page: int | None = None) -> Iterator[None]:
    """Lines of this block are about this document, or about one page of it."""
    token = _subject_var.set((document_id, page))
    try:
        yield
    finally:
        _subject_var.reset(token)


class _Context(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id_var.get()
        subject = _subject_var.get()
        if subject is not None and not hasattr(record, "document_id"):
            record.document_id = subject[0]
            if subject[1] is not None:
                record.page = subject[1]
        return True


class TextFormatter(logging.Formatter):
    """One line, whatever a path or a file's name brings along: control characters are written as escapes, so that
    nobody can add lines of their own or speak to a terminal. A traceback follows, indented.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  its name in logging.Formatter
        return _escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return "\n".join(f"    {_escaped(line)}" for line in super().formatException(ei).split("\n"))


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        content = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": getattr(record, "request_id", "-"),
        }
        content.update({name: getattr(record, name) for name in _EXTRAS if hasattr(record, name)})
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        return json.dumps(content, default=str)


def configure(level: str = "INFO", *, as_json: bool = False) -> None:
    """Send `folioscope.*` and uvicorn's own messages to stderr; stdout is for programs. Repeatable."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_Context())
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    for name, at in (("folioscope", level.upper()), ("uvicorn", "WARNING")):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(at)
        logger.propagate = False
