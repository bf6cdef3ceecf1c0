"""The `Store` port: page points, their state, and search over them.

What every implementation promises:

* Every method takes the tenant first (inside a `PageKey` or as an argument) and never sees
  another tenant's points.
* A method returns when its change survives SIGKILL of the process.
* `add_pending` inserts only: a page that is there keeps its state.
* `update` changes points that exist and nothing else; a page whose document was deleted in
  the meantime stays deleted. It says which pages it found.
* Vision tokens come back bit for bit, whatever happens to the page besides, until it is read again. What a Qdrant
  server would refuse (`index/vision.py`), every store refuses.
* Errors: `StoreUnavailable` when the store does not answer, `ConfigError` when the index was
  made with another embedder, `InternalError` else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from index.types import Hit, Note, PageKey, PageLabels, PagePoint, PageReading, PageState, SearchFilter

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class PassageVectors:
    """Passages of a page: character spans in its text, and float32 `(passages, dim)`, unit length; and the same
    for its sentences, which decide among the pages that passages find.
    """

    spans: tuple[tuple[int, int], ...]
    vectors: np.ndarray
    sentence_spans: tuple[tuple[int, int], ...] = ()
    sentence_vectors: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class PageUpdate:
    """A change of one page. Fields that are None stay as they are.

    A commit carries `state=done, reading, passages`; a failure `state=failed, error_code`; the
    start of an attempt `attempts` and an empty `error_code` (which clears it); a new origin of the
    document `labels`; what was decoded on need `tried` and `notes`, all of them. `state=pending` with `attempts=0` asks
    for reading again and drops what was read.

    `only_in`: nothing is changed, and the page counts as not there, unless it is in this state; looked at in one step
    with the change.
    """

    key: PageKey
    updated_at: datetime
    state: PageState | None = None
    attempts: int | None = None
    interruptions: int | None = None
    error_code: str | None = None
    reading: PageReading | None = None
    passages: PassageVectors | None = None
    labels: PageLabels | None = None
    tried: tuple[str, ...] | None = None
    notes: tuple[Note, ...] | None = None
    only_in: PageState | None = None


@dataclass(frozen=True, slots=True)
class PageCounts:
    """Pages by state. Of the `done` ones `undecoded` have vision tokens only, and no text yet; of `drafts` it is a
    quick one, to be found by until they are decoded.
    """

    pending: int = 0
    done: int = 0
    failed: int = 0
    undecoded: int = 0
    drafts: int = 0

    @property
    def total(self) -> int:
        return self.pending + self.done + self.failed


class Store(Protocol):
    def add_pending(self, keys: Sequence[PageKey], labels: PageLabels, at: datetime) -> None:
        """Insert pages as `pending`; pages that exist already keep what they have."""

    def update(self, changes: Sequence[PageUpdate]) -> list[bool]:
        """Apply the changes in order, update-only; for each, whether the page was there."""

    def get(self, keys: Sequence[PageKey], *, with_vision: bool = False) -> list[PagePoint | None]:
        """The points with text, regions and words, in the order of `keys`; None where there is none.
        `with_vision` adds the vision tokens, float16, bit for bit as they were stored.
        """

    def scan(
        self,
        tenant: str | None,
        *,
        document_ids: Sequence[str] = (),
        states: Sequence[PageState] = (),
        where: SearchFilter | None = None,
        undecoded: bool = False,
        with_content: bool = False,
    ) -> Iterable[PagePoint]:
        """All points that match, in no promised order, read in bounded pieces. `tenant=None` (recovery
        and verify only) spans tenants; `undecoded`: only pages that have vision tokens and no text yet; without
        content, text, passages, regions and words stay empty.
        """

    def count(
        self, tenant: str | None, *, document_id: str | None = None, where: SearchFilter | None = None
    ) -> PageCounts:
        """Pages by state, of one document or of all that a filter leaves; of all tenants with None (metrics)."""

    def search(self, tenant: str, query: str, where: SearchFilter, *, limit: int, offset: int = 0) -> list[Hit]:
        """Hybrid search over pages that are done, best first, with snippets. See `index/search.py`."""

    def delete(self, tenant: str, document_id: str) -> int:
        """Remove all points of a document; how many there were."""
