"""Filters and hybrid queries as Qdrant Edge's request objects. A server's client has the same vocabulary."""

from __future__ import annotations

import numpy as np
import qdrant_edge as q

from index.conditions import Condition, page_conditions
from index.schema import PASSAGES, SENTENCES, WORDS
from index.search import CANDIDATE_FIELDS, LegQuery
from index.types import PageState, SearchFilter


def page_filter(
    tenant: str | None,
    *,
    where: SearchFilter | None = None,
    document_ids: tuple[str, ...] = (),
    states: tuple[PageState, ...] = (),
    undecoded: bool = False,
) -> q.Filter | None:
    """All given conditions must hold; None when there is none."""
    conditions = page_conditions(tenant, where=where, document_ids=document_ids, states=states, undecoded=undecoded)
    return q.Filter(must=[_condition(c) for c in conditions]) if conditions else None


def _condition(wanted: Condition) -> q.FieldCondition:
    if len(wanted.values) == 1:
        return q.FieldCondition(wanted.field, match=q.MatchValue(wanted.values[0]))
    if wanted.values:
        return q.FieldCondition(wanted.field, match=q.MatchAny(list(wanted.values)))
    return q.FieldCondition(wanted.field, range=q.RangeDateTime(gte=wanted.from_time, lte=wanted.to_time))


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

    legs = [(by_words(features), weight, half) for features, weight, half in query.word_legs()]
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
        with_payload=CANDIDATE_FIELDS,
    )


def sparse(places: np.ndarray, weights: np.ndarray) -> q.SparseVector:
    return q.SparseVector(places.tolist(), weights.tolist())


def _times(weight: float, expression: q.Expression) -> q.Expression:
    return q.Expression.Mult([q.Expression.Constant(weight), expression])
