"""Single pages of documents: as they are stored, as pictures, and what their vision tokens say. Changes nothing.

Behind `worker.library`, whose promises these are (`worker.service`).
"""

from __future__ import annotations

from index.blobs import BlobStore
from index.catalog import Catalog, Entry
from index.errors import Conflict, NotFound
from index.store import Store
from index.types import PageKey, PagePoint
from worker.decoding import Located, PageDecoder, locate, require_tokens
from worker.engine.engine import Decoded
from worker.engine.prompts import Prompt
from worker.holdings import Holdings
from worker.images import PageImages
from worker.service import DocumentView


class Pages:
    """Thread-safe."""

    def __init__(
        self,
        blobs: BlobStore,
        catalog: Catalog,
        store: Store,
        *,
        holdings: Holdings,
        images: PageImages,
        decoder: PageDecoder,
    ) -> None:
        self._blobs = blobs
        self._catalog = catalog
        self._store = store
        self._holdings = holdings
        self._images = images
        self._decoder = decoder

    def page(self, tenant: str, document_id: str, page: int) -> tuple[DocumentView, PagePoint]:
        entry = self._holdings.entry(tenant, document_id)
        point = self._store.get([PageKey(tenant, document_id, page)])[0]
        if point is None:
            raise self._no_page(entry, page)
        return self._holdings.view(entry), point

    def page_image(self, tenant: str, document_id: str, page: int, *, width: int, kind: str) -> bytes:
        entry = self._holdings.entry(tenant, document_id)
        manifest = entry.manifest
        split = self._catalog.split(tenant, document_id)
        if split is None or not 1 <= page <= len(split.pages):
            raise self._no_page(entry, page)
        point = self._store.get([PageKey(tenant, document_id, page)])[0]
        return self._images.image(
            self._blobs.path(manifest.sha256),
            manifest,
            page,
            entry.password,
            size=split.pages[page - 1],
            rotation=point.rotation if point else 0,
            width=width,
            kind=kind,
        )

    def decode(self, tenant: str, document_id: str, page: int, prompt: Prompt) -> Decoded:
        _, point = self.page(tenant, document_id, page)
        require_tokens(point)
        return self._decoder.decode(point.key, prompt)

    def locate(self, tenant: str, document_id: str, page: int, phrase: str) -> Located:
        _, point = self.page(tenant, document_id, page)
        require_tokens(point)
        return locate(self._decoder, point.key, phrase)

    def _no_page(self, entry: Entry, page: int) -> NotFound | Conflict:
        split = self._catalog.split(entry.manifest.tenant, entry.manifest.document_id)
        if split is None:
            return Conflict("The document was accepted but not opened yet; ask again in a moment.", code="not_ready")
        if split.error_code:
            return NotFound(f"The file could not be opened ({split.error_code}); it has no pages.")
        if not split.pages:
            return NotFound("This is an archive: the documents in it, its `members`, have the pages.")
        count = len(split.pages)
        return NotFound(f"The document has {count} page{'' if count == 1 else 's'}; there is no page {page}.")
