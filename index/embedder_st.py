"""`Embedder` for sentence-transformers models: OpenVINO where it works, torch float32 else.

The weights are always loaded through sentence-transformers from safetensors, offline and
without remote code; the shipped all-MiniLM-L6-v2 only if its files hash to the official ones.
On first use the model is converted to an OpenVINO graph in a process of its own (seconds,
once for each cache directory), after which the service needs no torch in memory. Both ways
give the same vectors (`index/embedder_convert.py` checks it), up to the rounding of int8 products
where the processor has them (`index/embedder_int8.py`).

Thread-safe. Long inputs are cut at the model's own limit.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from index import embedder_int8, graphs
from index.embedder import Embedder
from index.embedder_convert import GRAPH, averages_tokens
from index.embedder_prepared import PreparedFiles, locate_prepared
from index.embedder_weights import ModelFiles, locate
from index.errors import ConfigError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EmbedderConfig:
    """How the model runs. The defaults are the fastest of those measured on two cores (docs/lab.md)."""

    threads: int = 0
    """Cores that compute; 0 = all. Each works on a batch of its own: two that share one wait for each other, which cost
    a fifth of the throughput."""
    batch: int = 4
    """Passages per inference. Larger batches gain nothing on a CPU and leave cores idle at the end."""
    bucket: int = 16
    """Lengths above 16 are padded to a multiple of this, which bounds the shapes that OpenVINO prepares for."""
    openvino: bool = True
    """False: torch float32."""
    int8: bool = True
    """With OpenVINO, int8 products where processor and model allow it: nearly twice as fast. False: float32."""
    convert_timeout_s: float = 300.0


DEFAULT_EMBEDDER = EmbedderConfig()

_SHORT_TOKENS = 48
"""Texts so short that a batch has fewer tokens than this come more at once: single words, of which an answer needs
many. Larger batches are of more shapes, and OpenVINO takes some 5 ms to prepare for each new one."""

_UNPADDED = 16

Parts = list[tuple[np.ndarray, np.ndarray]]


class _Backend(Protocol):
    dim: int

    averages: bool

    def encode(self, texts: Sequence[str]) -> np.ndarray: ...

    def encode_parts(self, texts: Sequence[str], parts: Sequence[Sequence[tuple[int, int]]]) -> Parts: ...


def build_embedder(
    name: str | None = None,
    cache_dir: Path | None = None,
    config: EmbedderConfig = DEFAULT_EMBEDDER,
    *,
    prepared: Path | None = None,
) -> Embedder:
    """The embedder for a setting: None for the shipped model, else a directory or a cached model's name.

    `cache_dir` keeps the converted graph (about 90 MB); without one it lives in the temporary directory. `prepared` is
    a folder in which that model is converted already (`index/embedder_prepared.py`): it needs neither torch nor cache.
    """
    return SentenceEmbedder(locate_prepared(prepared, name) if prepared else locate(name), cache_dir, config)


class SentenceEmbedder:
    def __init__(
        self, files: ModelFiles | PreparedFiles, cache_dir: Path | None, config: EmbedderConfig = DEFAULT_EMBEDDER
    ) -> None:
        self._files = files
        self._cache = cache_dir
        self._config = config
        self._lock = threading.Lock()
        self._backend: _Backend | None = None
        self.name = files.name

    @property
    def dim(self) -> int:
        return self._files.dim or self._loaded().dim

    @property
    def runtime(self) -> str:
        """`openvino` or `torch`: what computes the vectors. Loads the model."""
        return "openvino" if isinstance(self._loaded(), _OpenVino) else "torch"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """float32 `(len(texts), dim)`, rows of unit length."""
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        return self._loaded().encode(texts)

    def embed_parts(self, texts: Sequence[str], parts: Sequence[Sequence[tuple[int, int]]]) -> Parts | None:
        """See `index.embedder.ContextEmbedder`."""
        backend = self._loaded()
        return backend.encode_parts(texts, parts) if backend.averages else None

    def warm(self) -> None:
        """Load the model now instead of at the first text."""
        self.embed(["warm"])

    def _loaded(self) -> _Backend:
        if self._backend is None:
            with self._lock:
                if self._backend is None:
                    self._files.verify()
                    self._backend = self._open()
        return self._backend

    def _open(self) -> _Backend:
        if isinstance(self._files, PreparedFiles):
            return _OpenVino(self._files.directory, self._config)
        if self._config.openvino:
            try:
                return _OpenVino(self._converted(), self._config)
            except ConfigError:
                raise
            except Exception as error:
                log.warning("OpenVINO cannot run the embedding model (%s); using torch, which is slower", error)
        return _Torch(self._files.directory, self._config)

    def _converted(self) -> Path:
        """The directory of the converted graph, made now where there is none."""
        files = self._files
        return graphs.made(
            self._cache,
            f"{files.name}-{GRAPH}",
            "meta.json",
            lambda target: ["index.embedder_convert", *map(str, (files.directory, target))],
            self._config.convert_timeout_s,
        )


class _OpenVino:
    """A converted graph, made ready in two ways. Many texts: each core has a batch of its own. One text, which is a
    query that somebody waits for: all cores share it, which takes half as long and some 50 MB of memory.
    """

    def __init__(self, directory: Path, config: EmbedderConfig) -> None:
        import openvino as ov
        from tokenizers import Tokenizer

        meta = json.loads((directory / "meta.json").read_text())
        self.dim = int(meta["dim"])
        self._batch = config.batch
        self._bucket = config.bucket
        self.averages = bool(meta["averages"])
        self._max_tokens = int(meta["max_tokens"])
        self._tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self._tokenizer.enable_truncation(self._max_tokens)
        self._streams = config.threads or graphs.available_cores()
        core = ov.Core()
        model = core.read_model(str(directory / "model.xml"))
        int8 = config.int8 and embedder_int8.pays() and meta["cosine_int8"] >= embedder_int8.MIN_COSINE
        if int8:
            embedder_int8.quantise(model)

        def ready(streams: int) -> graphs.Requests:
            # float32 on purpose for all else: without AMX, bf16 and f16 measured slower here, and less exact.
            properties = {
                **(embedder_int8.PROPERTIES if int8 else {}),
                "INFERENCE_PRECISION_HINT": "f32",
                "NUM_STREAMS": str(streams),
                "INFERENCE_NUM_THREADS": self._streams,
            }
            return graphs.Requests(core.compile_model(model, "CPU", properties))

        self._many = ready(self._streams)
        self._one = ready(1) if self._streams > 1 else self._many

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        encoded = self._tokenizer.encode_batch(list(texts))
        vectors = np.zeros((len(encoded), self.dim), np.float32)
        for rows, pooled, _tokens in self._infer(encoded):
            vectors[rows] = pooled
        return vectors

    def encode_parts(self, texts: Sequence[str], parts: Sequence[Sequence[tuple[int, int]]]) -> Parts:
        encoded = self._tokenizer.encode_batch(list(texts))
        result: list = [None] * len(encoded)
        for rows, _pooled, tokens in self._infer(encoded):
            for row, i in enumerate(rows):
                result[i] = pool_parts(tokens[row], encoded[i].offsets, parts[i])
        return result

    def _infer(self, encoded: Sequence[Any]) -> Iterator[tuple[list[int], np.ndarray, np.ndarray]]:
        """(indices, vectors (B, dim), token vectors (B, T, dim)) in batches of like length. The arrays are the
        request's own memory: to be used before the next batch.
        """
        requests = self._one if len(encoded) == 1 else self._many
        running: deque[tuple[list[int], Any]] = deque()
        try:
            for rows in self._batches([len(one.ids) for one in encoded]):
                if len(running) >= self._streams:
                    yield from _finish(running, requests)
                request = requests.take()
                request.start_async(self._inputs([encoded[i].ids for i in rows]))
                running.append((rows, request))
            while running:
                yield from _finish(running, requests)
        finally:
            # Left early: what still computes owns its memory until it is done.
            for _, request in running:
                request.wait()
                requests.put(request)

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Indices of texts that are padded to the same width, the longest first, so that no core is left with a long
        batch at the end.

        Only such texts share a batch, so a text's vector depends on the text alone, to the last bit: a batch's other
        texts change nothing, but other padding would (in the last digit in float32; what is rounded to int8 carries it
        to the third).
        """
        order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
        for width, alike in itertools.groupby(order, key=lambda i: self._width(lengths[i])):
            rows = list(alike)
            most = max(self._batch, _SHORT_TOKENS // width)
            size = min(most, -(-len(rows) // self._streams)) if width <= _UNPADDED else most
            yield from (rows[at : at + size] for at in range(0, len(rows), size))

    def _width(self, length: int) -> int:
        """Tokens that a text of this length is padded to. Single words and short questions are not: half of what they
        would cost is padding, and there are few such lengths.
        """
        if length <= _UNPADDED:
            return length
        return max(length, min(-(-length // self._bucket) * self._bucket, self._max_tokens))

    def _inputs(self, ids: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
        """Token ids and mask int64 `(B, T)`, padded."""
        width = self._width(max(map(len, ids)))
        tokens = np.zeros((len(ids), width), np.int64)
        mask = np.zeros((len(ids), width), np.int64)
        for row, one in enumerate(ids):
            tokens[row, : len(one)] = one
            mask[row, : len(one)] = 1
        return {"input_ids": tokens, "attention_mask": mask}


def _finish(
    running: deque[tuple[list[int], Any]], requests: graphs.Requests
) -> Iterator[tuple[list[int], np.ndarray, np.ndarray]]:
    """Wait for the oldest of those that run, and give what it computed."""
    rows, request = running[0]
    request.wait()
    yield rows, request.get_output_tensor(0).data, request.get_output_tensor(1).data
    running.popleft()
    requests.put(request)


def pool_parts(
    tokens: np.ndarray, offsets: Sequence[tuple[int, int]], parts: Sequence[tuple[int, int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Sums (parts, dim) and counts (parts,) of the token vectors (T, dim) whose characters lie in each part."""
    starts = np.array([s for s, _ in offsets])
    ends = np.array([e for _, e in offsets])
    sums = np.zeros((len(parts), tokens.shape[1]), np.float32)
    counts = np.zeros(len(parts), np.int64)
    for number, (start, end) in enumerate(parts):
        inside = np.flatnonzero((starts >= start) & (ends <= end) & (ends > starts))
        if len(inside):
            sums[number] = tokens[inside].sum(axis=0)
            counts[number] = len(inside)
    return sums, counts


class _Torch:
    """The model as sentence-transformers runs it, float32 on the CPU."""

    def __init__(self, directory: Path, config: EmbedderConfig) -> None:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise ConfigError(
                f"sentence-transformers, which loads the embedding model, is not installed here ({error}). Prepare the "
                "model where it is (`python -m index.embedder_prepared FOLDER`) and set FOLIOSCOPE_EMBEDDER_PREPARED."
            ) from None

        self._model = SentenceTransformer(
            str(directory), device="cpu", local_files_only=True, trust_remote_code=False, backend="torch"
        )
        self._batch = max(config.batch, 16)
        self._lock = threading.Lock()  # fast tokenizers change their own padding while they work
        self.dim = int(self._model.encode(["x"]).shape[1])
        self.averages = averages_tokens(self._model) and hasattr(self._model.tokenizer, "backend_tokenizer")

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        with self._lock:
            vectors = self._model.encode(
                list(texts), batch_size=self._batch, normalize_embeddings=True, show_progress_bar=False
            )
        return np.asarray(vectors, np.float32)

    def encode_parts(self, texts: Sequence[str], parts: Sequence[Sequence[tuple[int, int]]]) -> Parts:
        import torch

        result = []
        for text, spans in zip(texts, parts, strict=True):
            with self._lock, torch.no_grad():
                encoded = self._model.tokenizer(
                    text,
                    truncation=True,
                    max_length=self._model.max_seq_length,
                    return_offsets_mapping=True,
                    return_tensors="pt",
                )
                offsets = encoded.pop("offset_mapping")[0].tolist()
                tokens = self._model[0](dict(encoded))["token_embeddings"][0].numpy()
            result.append(pool_parts(tokens, offsets, spans))
        return result
