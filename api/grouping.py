"""Search results grouped by document: documents in the order of their best page."""

from __future__ import annotations

from api import convert
from api.schemas_asking import GroupJSON, HitJSON, SearchResponseJSON
from index.types import SearchFilter
from worker.service import ServiceProtocol

HITS_PER_DOCUMENT = 5

_BATCH = 100
_MOST_HITS = 1000


def search(
    service: ServiceProtocol,
    tenant: str,
    query: str,
    where: SearchFilter,
    *,
    limit: int,
    offset: int,
    rerank: bool = False,
) -> SearchResponseJSON:
    """`limit` and `offset` count documents. Looks at the best `_MOST_HITS` pages at most. Blocks."""
    groups: dict[str, list[HitJSON]] = {}
    took_ms, reranked = 0.0, False
    for start in range(0, _MOST_HITS, _BATCH):
        result = service.search(tenant, query, where, limit=_BATCH, offset=start, rerank=rerank)
        took_ms += result.took_ms
        reranked |= result.reranked
        for hit in result.hits:
            of_document = groups.setdefault(hit.key.document_id, [])
            if len(of_document) < HITS_PER_DOCUMENT:
                of_document.append(convert.hit(hit))
        if len(result.hits) < _BATCH or len(groups) >= offset + limit:
            break
    return SearchResponseJSON(
        query=query,
        hits=[],
        groups=[
            GroupJSON(document_id=document_id, filename=hits[0].filename, hits=hits)
            for document_id, hits in list(groups.items())[offset : offset + limit]
        ],
        total_pages=result.total_pages,
        undecoded_pages=result.undecoded_pages,
        reranked=reranked,
        took_ms=round(took_ms, 2),
    )
