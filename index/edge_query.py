"""Filters and hybrid queries as Qdrant Edge's request objects. A server's client has the same vocabulary."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import qdrant_edge as q

from index.payload import encode_time
from index.search import LegQuery
from index.types import PageState, SearchFilter

PASSAGES = "passages"
WORDS = "words"


def field(key: str, value: str | int) -> q.FieldCondition:
    return q.FieldCondition(key, match=q.MatchValue(value))


def page_filter(
    tenant: str | None,
    *,
    where: SearchFilter | None = None,
    document_ids: tuple[str, ...] = (),
    states: tuple[PageState, ...] = (),
) -> q.Filter | None:
    """All given conditions must hold; None when there is none."""
    must: list = []
    if tenant is not None:
        must.append(field("tenant", tenant))
    if states:
        must.append(q.FieldCondition("state", match=q.MatchAny([s.value for s in states])))
    if document_ids:
        must.append(q.FieldCondition("document_id", match=q.MatchAny(list(document_ids))))
    if where is not None:
        if where.document_ids:
            must.append(q.FieldCondition("document_id", match=q.MatchAny(list(where.document_ids))))
        if where.folder and where.folder.strip("/"):
            must.append(field("folders", where.folder.rstrip("/")))
        if where.media_types:
            must.append(q.FieldCondition("media_type", match=q.MatchAny(list(where.media_types))))
        if where.created_from is not None or where.created_to is not None:
            must.append(
                q.FieldCondition(
                    "created_at",
                    range=q.RangeDateTime(gte=_time(where.created_from), lte=_time(where.created_to)),
                )
            )
    return q.Filter(must=must) if must else None


def hybrid(query: LegQuery, where: q.Filter, corpus: q.Filter | None) -> q.QueryRequest:
    """Three prefetches and the formula that fuses their scores; `corpus` is what IDF is counted over."""
    prefetches = [
        q.Prefetch(limit=query.prefetch, query=q.Query.Nearest([query.dense.tolist()], using=PASSAGES), filter=where)
    ]
    parts = [_times(query.weights.dense, q.Expression.Variable("$score[0]"))]
    params = q.SearchParams(idf=q.IdfParams(corpus=corpus)) if corpus is not None else None
    legs = (
        (query.words, query.weights.words, query.words_half),
        (query.fuzzy, query.weights.fuzzy, query.fuzzy_half),
    )
    for (places, weights), weight, half in legs:
        if not len(places) or weight == 0.0:
            continue
        score = q.Expression.Variable(f"$score[{len(prefetches)}]")
        prefetches.append(
            q.Prefetch(
                limit=query.prefetch,
                query=q.Query.Nearest(q.SparseVector(places.tolist(), weights.tolist()), using=WORDS),
                filter=where,
                params=params,
            )
        )
        rest = q.Expression.Sum([score, q.Expression.Constant(half)])
        parts.append(_times(weight, q.Expression.Div(score, rest, by_zero_default=0.0)))
    defaults = {f"$score[{i}]": 0.0 for i in range(len(prefetches))}
    return q.QueryRequest(
        limit=query.limit,
        prefetches=prefetches,
        query=q.Formula(q.Expression.Sum(parts), defaults=defaults),
        with_payload=["text"],
    )


def sparse(places: np.ndarray, weights: np.ndarray) -> q.SparseVector:
    return q.SparseVector(places.tolist(), weights.tolist())


def _times(weight: float, expression: q.Expression) -> q.Expression:
    return q.Expression.Mult([q.Expression.Constant(weight), expression])


def _time(at: datetime | None) -> str | None:
    return None if at is None else encode_time(at)
