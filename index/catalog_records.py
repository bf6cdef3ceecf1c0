"""The files of a catalog directory as what they mean, and back.

A file that is cut off, overwritten, of another shape than this version writes, or not to be read is damaged: it is
logged and counts as absent, so that it costs its own document and no other.
"""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from index.types import Manifest, MemberFailure, Origin, PageSize, Split, TextLayerPolicy

log = logging.getLogger("folioscope.catalog")

Facts = dict[str, Any]
Record = TypeVar("Record")
# What JSON of another shape makes of the functions below.
_MISSHAPEN = (ValueError, TypeError, LookupError, AttributeError)
_UNREADABLE = frozenset({errno.EIO, errno.EACCES, errno.EPERM, errno.EISDIR})
"""A bad sector, another user's file. Other errors, as of too many open files, say nothing of the file."""


def load(path: Path, make: Callable[[Facts], Record]) -> Record | None:
    """What `make` makes of a file. None where there is none, or it is damaged."""
    try:
        return make(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except _MISSHAPEN:
        log.error("%s is damaged; `folioscope verify` lists such files", path)
        return None
    except OSError as error:
        if error.errno not in _UNREADABLE:
            raise
        log.error("%s cannot be read (%s); `folioscope verify` lists such files", path, error.strerror)
        return None


def dump(facts: Facts) -> bytes:
    return json.dumps(facts, ensure_ascii=True, default=_encode, indent=1).encode()


def manifest_of(facts: Facts) -> Manifest:
    times = {"created_at": datetime.fromisoformat(facts["created_at"])}
    return Manifest(**{**facts, **times, "text_layer": TextLayerPolicy(facts["text_layer"])})


def origin_of(facts: Facts) -> Origin:
    return Origin(**facts)


def split_of(facts: Facts) -> Split:
    return replace(
        Split(**facts),
        pages=tuple(PageSize(**size) for size in facts["pages"]),
        members=tuple((member[0], member[1]) for member in facts["members"]),
        member_failures=tuple(MemberFailure(**failure) for failure in facts["member_failures"]),
    )


def deletion_of(facts: Facts) -> tuple[datetime, int]:
    """When a deletion began, and how many pages there were."""
    return datetime.fromisoformat(facts["deleted_at"]), int(facts["pages"])


def password_of(facts: Facts) -> str:
    return str(facts["password"])


def openings_of(facts: Facts) -> int:
    """How often the opening of a document began and did not end."""
    return int(facts["began"])


def is_damaged(path: Path) -> bool:
    """Whether a file with one of the catalog's names does not hold what it should."""
    part = path.name.partition(".")[2]
    make = _OF_PART.get(part.partition("-")[0], dict)
    return load(path, make) is None and path.exists()


def is_unreadable(path: Path) -> bool:
    """Whether a file is there and cannot be read, whatever it may hold. Logs nothing."""
    try:
        path.read_bytes()
    except FileNotFoundError:
        return False
    except OSError as error:
        return error.errno in _UNREADABLE
    return False


_OF_PART: dict[str, Callable[[Facts], object]] = {
    "json": manifest_of,
    "split.json": split_of,
    "gone.json": deletion_of,
    "secret.json": password_of,
    "opening.json": openings_of,
    "origin": origin_of,
    "former": deletion_of,
}


def _encode(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)
