"""Decoding on need: what a question had to have decoded is written back, so that it is done once.

Three things can be wanted of a stored page (`Want`). What is found is written in one update-only commit: a page whose
document was deleted meanwhile stays deleted, and text, passages, vectors and tokens of a page always belong together.
`PagePoint.tried` remembers what was done, also where it brought nothing.

Two who want the same at once: the second waits for the first and then finds it done. Between processes that is a claim;
without claims (one process) it is a lock.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime

from index.blobs import BlobStore
from index.catalog import Catalog
from index.embedder import Embedder
from index.errors import Conflict, NotFound
from index.ids import page_id
from index.passages import embed_passages
from index.store import PageUpdate, Store
from index.types import Note, PageKey, PagePoint, PageReading, PageState, Reader
from worker import metrics
from worker.engine.prompts import Prompt, Task
from worker.patience import Patience
from worker.reading import PageReader

_POOR = 0.5
"""Trust below which a decoded text is held to be worse than a draft that is trusted more."""
MAX_NOTE = 8000
"""Characters of a note that are kept: a chart as a table is far shorter, a decoder that raves is not."""

Hold = Callable[[str], AbstractContextManager[object | None]]
"""A claim by name; its context is None while another process has it."""


class Want(enum.StrEnum):
    """What may be done to a stored page on need, in the words of `PagePoint.tried`."""

    MARKDOWN = "markdown"  # its text, from its tokens
    FIGURE = "figure"  # its figures, from its tokens: a note beside the text
    FINER = "finer"  # another reading of the original, in the next finer mode


def is_done(point: PagePoint, want: Want) -> bool:
    """Whether it need not, or cannot, be done: it was, or the page's text is what these tokens give already."""
    if want in point.tried:
        return True
    if want is Want.MARKDOWN and point.decoded and point.vision is not None:
        made = point.vision
        return point.reader == Reader(made.engine, made.revision, made.mode)
    return False


class Writeback:
    """Thread-safe."""

    def __init__(
        self,
        *,
        store: Store,
        catalog: Catalog,
        blobs: BlobStore,
        reader: PageReader,
        embedder: Embedder,
        clock: Callable[[], datetime],
        hold: Hold | None = None,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._blobs = blobs
        self._reader = reader
        self._embedder = embedder
        self._clock = clock
        self._hold = hold
        self._guard = threading.Lock()
        self._locks: dict[PageKey, tuple[threading.Lock, int]] = {}

    def __call__(self, key: PageKey, want: Want, patience: Patience) -> bool:
        """Do it, unless it is done; whether it was done now. Raises as `PageDecoder.keep`."""
        with self._alone(key, patience):
            point = self._store.get([key], with_vision=True)[0]
            if point is None:
                raise gone(key)
            if point.state is not PageState.DONE:
                raise being_read()
            if is_done(point, want):
                return False
            with metrics.step(f"keep_{want.value}"):
                change = self._change(point, want, patience)
            now = self._store.get([key])[0]
            if now is not None and now.state is PageState.DONE and now.updated_at != point.updated_at:
                return False  # the page was read anew while this was decoded: what is there now is newer
            if not self._store.update([replace(change, only_in=PageState.DONE)])[0]:
                if self._store.get([key])[0] is None:
                    raise gone(key)
                raise being_read()
            return True

    def _change(self, point: PagePoint, want: Want, patience: Patience) -> PageUpdate:
        tried = tuple(sorted({*point.tried, want.value}))
        match want:
            case Want.MARKDOWN:
                found: PageReading | None = self._reader.reading_of(point, patience)
            case Want.FINER:
                found = self._finer(point, patience)
            case Want.FIGURE:
                decoded = self._reader.decode(point, Prompt(Task.FIGURE), patience)
                others = [note for note in point.notes if note.prompt != want.value]
                note = Note(want.value, decoded.text[:MAX_NOTE].strip(), decoded.trust)
                return PageUpdate(point.key, self._clock(), tried=tried, notes=(*others, note))
        if found is None or not _is_better(found, point):
            return PageUpdate(point.key, self._clock(), tried=tried)
        with metrics.step("embed"):
            passages = embed_passages(self._embedder, found.text)
        return PageUpdate(point.key, self._clock(), reading=replace(found, tried=()), passages=passages, tried=tried)

    def _finer(self, point: PagePoint, patience: Patience) -> PageReading | None:
        key = point.key
        entry = self._catalog.get(key.tenant, key.document_id)
        if entry is None:
            raise gone(key)
        path = self._blobs.path(entry.manifest.sha256)
        return self._reader.read_finer(path, entry.manifest, point, entry.password, patience)

    @contextmanager
    def _alone(self, key: PageKey, patience: Patience) -> Iterator[None]:
        with self._guard:
            lock, users = self._locks.get(key, (threading.Lock(), 0))
            self._locks[key] = (lock, users + 1)
        try:
            patience.acquire(lock)
            try:
                # Not the claim of reading it: a ring to read the page anew must not be lost on this.
                with self._claimed(f"keep-{page_id(key.document_id, key.page)}", patience):
                    yield
            finally:
                lock.release()
        finally:
            with self._guard:
                lock, users = self._locks[key]
                if users == 1:
                    del self._locks[key]
                else:
                    self._locks[key] = (lock, users - 1)

    @contextmanager
    def _claimed(self, name: str, patience: Patience) -> Iterator[None]:
        if self._hold is None:
            yield
            return
        while True:
            with self._hold(name) as claim:
                if claim is not None:
                    yield
                    return
            patience.pause()


def _is_better(found: PageReading, point: PagePoint) -> bool:
    """Whether a reading takes the place of the page's text. A draft gives way to any decoding that is not poor: a
    decoder that raves or loops must not take away a text that the page is found by.
    """
    return found.trust > point.trust or (not point.decoded and not (point.draft and found.trust < _POOR))


def being_read() -> Conflict:
    return Conflict("The page is just being read; ask again in a moment.", code="not_read")


def gone(key: PageKey) -> NotFound:
    return NotFound(f"Page {key.page} of {key.document_id} was deleted.", code="deleted")
