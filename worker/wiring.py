"""The composition root: settings in, a running `Library` out. Nothing else knows which implementation
stands behind a port.

Heavy packages are imported where they are needed, so that `folioscope --help` does not wait for torch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from index import files
from index.blobs_dir import DirBlobStore
from index.catalog_dir import DirCatalog
from index.embedder import Embedder
from index.errors import ConfigError
from index.judge import Judge
from index.ownership import Ownership
from index.store_edge import EdgeStore, StoreConfig
from worker.answerer import Answerer
from worker.deletion import Deletion
from worker.engine.choice import choose
from worker.engine.engine import Engine
from worker.library import Library
from worker.queue import Job, Queue
from worker.settings import Settings
from worker.splits import Splits
from worker.webhooks.setup import webhook_parts

if TYPE_CHECKING:
    from index.server_config import ServerConfig
    from index.store_server import ServerStore
    from ingest.sandbox import SandboxRenderer
    from worker.answer_extractive import ExtractiveAnswerer
    from worker.asking.conversation import Conversations
    from worker.asking.decoding import DecodingConfig
    from worker.decoding import PageDecoder
    from worker.idempotency import IdempotencyKeys
    from worker.jobs import Jobs
    from worker.overview import Inside
    from worker.reading import ReadingConfig
    from worker.service import Readiness
    from worker.uploads import ResumableUploads
    from worker.writeback import Hold

log = logging.getLogger("folioscope.wiring")

_CPU_SHARE = 5 / 6
_HALF_WRITTEN_S = 3600.0
"""Far longer than writing a small file takes."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What every command needs: blobs, catalog and index of one data directory."""

    blobs: DirBlobStore
    catalog: DirCatalog
    store: EdgeStore | ServerStore
    embedder: Embedder
    ownership: Ownership
    splits: Splits

    def close(self) -> None:
        self.store.close()
        self.ownership.release()


def open_truth(settings: Settings, *, vision_dim: int | None = None) -> Truth:
    """Open the data directory. `StoreUnavailable` when another process has it, unless both are of a full stack.
    `vision_dim`: the index gets room for vision tokens of so many numbers.
    """
    ownership = Ownership(settings.data_dir, shared=settings.broker_url is not None)
    try:
        embedder = build_embedder_for(settings)
        store = build_store(settings, embedder, vision_dim=vision_dim)
        blobs = DirBlobStore(settings.data_dir, min_free_bytes=settings.min_free_bytes)
        catalog = DirCatalog(settings.data_dir)
        return Truth(blobs, catalog, store, embedder, ownership, Splits(catalog))
    except BaseException:
        ownership.release()
        raise


def tidying(truth: Truth) -> Callable[[], bool]:
    """Whether blobs and pages that no document names may be removed: asked each time, since files may be damaged, and
    mended, while a process runs. Never by a process that found blobs or pages and no documents when it began: what is
    uploaded then would make a directory that was not mounted, or not restored yet, look whole. Documents that are
    damaged then are there, and can be mended.
    """
    catalog = truth.catalog
    # In this order: what another process accepts between the looks has its documents' files when they are looked for.
    began_whole = not (any(truth.blobs.blobs()) or truth.store.count(None).total) or not catalog.empty()
    return lambda: began_whole and catalog.complete()


def server_config(settings: Settings, *, vision_dim: int | None = None) -> ServerConfig:
    """How the full stack's index server is reached; `ConfigError` where no setting says so."""
    from index.server_config import Placement, Quantization, ServerConfig

    if settings.qdrant_url is None:
        raise ConfigError(
            "FOLIOSCOPE_BROKER_URL is set, but not FOLIOSCOPE_QDRANT_URL: the processes of a full stack share an index "
            "server. Set both, or none for one process that does all.",
            code="bad_setting",
        )
    return ServerConfig(
        settings.qdrant_url,
        settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None,
        settings.qdrant_collection,
        grpc=settings.qdrant_grpc_port > 0,
        grpc_port=settings.qdrant_grpc_port or 6334,
        ca_file=settings.qdrant_ca_file,
        quantization=Quantization(settings.qdrant_quantization),
        placement=Placement(settings.qdrant_placement),
        shards=settings.qdrant_shards,
        replicas=settings.qdrant_replicas,
        vision_dim=vision_dim,
    )


