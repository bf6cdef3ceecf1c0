"""The composition of one process that does all: recovered, reading, closed in order at the end.

`worker.stack` is the composition of many; `worker.wiring` builds what is the same in both.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from worker import wiring
from worker.decoding import LocalDecoder
from worker.deletion import Deletion
from worker.engine.choice import readers as readers_for
from worker.engine.choice import vision_dim
from worker.engine.engine import Engine
from worker.housekeeper import LocalHousekeeper
from worker.jobs import now
from worker.library import Library
from worker.queue_local import LocalQueue
from worker.recovery import CrashLog, Recovery
from worker.service import Readiness
from worker.settings import Settings
from worker.webhooks.setup import webhook_parts

_SHUTDOWN_S = 20.0


@contextmanager
def open_single(settings: Settings) -> Iterator[Library]:
    """The whole service. What was opened is closed again, in the other order, wherever a start fails."""
    with ExitStack() as stack:
        engine = wiring.build_engine(settings)
        stack.callback(wiring.close_engine, engine)
        truth = wiring.open_truth(settings, vision_dim=vision_dim(settings, engine))
        stack.callback(truth.close)
        # Its end comes before the data directory is let go of: the next process has a log under the same name.
        crash_log = CrashLog(settings.data_dir / "crash.log")
        stack.callback(crash_log.disarm)
        processors = os.cpu_count() or 1
        readers = readers_for(settings, engine, processors)
        # One child more than readers, so that a person who looks at a page does not wait for them.
        children = min(readers, max(processors, settings.readers)) + 1
        renderer = wiring.build_renderer(settings, children=children)
        stack.callback(renderer.close)
        bell = wiring.Bell()
        jobs = wiring.build_jobs(settings, truth, renderer, engine, bell)
        tidy = wiring.tidying(truth)
        recovery = Recovery(truth.catalog, truth.store, bell, now, tidy=tidy, splits=truth.splits)
        deletion = Deletion(truth.blobs, truth.catalog, truth.store, now)
        queue = LocalQueue(jobs.run, readers=readers, on_drained=recovery.reconcile)
        stack.callback(queue.close, timeout_s=_SHUTDOWN_S)
        # Once more and before the queue: its threads wait for pages that the engine holds.
        stack.callback(wiring.close_engine, engine)
        bell.ring = queue.ring
        library = wiring.build_library(
            settings,
            truth,
            jobs=jobs,
            queue=queue,
            deletion=deletion,
            renderer=renderer,
            readiness=_readiness(settings, engine, truth.embedder.name, readers, renderer.protections()),
            inside=lambda: queue.inside(f"{engine.name}@{engine.revision}"),
            decoder=LocalDecoder(truth.store, engine, jobs.keep),
        )
        forget = (
            library.uploads.sweep,
            library.idempotency.sweep,
            library.conversations.sweep,
            lambda: wiring.sweep_half_written(settings),
            lambda: deletion.finish(sweep=tidy),
            truth.catalog.thin_tombstones,
        )
        housekeeper = LocalHousekeeper(recovery, forget, settings.housekeeping_s)
        stack.callback(housekeeper.stop)
        webhooks = webhook_parts(settings, truth.catalog, truth.store).runner(library.document)
        stack.callback(webhooks.stop)
        truth.blobs.sweep()
        truth.catalog.sweep()
        deletion.finish_begun()
        recovery.reclaim(crashed=crash_log.crashed)
        crash_log.arm()
        queue.start()
        housekeeper.start()
        webhooks.start()
        yield library


def _readiness(
    settings: Settings, engine: Engine, embedder: str, readers: int, protections: tuple[str, ...]
) -> Readiness:
    return Readiness(
        ready=True,
        engine=f"{engine.name}@{engine.revision}",
        embedder=embedder,
        checks={
            "engine": wiring.reason_of(engine),
            "index": "qdrant-edge",
            "queue": f"in-process, {readers} readers",
            "reading": wiring.reading_policy(settings, engine),
            "sandbox": ", ".join(protections),
        },
    )
