"""Conditions and ranges of requests for bytes that seldom change: `If-None-Match` and `Range`.

Source: RFC 9110, sections 13.1.2 and 14.2. What makes no sense there is passed over, as it says, and not refused: an
unknown unit, a range that ends before it begins.
"""

from __future__ import annotations

import os
import re
from email.utils import formatdate

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request

_RANGE = re.compile(r"(\d{0,20})[ \t]*-[ \t]*(\d{0,20})", re.ASCII)


def unchanged(request: Request, etag: str) -> bool:
    """Whether the client has what bears this tag, so that 304 is all it has to be told."""
    given = request.headers.get("if-none-match", "")
    return given.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in given.split(","))


def tidy_range(request: Request, etag: str, stat: os.stat_result) -> None:
    """Leave of the request's `Range` what the file has; nothing where it makes no sense, or is about other bytes
    (`If-Range`), so that the whole file is the answer. 416 where it asks for nothing that there is.
    """
    given = request.headers.get("range")
    if given is None:
        return
    headers, size = MutableHeaders(scope=request.scope), stat.st_size
    same = request.headers.get("if-range", etag) in {etag, formatdate(stat.st_mtime, usegmt=True)}
    asked = _asked(given, size) if same else None
    if asked is None:
        del headers["range"]
    elif not asked:
        raise HTTPException(
            416, f"The file has {size} bytes; the range asks for none of them.", {"Content-Range": f"bytes */{size}"}
        )
    else:
        headers["range"] = "bytes=" + ",".join(f"{first}-{last}" for first, last in asked)


def _asked(given: str, size: int) -> list[tuple[int, int]] | None:
    """The ranges that the file has, ends included; None where the header is not to be heeded."""
    unit, _, listed = given.partition("=")
    if unit.strip().lower() != "bytes":
        return None
    found: list[tuple[int, int]] = []
    for part in filter(None, (part.strip() for part in listed.split(","))):
        match = _RANGE.fullmatch(part)
        if match is None or not (match[1] or match[2]):
            return None
        first, last = (int(end) if end else None for end in match.groups())
        if first is None:
            first, last = max(0, size - (last or 0)), size - 1
        elif last is not None and last < first:
            return None
        if first < size:
            found.append((first, min(size - 1, size - 1 if last is None else last)))
    return found if listed.strip(" ,") else None
