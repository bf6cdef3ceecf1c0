"""A LangChain retriever: `FolioscopeRetriever(url="http://127.0.0.1:8321").invoke("Who lit the lamp?")`.

Needs the extra `langchain` (langchain-core).
"""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field, SecretStr

from api.retrievers.pages import Content, FoundPage, Source


class FolioscopeRetriever(BaseRetriever):
    """Documents are pages; `metadata` names document, page and source. Raises `RetrievalError`."""

    url: str = "http://127.0.0.1:8321"
    api_key: SecretStr | None = None
    limit: int = 5
    content: Content = "page"
    where: dict[str, Any] = Field(default_factory=dict)
    transport: Any = Field(default=None, exclude=True, repr=False)

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:  # noqa: ARG002
        return [_document(page) for page in self._source().find(query)]

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002
    ) -> list[Document]:
        return [_document(page) for page in await self._source().find_async(query)]

    def _source(self) -> Source:
        key = self.api_key.get_secret_value() if self.api_key else None
        return Source(self.url, key, self.limit, self.content, self.where, transport=self.transport)


def _document(page: FoundPage) -> Document:
    return Document(id=page.id, page_content=page.text, metadata=page.metadata)