def build_store(settings: Settings, embedder: Embedder, *, vision_dim: int | None = None) -> EdgeStore | ServerStore:
    """The index: a server in a full stack, a directory else. `vision_dim`: make room for vision tokens of so many
    numbers; None leaves it as it is.
    """
    if settings.broker_url is not None:
        from index.store_server import ServerStore

        return ServerStore.open(server_config(settings, vision_dim=vision_dim), embedder)
    return EdgeStore.open(settings.data_dir / "index", embedder, StoreConfig(vision_dim=vision_dim))


def drop_index(settings: Settings) -> None:
    """Throw the index away, wherever it is. The caller owns the data directory. `ConfigError` where it cannot be."""
    if settings.broker_url is not None:
        from index.store_server import ServerStore

        ServerStore.drop(server_config(settings))
    else:
        EdgeStore.drop(settings.data_dir / "index")


def build_embedder_for(settings: Settings) -> Embedder:
    from index.embedder_st import build_embedder

    return build_embedder(settings.embedder, settings.data_dir / "cache", prepared=settings.embedder_prepared)


def build_engine(settings: Settings) -> Engine:
    """The engine that `settings.engine` names; `ConfigError` for one that is not here. The log says which and why."""
    choice = choose(settings)
    log.info("engine %s@%s (%s)", choice.engine.name, choice.engine.revision, choice.reason)
    return choice.engine


def _decoding_config(settings: Settings) -> DecodingConfig:
    from worker.asking.decoding import DecodingConfig

    return DecodingConfig(settings.decode_pages, settings.decode_budget_s, settings.decode_trust)


def build_answerer(settings: Settings, extractive: ExtractiveAnswerer, decoder: PageDecoder) -> Answerer:
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
        chat = ChatConfig(
            settings.llm_base_url, settings.llm_model, key, settings.llm_timeout_s, settings.llm_max_tokens
        )
        return LlmAnswerer(ChatModel(chat), context_chars=settings.llm_context_chars)
    if settings.answerer == "decoder":
        from worker.answer_decoder import DecoderAnswerer

        return DecoderAnswerer(decoder, _decoding_config(settings))
    return extractive


def build_extractive(settings: Settings, embedder: Embedder) -> ExtractiveAnswerer:
    """The answerer without a language model, which also reads search results again."""
    from index.embedder_prepared import judge_folder
    from index.judge_model import SentenceJudge
    from worker.answer_extractive import ExtractiveAnswerer

    judge: Judge | None = None
    if settings.judge:
        prepared = settings.embedder_prepared
        judge = SentenceJudge(settings.data_dir / "cache", prepared=judge_folder(prepared) if prepared else None)
    return ExtractiveAnswerer(embedder, judge)


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
            # Ends a page that only computes a little earlier, and by a count of its own that a busy machine does not
            # hurry; it grows with the limit, or who waits longer would not get more.
            page_cpu_s=settings.page_timeout_s * _CPU_SHARE,
        )
    )


