"""A Haystack component: `FolioscopeRetriever(url="http://127.0.0.1:8321").run(query="Who lit the lamp?")["documents"]`.

Needs the extra `haystack` (haystack-ai). The key comes from a Haystack `Secret`, so that pipelines can be saved;
loading one needs `allowed_modules=["api.retrievers.haystack"]`.
"""

from __future__ import annotations

from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict
from haystack.utils import Secret, deserialize_secrets_inplace

from api.retrievers.pages import Content, Source


@component
class FolioscopeRetriever:
    """Documents are pages. Options are those of `api.retrievers.pages.Source`. Raises `RetrievalError`."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8321",
        api_key: Secret | None = None,
        limit: int = 5,
        content: Content = "page",
        where: dict[str, Any] | None = None,
        rerank: bool = True,
        timeout_s: float = 30.0,
    ) -> None:
        self.url = url
        self.api_key = api_key
        self.limit = limit
        self.content = content
        self.where = where or {}
        self.rerank = rerank
        self.timeout_s = timeout_s
        self.transport: Any = None  # for tests

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, limit: int | None = None, where: dict[str, Any] | None = None
    ) -> dict[str, list[Document]]:
        """The pages found, best first; `limit` and `where` go before those of the component."""
        key = self.api_key.resolve_value() if self.api_key else None
        pages = Source.of(self, key, limit, where).find(query)
        return {
            "documents": [
                Document(id=page.id, content=page.text, meta=page.metadata, score=page.score) for page in pages
            ]
        }

    def to_dict(self) -> dict[str, Any]:
        """For a saved pipeline; the key stays where it comes from."""
        key = self.api_key.to_dict() if self.api_key else None
        return default_to_dict(
            self,
            url=self.url,
            api_key=key,
            limit=self.limit,
            content=self.content,
            where=self.where,
            rerank=self.rerank,
            timeout_s=self.timeout_s,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> FolioscopeRetriever:
        """From a saved pipeline."""
        deserialize_secrets_inplace(data["init_parameters"], keys=["api_key"])
        return default_from_dict(cls, data)
