"""What a set of pages is asked to fulfil, without a word of any Qdrant: each backend says it in its own classes."""

from __future__ import annotations

from dataclasses import dataclass

from index.payload import AWAITS_DECODING, encode_time, storable
from index.types import PageState, SearchFilter


@dataclass(frozen=True, slots=True)
class Condition:
    """A payload field that has one of `values` or, where there are none, lies in `[from_time, to_time]` (RFC 3339)."""

    field: str
    values: tuple[str, ...] = ()
    from_time: str | None = None
    to_time: str | None = None


def page_conditions(
    tenant: str | None,
    *,
    where: SearchFilter | None = None,
    document_ids: tuple[str, ...] = (),
    states: tuple[PageState, ...] = (),
    undecoded: bool = False,
) -> list[Condition]:
    """All of them must hold; the tenant comes first. None: every page of every tenant."""
    must = []
    if tenant is not None:
        must.append(Condition("tenant", (tenant,)))
    if states:
        must.append(Condition("state", tuple(state.value for state in states)))
    if document_ids:
        must.append(Condition("document_id", document_ids))
    if undecoded:
        must.append(Condition("awaits", (AWAITS_DECODING,)))
    if where is not None:
        if where.document_ids:
            must.append(Condition("document_id", tuple(storable(name) for name in where.document_ids)))
        if where.folder and where.folder.strip("/"):
            must.append(Condition("folders", (storable(where.folder.rstrip("/")),)))
        if where.media_types:
            must.append(Condition("media_type", tuple(storable(kind) for kind in where.media_types)))
        if where.created_from is not None or where.created_to is not None:
            times = [None if at is None else encode_time(at) for at in (where.created_from, where.created_to)]
            must.append(Condition("created_at", from_time=times[0], to_time=times[1]))
    return must