def build_jobs(
    settings: Settings,
    truth: Truth,
    renderer: SandboxRenderer,
    engine: Engine,
    ring: Callable[[Iterable[Job]], None],
    hold: Hold | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Jobs:
    """The jobs over these ports. `hold` claims a page among processes, `progress` hears of long jobs that go on."""
    from ingest.archives import ArchiveLimits
    from worker.jobs import JobLimits, Jobs
    from worker.reading import PageReader

    if settings.reading == "lazy" and engine.name != "none":
        log.info("reading %s", reading_policy(settings, engine))
    return Jobs(
        blobs=truth.blobs,
        catalog=truth.catalog,
        store=truth.store,
        renderer=renderer,
        reader=PageReader(renderer, engine, engine, _reading_config(settings)),
        embedder=truth.embedder,
        ring=ring,
        hold=hold,
        progress=progress,
        limits=JobLimits(
            max_attempts=settings.max_attempts,
            max_file_bytes=settings.max_upload_bytes,
            archives=ArchiveLimits(
                max_members=settings.max_members,
                max_expanded_bytes=settings.max_expanded_bytes,
                max_member_bytes=settings.max_upload_bytes,
            ),
        ),
    )


def _reading_config(settings: Settings) -> ReadingConfig:
    from worker.reading import ReadingConfig

    if settings.reading == "lazy" and not settings.keep_tokens:
        raise ConfigError(
            "FOLIOSCOPE_READING=lazy leaves pages as vision tokens, and FOLIOSCOPE_KEEP_TOKENS=false keeps none: set "
            "one of them otherwise.",
            code="bad_setting",
        )
    return ReadingConfig(
        page_pixels=settings.page_pixels,
        keep_tokens=settings.keep_tokens,
        layer_tokens=settings.layer_tokens,
        lazy=settings.reading == "lazy",
        drafts=settings.drafts,
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
    inside: Callable[[], Inside],
    decoder: PageDecoder,
) -> Library:
    """The library over these ports."""
    from worker.asking.cooldown import Cooldowns
    from worker.images import PageImages
    from worker.library import Library
    from worker.overview import Overlook
    from worker.reranking import Reranker

    extractive = build_extractive(settings, truth.embedder)
    return Library(
        blobs=truth.blobs,
        catalog=truth.catalog,
        store=truth.store,
        jobs=jobs,
        queue=queue,
        deletion=deletion,
        images=PageImages(renderer, cache_bytes=settings.image_cache_bytes),
        answerer=build_answerer(settings, extractive, decoder),
        reranker=Reranker(truth.store, extractive) if settings.judge else None,
        readiness=readiness,
        max_upload_bytes=settings.max_upload_bytes,
        uploads=build_uploads(settings),
        conversations=build_conversations(settings),
        cooldowns=Cooldowns(settings.data_dir / "cooldowns"),
        overlook=Overlook(
            *(truth.catalog, truth.store, inside),
            data_dir=settings.data_dir,
            reserved_bytes=settings.min_free_bytes,
            splits=truth.splits,
        ),
        idempotency=build_idempotency(settings),
        webhooks=webhook_parts(settings, truth.catalog, truth.store).desk,
        decoder=decoder,
        embedder=truth.embedder,
        decoding=_decoding_config(settings),
    )


def build_idempotency(settings: Settings) -> IdempotencyKeys:
    """The answers of requests with a key, shared by all processes of the data directory."""
    from worker.idempotency import IdempotencyKeys

    return IdempotencyKeys(settings.data_dir / "idempotency", keep_s=settings.idempotency_keep_s)


def build_uploads(settings: Settings) -> ResumableUploads:
    """Uploads that are not whole yet, shared by all processes of the data directory."""
    from worker.uploads import ResumableUploads, UploadConfig

    config = UploadConfig(settings.max_upload_bytes, settings.min_free_bytes, settings.upload_keep_s)
    return ResumableUploads(settings.data_dir / "uploads", config)


def build_conversations(settings: Settings) -> Conversations:
    from worker.asking.conversation import Conversations

    return Conversations(settings.data_dir / "conversations")


def sweep_half_written(settings: Settings) -> int:
    """Remove what kills left half-written beside the catalog, which sweeps its own."""
    folders = ("conversations", "cooldowns", "idempotency", "keys", "uploads", "webhooks")
    return sum(files.sweep_half_written(settings.data_dir / name, older_than_s=_HALF_WRITTEN_S) for name in folders)


@contextmanager
def open_service(settings: Settings) -> Iterator[Library]:
    """The service: whole in this process; or, with a broker set, the part of the full stack that talks to people."""
    if settings.broker_url is not None:
        from worker.stack import open_front as opened
    else:
        from worker.single import open_single as opened
    with opened(settings) as library:
        yield library


def reason_of(engine: Engine) -> str:
    """Why this engine reads, as its choice said."""
    return getattr(engine, "reason", "") or "given"


def reading_policy(settings: Settings, engine: Engine) -> str:
    """What `FOLIOSCOPE_READING` comes to with this engine, and why."""
    if settings.reading == "lazy" and not hasattr(engine, "look"):
        return f"full: FOLIOSCOPE_READING=lazy needs vision tokens, and {engine.name} makes none"
    return reading_asked_for(settings)


def reading_asked_for(settings: Settings) -> str:
    """What `FOLIOSCOPE_READING` asks for, where the engine is another process's."""
    return "lazy, with drafts" if settings.reading == "lazy" and settings.drafts else settings.reading


def close_engine(engine: Engine) -> None:
    """End what a vision engine has running. Pages that it holds stay pending."""
    close = getattr(engine, "close", None)
    if close is not None:
        close()
