"""The header `Idempotency-Key`: its form, and how a route holds a key while it works.

Source: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header. The draft's key is a string of
structured fields, in quotes (RFC 8941, section 3.3.3); without quotes, as most clients send it, the same characters
but space, comma and semicolon are taken too, and mean the same key.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import anyio
from fastapi import Header, Response

from api.context import Context
from index.errors import InvalidRequest
from worker.idempotency import Claim, Stored

MAX_CHARS = 255
REPLAYED = "Folioscope-Replayed"
CODES = ("idempotency_in_progress", "idempotency_gone", "idempotency_key_reused")
"""What a route that takes the header can answer besides."""

_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_BARE = re.compile(r"[!#-+./0-:<-\[\]-~-]+")

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Names this request: sent again with the same key, it is answered as it was the first time. "
        f"Up to {MAX_CHARS} printable ASCII characters, with or without quotes; a UUID is best.",
        examples=['"8e03978e-40d5-43e8-bc93-6894a57f9324"'],
    ),
]


def key_of(header: str) -> str:
    """The key in the header's value. `InvalidRequest`."""
    value = header.strip(" \t")
    quoted = _QUOTED.fullmatch(value)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else value if _BARE.fullmatch(value) else ""
    if not 1 <= len(key) <= MAX_CHARS:
        raise InvalidRequest(
            f"Idempotency-Key is a string of 1 to {MAX_CHARS} printable ASCII characters, best a UUID in quotes."
        )
    return key


def fingerprint(*parts: str | None) -> str:
    """Of what makes a request the request that it is."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@asynccontextmanager
async def claimed(context: Context, tenant: str, operation: str, header: str | None) -> AsyncIterator[Claim | None]:
    """The request's key while the block runs; None without the header. A key whose request failed is free again."""
    if header is None:
        yield None
        return
    # Not cancelled half-way: a key that was taken has to be let go.
    with anyio.CancelScope(shield=True):
        claim = await context.call(context.service.idempotency.claim, tenant, operation, key_of(header))
    try:
        yield claim
    finally:
        with anyio.CancelScope(shield=True):
            await context.call(claim.close)


def replay(stored: Stored, *, again: bool) -> Response:
    """The answer, for the first time or again."""
    headers = {**stored.headers, **({REPLAYED: "true"} if again else {})}
    return Response(stored.body, stored.status, headers)
