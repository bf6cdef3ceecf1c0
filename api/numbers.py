"""Whole numbers and points in time as strangers write them: what could mean two things is refused, not guessed.

pydantic reads `1_0` as ten, `true` as one, and a bare number as seconds since 1970, so that documents "since 1931" were
all there are. The command line's numbers are `api.cli_options.WholeRange`.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

_WHOLE = re.compile(r"-?[0-9]{1,19}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _digits(given: Any) -> Any:
    if isinstance(given, bool) or (isinstance(given, str) and not _WHOLE.fullmatch(given)):
        raise PydanticCustomError("int_parsing", "Input should be a whole number, written in digits")
    return given


def _date(given: Any) -> Any:
    if isinstance(given, int | float) or (isinstance(given, str) and "-" not in given[1:]):
        raise PydanticCustomError("datetime_parsing", "Input should be a date, as in 1952-03-31 or 1952-03-31T14:00Z")
    return given


def _to_its_end(given: Any) -> Any:
    return f"{given.strip()}T23:59:59.999999" if isinstance(given, str) and _DAY.fullmatch(given.strip()) else given


Whole = Annotated[int, BeforeValidator(_digits)]
"""An `int` of JSON, a query or a path."""

Moment = Annotated[datetime, BeforeValidator(_date)]
"""A `datetime` in ISO 8601; a day without a time is its beginning."""

LastMoment = Annotated[datetime, BeforeValidator(_to_its_end), BeforeValidator(_date)]
"""The end of a period: a day without a time belongs to it, as people mean who write one."""
