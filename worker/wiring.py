"""The composition root: settings in, a running `Library` out. Nothing else knows which implementation
stands behind a port.

Heavy packages are imported where they are needed, so that `folioscope --help` does not wait for torch.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from index.blobs_dir import DirBlobStore
from index.catalog_dir import DirCatalog
from index.embedder import Embedder
from index.errors import ConfigError
from index.ownership import Ownership
from index.store_edge import EdgeStore
from worker.answerer import Answerer
from worker.deletion import Deletion
from worker.engine.engine import Engine
from worker.library import Library
from worker.queue import Job, Queue
from worker.recovery import CrashLog, Recovery
from worker.settings import Settings

if TYPE_CHECKING:
    from index.store_server import ServerStore
    from ingest.sandbox import SandboxRenderer
    from worker.jobs import Jobs
    from worker.service import Readiness

log = logging.getLogger("folioscope.wiring")

_SHUTDOWN_S = 20.0


@dataclass(frozen=True, slots=True)
class Truth:
    """What every command needs: blobs, catalog and index of one data directory."""

    blobs: DirBlobStore
    catalog: DirCatalog
    store: EdgeStore | ServerStore
    embedder: Embedder
    ownership: Ownership

    def close(self) -> None:
        self.store.close()
        self.ownership.release()


def open_truth(settings: Settings) -> Truth:
    """Open the data directory. `StoreUnavailable` when another process has it, unless both are of a full stack."""
    ownership = Ownership(settings.data_dir, shared=settings.broker_url is not None)
    try:
        embedder = build_embedder_for(settings)
        store = EdgeStore.open(settings.data_dir / "index", embedder)
        blobs = DirBlobStore(settings.data_dir, min_free_bytes=settings.min_free_bytes)
        return Truth(blobs, DirCatalog(settings.data_dir), store, embedder, ownership)
    except BaseException:
        ownership.release()
        raise


def build_embedder_for(settings: Settings) -> Embedder:
    from index.embedder_st import build_embedder

    return build_embedder(settings.embedder, settings.data_dir / "cache")


def build_engine(settings: Settings) -> Engine:
    """The engine that `settings.engine` names; `ConfigError` for one that is not here."""
    if settings.engine not in {"auto", "rapidocr"}:
        raise ConfigError(
            f"There is no engine {settings.engine!r}; FOLIOSCOPE_ENGINE can be `auto` or `rapidocr`.",
            code="unknown_engine",
        )
    from worker.engine.rapidocr import RapidOcrEngine

    return RapidOcrEngine(cache_dir=settings.data_dir / "cache")


def build_answerer(settings: Settings, embedder: Embedder) -> Answerer:
    """The answerer that `settings.answerer` names; `ConfigError` when its settings are not enough."""
    if settings.answerer == "llm":
        from worker.answer.chat import ChatConfig, ChatModel
        from worker.answer_llm import LlmAnswerer

        if not settings.llm_model:
            raise ConfigError(
                "FOLIOSCOPE_ANSWERER=llm needs FOLIOSCOPE_LLM_MODEL, the model's name on the server.",
                code="bad_setting",
            )
        key = settings.llm_api_key.get_secret_value() if settings.llm_api_key else None
        chat = ChatConfig(settings.llm_base_url, settings.llm_model, key, settings.llm_timeout_s)
        return LlmAnswerer(ChatModel(chat), context_chars=settings.llm_context_chars)
    from worker.answer_extractive import ExtractiveAnswerer

    return ExtractiveAnswerer(embedder)


class Bell:
    """Passes jobs to a queue that is made after those who ring it."""

    def __init__(self) -> None:
        self.ring: Callable[[Iterable[Job]], None] = lambda _jobs: None

    def __call__(self, jobs: Iterable[Job]) -> None:
        self.ring(jobs)


def build_renderer(settings: Settings, *, children: int) -> SandboxRenderer:
    """The sandbox with so many processes."""
    from ingest.sandbox import SandboxConfig, SandboxRenderer

    return SandboxRenderer(
        SandboxConfig(
            children=children,
            max_pixels=settings.page_pixels,
            max_pages=settings.max_pages,
            memory_bytes=settings.render_memory_bytes,
            page_timeout_s=settings.page_timeout_s,
        )
    )


def build_jobs(
    settings: Settings,
    truth: Truth,
    renderer: SandboxRenderer,
    engine: Engine,
    ring: Callable[[Iterable[Job]], None],
) -> Jobs:
    """The jobs over these ports."""
    from ingest.archives import ArchiveLimits
    from worker.jobs import JobLimits, Jobs
    from worker.reading import PageReader, ReadingConfig

    return Jobs(
        blobs=truth.blobs,
        catalog=truth.catalog,
        store=truth.store,
        renderer=renderer,
        reader=PageReader(renderer, engine, engine, ReadingConfig(page_pixels=settings.page_pixels)),
        embedder=truth.embedder,
        ring=ring,
        limits=JobLimits(
            max_attempts=settings.max_attempts,
            max_file_bytes=settings.max_upload_bytes,
            archives=ArchiveLimits(max_members=settings.max_members, max_expanded_bytes=settings.max_expanded_bytes),
        ),
    )


def build_library(
    settings: Settings,
    truth: Truth,
    *,
    jobs: Jobs,
    queue: Queue,
    deletion: Deletion,
    renderer: SandboxRenderer,
    readiness: Readiness | Callable[[], Readiness],
) -> Library:
    """The library over these ports."""
    from worker.asking.conversation import Conversations
    from worker.images import PageImages
    from worker.library import Library
    from worker.uploads import ResumableUploads, UploadConfig

    return Library(
        blobs=truth.blobs,
        catalog=truth.catalog,
        store=truth.store,
        jobs=jobs,
        queue=queue,
        deletion=deletion,
        images=PageImages(renderer, cache_bytes=settings.image_cache_bytes),
        answerer=build_answerer(settings, truth.embedder),
        readiness=readiness,
        max_upload_bytes=settings.max_upload_bytes,
        uploads=ResumableUploads(
            settings.data_dir / "uploads",
            UploadConfig(settings.max_upload_bytes, settings.min_free_bytes, settings.upload_keep_s),
        ),
        conversations=Conversations(settings.data_dir / "conversations"),
    )


@contextmanager
def open_service(settings: Settings) -> Iterator[Library]:
    """The service: whole in this process (recovered, reading, closed in order at the end); or, with a broker set, the
    part of the full stack that talks to people.
    """
    if settings.broker_url is not None:
        from worker.stack import open_front

        with open_front(settings) as library:
            yield library
        return
    from worker.jobs import now
    from worker.queue_local import LocalQueue
    from worker.service import Readiness

    truth = open_truth(settings)
    readers = settings.readers or os.cpu_count() or 1
    engine = build_engine(settings)
    crash_log = CrashLog(settings.data_dir / "crash.log")
    # One child more than readers, so that a person who looks at a page does not wait for them.
    renderer = build_renderer(settings, children=readers + 1)
    bell = Bell()
    jobs = build_jobs(settings, truth, renderer, engine, bell)
    complete = truth.catalog.complete()
    recovery = Recovery(truth.catalog, truth.store, bell, now, tidy=complete)
    deletion = Deletion(truth.blobs, truth.catalog, truth.store, now)
    queue = LocalQueue(jobs.run, readers=readers, on_drained=recovery.reconcile)
    bell.ring = queue.ring
    library = build_library(
        settings,
        truth,
        jobs=jobs,
        queue=queue,
        deletion=deletion,
        renderer=renderer,
        readiness=Readiness(
            ready=True,
            engine=f"{engine.name}@{engine.revision}",
            embedder=truth.embedder.name,
            checks={
                "index": "qdrant-edge",
                "queue": f"in-process, {readers} readers",
                "sandbox": ", ".join(renderer.protections()),
            },
        ),
    )
    housekeeper = _Housekeeper(recovery, settings.housekeeping_s)
    try:
        truth.blobs.sweep()
        truth.catalog.sweep()
        deletion.finish(sweep=complete)
        recovery.reclaim(crashed=crash_log.crashed)
        crash_log.arm()
        queue.start()
        housekeeper.start()
        yield library
    finally:
        housekeeper.stop()
        queue.close(timeout_s=_SHUTDOWN_S)
        renderer.close()
        truth.close()
        crash_log.disarm()


class _Housekeeper:
    """Reconciles at the start and every few minutes."""

    def __init__(self, recovery: Recovery, every_s: float) -> None:
        self._recovery = recovery
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_SHUTDOWN_S)

    def _run(self) -> None:
        while True:
            try:
                rung = self._recovery.reconcile()
                if rung:
                    log.info("reconcile: %d jobs were due", rung)
            except Exception:
                log.exception("housekeeping failed; it runs again in %.0f s", self._every_s)
            if self._stop.wait(self._every_s):
                return
