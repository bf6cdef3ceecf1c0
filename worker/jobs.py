"""The jobs: accept, expand, read. The only implementation; queues are thin shells around it.

What they promise:

* `accept` returns when the document is durable (`worker.intake`). Nothing later can lose it.
* `expand` (`worker.expansion`) and `read` (`worker.attempts`) may be rung any number of times, at any time, by anybody:
  what is done already is not done again, and a job that was cut off half-way is simply done again.
* A page that fails fails alone, with a code; its number stays.
* `keep` decodes a page that was read without that, when somebody needs it (`worker.writeback`).

They know no HTTP, no threads and no broker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from index.blobs import BlobStore
from index.catalog import Catalog
from index.embedder import Embedder
from index.store import Store
from ingest.archives import ArchiveLimits
from ingest.renderer import Renderer
from worker import logs, tracing
from worker.attempts import Attempts
from worker.expansion import Expansion
from worker.intake import Intake
from worker.queue import Expand, Job, Read
from worker.read_again import ReadAgain
from worker.reading import PageReader
from worker.writeback import Hold, Writeback


@dataclass(frozen=True, slots=True)
class JobLimits:
    max_attempts: int = 3
    max_file_bytes: int = 8 << 30
    archives: ArchiveLimits = ArchiveLimits()


def now() -> datetime:
    """The clock of all records."""
    return datetime.now(UTC)


class Jobs:
    """The jobs over one set of ports. Thread-safe as far as its ports are. `hold` claims a page among processes;
    `progress` is called when a job that may be long has got further.
    """

    def __init__(
        self,
        *,
        blobs: BlobStore,
        catalog: Catalog,
        store: Store,
        renderer: Renderer,
        reader: PageReader,
        embedder: Embedder,
        ring: Callable[[Iterable[Job]], None],
        limits: JobLimits | None = None,
        clock: Callable[[], datetime] = now,
        hold: Hold | None = None,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        limits = limits or JobLimits()
        self.again = ReadAgain(catalog, store, ring, clock)
        self.keep = Writeback(
            store=store, catalog=catalog, blobs=blobs, reader=reader, embedder=embedder, clock=clock, hold=hold
        )
        self.intake = Intake(blobs=blobs, catalog=catalog, again=self.again, ring=ring, clock=clock)
        self.expansion = Expansion(
            blobs=blobs,
            catalog=catalog,
            store=store,
            renderer=renderer,
            intake=self.intake,
            ring=ring,
            max_file_bytes=limits.max_file_bytes,
            archives=limits.archives,
            clock=clock,
            progress=progress,
        )
        self.attempts = Attempts(
            blobs=blobs,
            catalog=catalog,
            store=store,
            reader=reader,
            embedder=embedder,
            ring=ring,
            max_attempts=limits.max_attempts,
            clock=clock,
            progress=progress,
        )
        self.accept, self.expand, self.read = self.intake.accept, self.expansion.expand, self.attempts.read

    def run(self, job: Job) -> None:
        """What a queue calls for a message."""
        match job:
            case Expand(tenant, document_id):
                with logs.about(document_id), tracing.document_span("expand", document_id):
                    self.expand(tenant, document_id)
            case Read(key):
                with logs.about(key.document_id, key.page):
                    self.read(key)
