"""All settings, read once from the environment (prefix `FOLIOSCOPE_`) and passed down from `worker.wiring`.

Each field's description is its documentation: `docs/settings.md` is compared with it by a test.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from worker import setting_values
from worker.setting_values import is_secret


def _default_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "folioscope"


class Settings(BaseSettings):
    """Every field is an environment variable: `data_dir` is `FOLIOSCOPE_DATA_DIR`; an empty one is none, as compose
    files have them. Secret ones (`SecretStr`) can come from a file that `FOLIOSCOPE_<NAME>_FILE` names instead.
    """

    model_config = SettingsConfigDict(env_prefix="FOLIOSCOPE_", extra="ignore", frozen=True, env_ignore_empty=True)

    data_dir: Path = Field(
        default_factory=_default_data_dir,
        description="Where blobs, manifests and the index live. One running service owns it.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8321, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    allowed_hosts: list[str] = Field(
        default=[], description="Further host names (a list) that requests may be addressed to, beside loopback."
    )
    cors_origins: list[str] = Field(
        default=[],
        description="Origins (a list, e.g. `https://intranet.example`) of web pages that may call the API, with "
        "keys of their own.",
    )
    initial_key: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="A key with all scopes for the tenant `default` that needs no `folioscope keys create`: at least "
        "32 random characters. For containers; changing it needs a new start.",
    )
    requests_per_minute: int = Field(
        default=1200,
        ge=0,
        description="Requests that one key may make in a minute, over all API processes; 0: any number.",
    )
    concurrent_answers: int = Field(
        default=4, ge=0, description="Answers that one key may have under way, over all API processes; 0: any number."
    )
    upload_bytes_per_day: int = Field(
        default=0,
        ge=0,
        description="Bytes that one key may send in a day (UTC), over all API processes; 0: any number.",
    )
    upload_min_bytes_per_s: int = Field(
        default=1024, ge=0, description="Uploads that are slower than this over half a minute are given up (408)."
    )
    max_upload_bytes: int = Field(
        default=8 << 30, gt=0, description="Largest file that is accepted, in bytes, by itself or in an archive."
    )
    min_free_bytes: int = Field(
        default=512 << 20,
        ge=0,
        description="Uploads are refused (507) when less than this would stay free on the data directory's disk.",
    )
    upload_keep_s: float = Field(
        default=86_400.0, gt=0, description="How long a resumable upload that stands still is kept, in seconds."
    )
    idempotency_keep_s: float = Field(
        default=86_400.0,
        gt=0,
        description="How long the answer to a request with an `Idempotency-Key` is kept and given again, in seconds.",
    )
    webhook_hosts: list[str] = Field(
        default=[],
        description="Hosts (a list) that webhooks may go to, over https: exact names, `hooks.example` or "
        "`hooks.example:8443`. A program on this machine: `http://127.0.0.1:9000`.",
    )
    webhook_networks: list[str] = Field(
        default=[],
        description="Private networks (a list, e.g. `10.1.0.0/16`) that those hosts may lie in; otherwise only "
        "public addresses are sent to.",
    )
    readers: int = Field(
        default=0,
        ge=0,
        le=256,
        description="Pages read at the same time; 0 takes one for each processor and one more or, with a vision "
        "engine, as many as fill its batches (a quarter more than `FOLIOSCOPE_SLOTS`, else 160 on a GPU and 8 on a "
        "CPU).",
    )
    engine: str = Field(
        default="auto",
        description="Reading engine: `auto` (DeepSeek-OCR where its weights and a GPU are there, else RapidOCR), "
        "`rapidocr`, `deepseek-ocr`, `deepseek-ocr-2`, `unlimited-ocr`, or `mini` (cards only). See engine.md.",
    )
    weights: str | None = Field(
        default=None,
        description="Weights of a vision engine: a folder, or a hub id such as `deepseek-ai/DeepSeek-OCR` with a "
        "pinned revision. Not set: the folder `weights/<engine>` in the data directory.",
    )
    weights_revision: str | None = Field(
        default=None, description="The commit (40 hexadecimal digits) of weights that come from the hub."
    )
    device: str = Field(default="auto", description="Where a vision engine runs: `auto`, `cpu`, `cuda` or `cuda:N`.")
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        default="auto", description="A vision engine's numbers: `auto` takes what the device is fast with."
    )
    mode: str = Field(
        default="auto",
        description="A vision engine's mode: `auto` (by page), `tiny`, `small`, `base`, `large` or `gundam`.",
    )
    max_tokens: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="Most tokens of a page's text; 0 takes what the model's context leaves.",
    )
    slots: int = Field(
        default=0,
        ge=0,
        le=4096,
        description="Pages that a vision engine decodes at the same time; 0 goes by the memory.",
    )
    keep_tokens: bool = Field(
        default=True,
        description="Whether vision tokens are kept in the index (about 0.7 MB a page), so that pages can be decoded "
        "again under other prompts without their files.",
    )
    layer_tokens: bool = Field(
        default=True,
        description="Whether pages whose text layer is used are encoded as well where a vision engine runs and tokens "
        "are kept.",
    )
    reading: Literal["full", "lazy"] = Field(
        default="full",
        description="`full` decodes every page when it comes in. `lazy` encodes pages that have no usable text layer, "
        "keeps their vision tokens and decodes them when a question needs them; until then drafts find them. "
        "Without a vision engine it is `full`. See answers.md.",
    )
    drafts: bool = Field(
        default=True,
        description="With `FOLIOSCOPE_READING=lazy`: whether pages are also read by RapidOCR on the processor (about a "
        "second of a core for a page), so that search finds them before they are decoded. Without drafts only pages "
        "with a text layer are found.",
    )
    decode_pages: int = Field(
        default=4,
        ge=0,
        le=64,
        description="Most pages that are decoded for one answer (0: none). Each costs seconds on a GPU, and is decoded "
        "once for all questions.",
    )
    decode_budget_s: float = Field(
        default=120.0,
        gt=0,
        description="Longest time that decoding may take for one answer; what is missing then is told. A page takes a "
        "minute on two processors.",
    )
    decode_trust: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Pages that carry an answer and are trusted less are read again in a larger mode, once. Below 0.5 "
        "a reading ended early, repeats itself, or is a guess at every other token (0: never again).",
    )
    embedder: str | None = Field(
        default=None,
        description="A sentence-transformers model by name or path instead of the packaged all-MiniLM-L6-v2. "
        "Recorded in the index; changing it needs `folioscope rebuild`.",
    )
    judge: bool = Field(
        default=True,
        description="A small model reads the nearest sentences together with the question, for `extractive` answers, "
        "for `rerank` in search, and to choose a language model's pages. False: some 130 MB less memory, fewer right "
        "answers and refusals.",
    )
    embedder_prepared: Path | None = Field(
        default=None,
        description="A folder in which that model was made ready by `python -m index.embedder_prepared FOLDER`: this "
        "process then needs no torch. The images set it.",
    )
    answerer: Literal["extractive", "llm", "decoder"] = Field(
        default="extractive",
        description="Who answers: `extractive` quotes sentences; `llm` lets a language model word the answer and keeps "
        "what its quotes support; `decoder` asks the decoder that reads the pages, which was not trained for it.",
    )
    llm_base_url: str = Field(
        default="http://127.0.0.1:11434/v1",
        description="Where `llm` finds a server with OpenAI's chat completions (Ollama, vLLM, a hosted one). "
        "Excerpts of your documents are sent there.",
    )
    llm_model: str = Field(default="", description="The model's name on that server; `llm` needs it.")
    llm_api_key: SecretStr | None = Field(default=None, description="The key that the server wants, if any.")
    llm_timeout_s: float = Field(default=60.0, gt=0, description="Longest time that an answer may take the model.")
    llm_context_chars: int = Field(
        default=16_000,
        ge=1000,
        description="Characters of excerpts that the model is shown; 16,000 fit a context of 8,192 tokens.",
    )
    llm_max_tokens: int = Field(
        default=2000,
        ge=100,
        description="Most tokens of its reply, thoughts among them; a model that thinks for long needs more, and a "
        "larger context.",
    )
    max_pages: int = Field(default=5000, gt=0, description="Most pages that one document may have.")
    page_pixels: int = Field(
        default=4_000_000,
        ge=100_000,
        le=100_000_000,
        description="Pixel budget of a rendered page: larger pages are scaled down to it before reading.",
    )
    page_timeout_s: float = Field(default=60.0, gt=0, description="Longest time for rendering one page, in seconds.")
    render_memory_bytes: int = Field(
        default=3 << 30, ge=512 << 20, description="Address space of a rendering process, in bytes."
    )
    max_attempts: int = Field(
        default=3, ge=1, le=20, description="How often a page is tried before it is marked as failed."
    )
    max_members: int = Field(default=20_000, gt=0, description="Most files in one archive.")
    max_expanded_bytes: int = Field(default=50 << 30, gt=0, description="Most bytes that one archive may unpack to.")
    image_cache_bytes: int = Field(default=64 << 20, ge=0, description="Memory for page images that were shown lately.")
    log_level: str = Field(default="INFO", description="Python logging level of the service.")
    log_format: Literal["text", "json"] = Field(
        default="text", description="`json`: one object a line, with request, document and page ids."
    )
    metrics_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Full stack: port at which a worker serves `/metrics`, without a key (0: it does not).",
    )
    metrics_host: str = Field(default="127.0.0.1", description="Address of that port; one that monitoring reaches.")
    traces_url: str | None = Field(
        default=None,
        description="Where OpenTelemetry spans are sent (OTLP over HTTP), e.g. `http://collector:4318/v1/traces`; "
        "needs the extra `otel`.",
    )
    broker_url: SecretStr | None = Field(
        default=None,
        description="Redis, e.g. `redis://:password@redis:6379/0`: makes this process part of the full stack. "
        "Pages are then read by `folioscope worker` processes, and the index is the server of `FOLIOSCOPE_QDRANT_URL`.",
    )
    broker_password: SecretStr | None = Field(
        default=None, description="Redis's password, where it does not stand in `FOLIOSCOPE_BROKER_URL`."
    )
    qdrant_url: str | None = Field(
        default=None,
        description="Full stack: the REST address of the Qdrant server that holds the index, e.g. `http://qdrant:6333`.",
    )
    qdrant_api_key: SecretStr | None = Field(default=None, description="The key that the Qdrant server wants, if any.")
    qdrant_grpc_port: int = Field(
        default=6334, ge=0, le=65535, description="Qdrant's gRPC port on the same host; 0 uses REST, which is slower."
    )
    qdrant_ca_file: Path | None = Field(
        default=None,
        description="A PEM file that signs the Qdrant server's certificate, where the system does not know it.",
    )
    qdrant_collection: str = Field(default="folioscope", min_length=1, description="Its collection.")
    qdrant_quantization: Literal["none", "int8"] = Field(
        default="none",
        description="Whether Qdrant searches a copy of the passages' vectors of half their size first, which it holds "
        "in memory; with `FOLIOSCOPE_QDRANT_PLACEMENT=cold` that halves what they need of it. Read when the collection "
        "is made.",
    )
    qdrant_placement: Literal["cached", "cold"] = Field(
        default="cached",
        description="Whether Qdrant reads the passages' vectors into memory at its start or when first needed. "
        "Read when the collection is made.",
    )
    qdrant_shards: int = Field(
        default=1, ge=1, le=1000, description="Parts of the collection, for clusters. Read when it is made."
    )
    qdrant_replicas: int = Field(
        default=1, ge=1, le=100, description="Copies of each part, for clusters. Read when the collection is made."
    )
    read_queue: Literal["auto", "read.cpu", "read.gpu"] = Field(
        default="auto",
        description="Full stack: whose pages are to be read by. `auto` takes `read.gpu` while a worker serves it, else "
        "`read.cpu`; name one so that an archive is never read by two kinds of engine.",
    )
    housekeeping_s: float = Field(
        default=300.0, gt=0, description="Seconds between two comparisons of all documents with the index."
    )
    job_timeout_s: float = Field(
        default=1800.0,
        gt=0,
        description="Full stack: longest time for one job, of an archive for each of its members. A worker with one "
        "that takes longer ends itself, as after a crash, and is started again.",
    )
    worker_memory_bytes: int = Field(
        default=0,
        ge=0,
        description="Full stack: a worker above this resident size ends its pages and then itself, to be started again "
        "(0: never). Set it below the container's limit.",
    )
    decode_timeout_s: float = Field(
        default=60.0, gt=0, description="Full stack: longest time that a waiting person's page may take to be decoded."
    )

    _hosts = field_validator("allowed_hosts")(setting_values.hosts)
    _origins = field_validator("cors_origins")(setting_values.origins)
    _addresses = field_validator("llm_base_url", "traces_url", "qdrant_url")(setting_values.address)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del env_settings
        return (
            init_settings,
            setting_values.Environment(settings_cls),
            setting_values.SecretFiles(settings_cls),
            dotenv_settings,
            file_secret_settings,
        )


def reference() -> str:
    """All settings as a Markdown table, for `docs/settings.md`."""
    rows = ["| variable | default | what it does |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "`~/.local/share/folioscope`" if name == "data_dir" else f"`{field.default!r}`".replace("'", '"')
        variable = f"`FOLIOSCOPE_{name.upper()}`" + (", or `…_FILE`" if is_secret(field) else "")
        rows.append(f"| {variable} | {default} | {field.description} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(reference())
