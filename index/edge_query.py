"""Filters and hybrid queries as Qdrant Edge's request objects. A server's client has the same vocabulary."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import qdrant_edge as q

from index.payload import encode_time
from index.search import LegQuery
from index.types import PageState, SearchFilter

PASSAGES = "passages"
SENTENCES = "sentences"
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
    """The legs and the formula that fuses their scores; `corpus` is what IDF is counted over.

    Dense in two steps: passages (few rows, all pages) find candidates, and so do the words; the sentences of
    these pages (many rows, few pages) give the score.
    """
    params = q.SearchParams(idf=q.IdfParams(corpus=corpus)) if corpus is not None else None
    vector = [query.dense.tolist()]

    def by_words(features: tuple[np.ndarray, np.ndarray]) -> q.Prefetch:
        nearest = q.Query.Nearest(sparse(*features), using=WORDS)
        return q.Prefetch(limit=query.prefetch, query=nearest, filter=where, params=params)

    legs = [
        (by_words(features), weight, half)
        for features, weight, half in (
            (query.words, query.weights.words, query.words_half),
            (query.fuzzy, query.weights.fuzzy, query.fuzzy_half),
        )
        if len(features[0]) and weight != 0.0
    ]
    by_passage = q.Prefetch(limit=query.prefetch, query=q.Query.Nearest(vector, using=PASSAGES), filter=where)
    meaning = q.Prefetch(
        limit=query.prefetch * (1 + len(legs)),
        query=q.Query.Nearest(vector, using=SENTENCES),
        prefetches=[by_passage, *(leg for leg, _, _ in legs)],
    )
    parts = [_times(query.weights.dense, q.Expression.Variable("$score[0]"))]
    for number, (_, weight, half) in enumerate(legs, start=1):
        score = q.Expression.Variable(f"$score[{number}]")
        saturated = q.Expression.Div(score, q.Expression.Sum([score, q.Expression.Constant(half)]), by_zero_default=0.0)
        parts.append(_times(weight, saturated))
    return q.QueryRequest(
        limit=query.limit,
        prefetches=[meaning, *(leg for leg, _, _ in legs)],
        query=q.Formula(q.Expression.Sum(parts), defaults={f"$score[{i}]": 0.0 for i in range(1 + len(legs))}),
        with_payload=["text"],
    )


def sparse(places: np.ndarray, weights: np.ndarray) -> q.SparseVector:
    return q.SparseVector(places.tolist(), weights.tolist())


def _times(weight: float, expression: q.Expression) -> q.Expression:
    return q.Expression.Mult([q.Expression.Constant(weight), expression])


def _time(at: datetime | None) -> str | None:
    return None if at is None else encode_time(at)
