"""The splits of all documents, cheap to ask for again and again.

A split that is final says the same for as long as its document lives, so it is looked up once; the others each time.
What is kept are numbers. A walk over a hundred thousand documents takes a sixth of a second, where looking up each
split took ten (docs/lab.md). Thread-safe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from index.catalog import Catalog, Entry
from index.types import Split


@dataclass(frozen=True, slots=True)
class Found:
    """`pages` None: nobody has opened it yet, or it is to be opened once more. `code` and `message` say why it could
    not be opened.
    """

    pages: int | None
    code: str | None = None
    message: str = ""


_UNOPENED = Found(None)


def is_awaited(catalog: Catalog, tenant: str, document_id: str, split: Split) -> bool:
    """Whether an archive that was opened is opened once more, or will be."""
    return not split.pages and split.error_code is None and catalog.being_opened(tenant, document_id)


class Splits:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._kept: dict[str, tuple[Entry, Found]] = {}

    def walk(self) -> Iterator[tuple[Entry, Found]]:
        """All documents of all tenants, as `Catalog.entries` gives them, with what came of opening them."""
        kept: dict[str, tuple[Entry, Found]] = {}
        same: dict[int, Found] = {}
        for entry in self._catalog.entries(None):
            document_id = entry.manifest.document_id
            known = self._kept.get(document_id)
            # Another entry: deleted and sent in again, or sent in another time.
            if known is None or known[0] is not entry:
                split = self._catalog.split(entry.manifest.tenant, document_id)
                if split is None:
                    yield entry, _UNOPENED
                    continue
                if not (split.final and split.pages):
                    again = is_awaited(self._catalog, entry.manifest.tenant, document_id, split)
                    found = Found(len(split.pages), split.error_code, split.error_message or "")
                    yield entry, _UNOPENED if again else found
                    continue
                pages = len(split.pages)
                known = entry, same.setdefault(pages, Found(pages))
            kept[document_id] = known
            yield known
        self._kept = kept
