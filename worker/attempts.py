"""Attempts: one page is read and committed, or it is recorded why not.

An attempt is written before the work, so that a page which takes its process down has had it. Three make a page
`failed`, with the code of the last one; its neighbours go on. What is not the page's doing costs it no attempt.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime

from index.blobs import BlobStore
from index.catalog import Catalog, Entry
from index.embedder import Embedder
from index.errors import FolioscopeError, Unavailable
from index.passages import embed_passages
from index.store import PageUpdate, Store
from index.types import PageKey, PagePoint, PageState
from worker import metrics, tracing
from worker.engine.engine import NO_MEMORY
from worker.lanes import Lanes
from worker.queue import Job, Read
from worker.reading import PageReader
from worker.recovery import CRASHED, is_suspect
from worker.shortages import Shortages
from worker.textlayer import LAYER_ENGINE

log = logging.getLogger("folioscope.jobs")

# Trying again cannot help: the file is what it is.
PERMANENT = frozenset(
    {
        "encrypted",
        "damaged",
        "empty",
        "page_too_fine",
        "page_too_large",
        "portfolio",
        "too_large",
        "too_many_pages",
        "no_such_page",
        "bomb",
        "unsupported_media_type",
        "blob_missing",
    }
)


class Attempts:
    """Thread-safe as far as its ports are. `progress` is called while a page waits for its turn: after a death all that
    were read beside it are read alone, one after the other, and the last of them waits long.
    """

    def __init__(
        self,
        *,
        blobs: BlobStore,
        catalog: Catalog,
        store: Store,
        reader: PageReader,
        embedder: Embedder,
        ring: Callable[[Iterable[Job]], None],
        max_attempts: int,
        clock: Callable[[], datetime],
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._blobs = blobs
        self._catalog = catalog
        self._store = store
        self._reader = reader
        self._embedder = embedder
        self._ring = ring
        self._max_attempts = max_attempts
        self._clock = clock
        self._lanes = Lanes(progress)
        self._shortages = Shortages()

    def read(self, key: PageKey) -> None:
        """Read one page and commit it, or record why not."""
        point = self._store.get([key])[0]
        entry = self._catalog.get(key.tenant, key.document_id)
        if point is None or entry is None or point.state is not PageState.PENDING or not self._shortages.due(key):
            return
        attempt = point.attempts + 1
        if attempt > self._max_attempts:
            self._fail(key, point.error_code or CRASHED, point.attempts)
            return
        # Read alone, so that if its process dies again no page beside it is blamed. So is a page for which there was no
        # memory, of which there is less beside others.
        alone = is_suspect(point) or key in self._shortages
        with self._lanes.enter(alone=alone), tracing.document_span("page", key.document_id, page=key.page):
            self._attempt(entry, point, attempt)

    def _attempt(self, entry: Entry, point: PagePoint, attempt: int) -> None:
        key = point.key
        # Written before the work: a page that takes its process down has had its attempt.
        if not self._store.update([PageUpdate(key, self._clock(), attempts=attempt, error_code="")])[0]:
            return
        try:
            reading = self._reader.read(
                self._blobs.path(entry.manifest.sha256), entry.manifest, key.page, entry.password
            )
            with metrics.step("embed"):
                passages = embed_passages(self._embedder, reading.text)
            commit = PageUpdate(
                key, self._clock(), state=PageState.DONE, error_code="", reading=reading, passages=passages
            )
            with metrics.step("commit"):
                self._store.update([commit])
            metrics.attempt_ended("done")
            if reading.reader.engine != LAYER_ENGINE:
                self._shortages.read(key)
        except Unavailable as error:
            if error.code in NO_MEMORY and self._shortages.met(key):
                self._failed_once(key, error.code, attempt, permanent=False)
                return
            # Not the page's fault, so not its attempt.
            self._store.update([PageUpdate(key, self._clock(), attempts=point.attempts, error_code=point.error_code)])
            raise
        except FolioscopeError as error:
            self._failed_once(key, error.code, attempt, permanent=error.code in PERMANENT)
        except Exception:
            log.exception("page %s of %s: attempt %d failed", key.page, key.document_id, attempt)
            self._failed_once(key, "internal_error", attempt, permanent=False)

    def _failed_once(self, key: PageKey, code: str, attempt: int, *, permanent: bool) -> None:
        metrics.attempt_ended(code)
        log.warning("page %s of %s: %s (attempt %d)", key.page, key.document_id, code, attempt)
        if permanent or attempt >= self._max_attempts:
            self._fail(key, code, attempt)
        else:
            self._store.update([PageUpdate(key, self._clock(), error_code=code)])
            self._ring([Read(key)])

    def _fail(self, key: PageKey, code: str, attempts: int) -> None:
        self._store.update([PageUpdate(key, self._clock(), state=PageState.FAILED, attempts=attempts, error_code=code)])
