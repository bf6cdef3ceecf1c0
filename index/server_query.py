"""Filters and hybrid queries as a Qdrant client's request objects: `index/edge_query.py` for a server."""

from __future__ import annotations

import numpy as np
from qdrant_client import models as m

from index.conditions import Condition, page_conditions
from index.schema import PASSAGES, SENTENCES, WORDS
from index.search import LegQuery
from index.types import PageState, SearchFilter


def page_filter(
    tenant: str | None,
    *,
    where: SearchFilter | None = None,
    document_ids: tuple[str, ...] = (),
    states: tuple[PageState, ...] = (),
    undecoded: bool = False,
) -> m.Filter | None:
    """All given conditions must hold; None when there is none."""
    conditions = page_conditions(tenant, where=where, document_ids=document_ids, states=states, undecoded=undecoded)
    return m.Filter(must=[condition(c) for c in conditions]) if conditions else None


def condition(wanted: Condition) -> m.FieldCondition:
    if len(wanted.values) == 1:
        return m.FieldCondition(key=wanted.field, match=m.MatchValue(value=wanted.values[0]))
    if wanted.values:
        return m.FieldCondition(key=wanted.field, match=m.MatchAny(any=list(wanted.values)))
    return m.FieldCondition(key=wanted.field, range=m.DatetimeRange(gte=wanted.from_time, lte=wanted.to_time))


def this_page(point: str, tenant: str, only_in: PageState | None = None) -> m.Filter:
    """One point, if it belongs to the tenant (and is in this state). A filter finds nothing where an id would be an
    error.
    """
    state = [] if only_in is None else [condition(Condition("state", (only_in.value,)))]
    return m.Filter(must=[condition(Condition("tenant", (tenant,))), *state, m.HasIdCondition(has_id=[point])])


def hybrid(query: LegQuery, where: m.Filter, corpus: m.Filter) -> tuple[list[m.Prefetch], m.FormulaQuery]:
    """The legs and the formula that fuses their scores; `corpus` is what IDF is counted over."""
    params = m.SearchParams(idf=m.IdfCorpusParams(corpus=corpus))
    vector = [query.dense.tolist()]

    def by_words(features: tuple[np.ndarray, np.ndarray]) -> m.Prefetch:
        nearest = m.NearestQuery(nearest=sparse(*features))
        return m.Prefetch(limit=query.prefetch, query=nearest, using=WORDS, filter=where, params=params)

    legs = [(by_words(features), weight, half) for features, weight, half in query.word_legs()]
    nearest = m.NearestQuery(nearest=vector)
    by_passage = m.Prefetch(limit=query.prefetch, query=nearest, using=PASSAGES, filter=where)
    meaning = m.Prefetch(
        limit=query.prefetch * (1 + len(legs)),
        query=nearest,
        using=SENTENCES,
        prefetch=[by_passage, *(leg for leg, _, _ in legs)],
    )
    parts: list[m.Expression] = [m.MultExpression(mult=[query.weights.dense, "$score[0]"])]
    for number, (_, weight, half) in enumerate(legs, start=1):
        score = f"$score[{number}]"
        saturated = m.DivExpression(
            div=m.DivParams(left=score, right=m.SumExpression(sum=[score, half]), by_zero_default=0.0)
        )
        parts.append(m.MultExpression(mult=[weight, saturated]))
    formula = m.FormulaQuery(
        formula=m.SumExpression(sum=parts), defaults={f"$score[{i}]": 0.0 for i in range(1 + len(legs))}
    )
    return [meaning, *(leg for leg, _, _ in legs)], formula


def sparse(places: np.ndarray, weights: np.ndarray) -> m.SparseVector:
    return m.SparseVector(indices=places.tolist(), values=weights.tolist())
