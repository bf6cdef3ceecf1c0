"""Deterministic ids: the same bytes of the same tenant are the same document, for ever.

Knows nothing but uuid5. Changing `NAMESPACE` or a separator orphans every stored archive.
"""

from __future__ import annotations

import uuid

NAMESPACE = uuid.UUID("6d1f0e9a-3f57-5c0e-9c0b-6f6c696f7363")


def document_id(tenant: str, sha256: str) -> str:
    """The id of a document: uuid5 of tenant and content hash (hex)."""
    return str(uuid.uuid5(NAMESPACE, f"{tenant}|{sha256}"))


def page_id(document: str, page: int) -> str:
    """The id of a page's point; `page` counts from 1."""
    return str(uuid.uuid5(NAMESPACE, f"{document}|{page}"))
