"""A LangChain retriever: `FolioscopeRetriever(url="http://127.0.0.1:8321").invoke("Who lit the lamp?")`.

Needs the extra `langchain` (langchain-core).
"""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field, SecretStr

from api.retrievers.pages import Content, FoundPage, Source


class FolioscopeRetriever(BaseRetriever):
    """Documents are pages; `metadata` names document, page and source. Options are those of
    `api.retrievers.pages.Source`; `limit` and `where` can also be given with a call. Raises `RetrievalError`.
    """

    model_config = ConfigDict(extra="forbid")  # a filter under another name would filter nothing

    url: str = "http://127.0.0.1:8321"
    api_key: SecretStr | None = None
    limit: int = 5
    content: Content = "page"
    where: dict[str, Any] = Field(default_factory=dict)
    rerank: bool = True
    timeout_s: float = 30.0
    transport: Any = Field(default=None, exclude=True, repr=False)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002
        limit: int | None = None,
        where: dict[str, Any] | None = None,
    ) -> list[Document]:
        return [_document(page) for page in self._source(limit, where).find(query)]

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002
        limit: int | None = None,
        where: dict[str, Any] | None = None,
    ) -> list[Document]:
        return [_document(page) for page in await self._source(limit, where).find_async(query)]

    def _source(self, limit: int | None, where: dict[str, Any] | None) -> Source:
        key = self.api_key.get_secret_value() if self.api_key else None
        return Source.of(self, key, limit, where)


def _document(page: FoundPage) -> Document:
    return Document(id=page.id, page_content=page.text, metadata=page.metadata)
