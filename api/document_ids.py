"""Ids of documents as requests spell them: UUIDs, which are the same in capitals (RFC 9562, section 4)."""

from __future__ import annotations

import re

from index.errors import NotFound
from index.payload import storable

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def document_id_of(untrusted_id: str) -> str:
    """As it is stored. Anything else is unknown, and must not travel further: ids become file names."""
    if not _UUID.fullmatch(untrusted_id):
        raise NotFound("There is no such document.")
    return untrusted_id.lower()


def spelled(untrusted_id: str) -> str:
    """As it is stored, for filters; what is no id is the name of nothing, and stays as it came."""
    given = untrusted_id.strip()
    return given.lower() if _UUID.fullmatch(given) else storable(given)
