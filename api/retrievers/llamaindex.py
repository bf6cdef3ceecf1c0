"""A LlamaIndex retriever: `FolioscopeRetriever(url="http://127.0.0.1:8321").retrieve("Who lit the lamp?")`.

Needs the extra `llamaindex` (llama-index-core).
"""

from __future__ import annotations

from typing import Any

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from api.retrievers.pages import FoundPage, Source


class FolioscopeRetriever(BaseRetriever):
    """Nodes are pages. Options are those of `api.retrievers.pages.Source`. Raises `RetrievalError`."""

    def __init__(self, **options: Any) -> None:
        self._source = Source(**options)
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [_node(page) for page in self._source.find(query_bundle.query_str)]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [_node(page) for page in await self._source.find_async(query_bundle.query_str)]


def _node(page: FoundPage) -> NodeWithScore:
    return NodeWithScore(node=TextNode(id_=page.id, text=page.text, metadata=page.metadata), score=page.score)
