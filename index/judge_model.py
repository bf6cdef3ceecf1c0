"""`Judge` on the processor: the packaged embedding model's encoder, taught to read question and sentence together.

A cross-encoder (Nogueira & Cho 2019, arXiv 1901.04085) that reads several sentences at once: the question, [SEP], how
the page begins, [SEP], and a window of the page; the head sees the mean of each piece's own tokens. Each window is
computed by itself and padded to a width that its own length decides, so its numbers do not depend on the others. int8
where the processor has it.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from index import embedder_int8, graphs
from index.judge import UNREAD, Window
from index.judge_convert import GRAPH, META
from index.judge_weights import NAME

log = logging.getLogger(__name__)

_GRAPH = f"{NAME}-{GRAPH}"


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """Limits in tokens (word pieces), as in training; and how the model runs."""

    question: int = 60
    opening: int = 16
    """Of the page's beginning."""
    piece: int = 90
    window: int = 240
    """Of all pieces together."""
    bucket: int = 16
    tokens: int = 1000
    """Of all windows together: twelve of plain English have about as many. What is written in rare words or another
    language has two and three times as many, and is not to keep who asks waiting: its last windows stay unread.
    """
    pieces: int = 8
    """Their number is padded to a multiple of this, which bounds the shapes that OpenVINO prepares for."""
    threads: int = 0
    """Cores that compute; 0 = all."""
    int8: bool = True
    most_difference: float = 0.5
    """Log-odds by which int8 may differ on the conversion's sample; else all is float32."""
    convert_timeout_s: float = 300.0


DEFAULT_JUDGE = JudgeConfig()


class SentenceJudge:
    """`prepared` is a folder that holds the graph (`index/embedder_prepared.py`); else it is made, once for each
    `cache_dir`.
    """

    def __init__(
        self, cache_dir: Path | None, config: JudgeConfig = DEFAULT_JUDGE, *, prepared: Path | None = None
    ) -> None:
        self._cache = cache_dir
        self._config = config
        self._prepared = prepared
        self._lock = threading.Lock()
        self._pairs: _Pairs | None = None
        self._failed = False

    def prepare(self) -> None:
        """See `index.judge.Judge`. The graph in memory takes 130 MB, which a service that nobody asks does not need."""
        with self._lock:
            if self._pairs is None and not self._failed and self._prepared is None:
                try:
                    self._made()
                except Exception as error:
                    self._fail(error)

    def ready(self, *, wait: bool = True) -> bool:
        """See `index.judge.Judge`."""
        if self._pairs is not None:
            return True
        if not self._lock.acquire(blocking=wait):
            return False
        try:
            if self._pairs is None and not self._failed and (wait or self._is_prepared()):
                self._pairs = _Pairs(self._prepared or self._made(), self._config)
        except Exception as error:
            self._fail(error)
        finally:
            self._lock.release()
        return self._pairs is not None

    def judge(self, question: str, windows: Sequence[Window]) -> list[np.ndarray]:
        """See `index.judge.Judge`."""
        if not self.ready():
            raise RuntimeError("the judge is not ready")
        return self._pairs.odds(question, windows)

    def _fail(self, error: Exception) -> None:
        self._failed = True
        log.warning("the judge of answers cannot run (%s); answers are made without it", error)

    def _is_prepared(self) -> bool:
        return self._prepared is not None or graphs.is_made(self._cache, _GRAPH, META)

    def _made(self) -> Path:
        return graphs.made(
            self._cache,
            _GRAPH,
            META,
            lambda target: ["index.judge_convert", str(target)],
            self._config.convert_timeout_s,
        )


class _Pairs:
    def __init__(self, directory: Path, config: JudgeConfig) -> None:
        import openvino as ov
        from tokenizers import Tokenizer

        meta = json.loads((directory / META).read_text(encoding="utf-8"))
        self._config = config
        self._tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._cls, self._sep = (self._tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]"))
        self._streams = config.threads or graphs.available_cores()
        core = ov.Core()
        model = core.read_model(str(directory / "judge.xml"))
        int8 = config.int8 and embedder_int8.pays() and meta["difference_int8"] <= config.most_difference
        if int8:
            embedder_int8.quantise(model)
        properties = {
            **(embedder_int8.PROPERTIES if int8 else {}),
            "INFERENCE_PRECISION_HINT": "f32",
            "NUM_STREAMS": str(self._streams),
            "INFERENCE_NUM_THREADS": self._streams,
        }
        self._requests = graphs.Requests(core.compile_model(model, "CPU", properties))

    def odds(self, question: str, windows: Sequence[Window]) -> list[np.ndarray]:
        texts = [question, *(text for window in windows for text in (window.opening, *window.pieces))]
        asked, *rest = (one.ids for one in self._tokenizer.encode_batch(texts, add_special_tokens=False))
        result: list[np.ndarray] = [np.zeros(0, np.float32)] * len(windows)
        running: deque[tuple[int, list[int], Any]] = deque()
        first = read = 0
        try:
            for number, window in enumerate(windows):
                opening, *pieces = rest[first : first + 1 + len(window.pieces)]
                opening, pieces = opening[: self._config.opening], self._cut(pieces)
                first += 1 + len(window.pieces)
                read += len(opening) + sum(map(len, pieces))
                if number and read > self._config.tokens:
                    result[number] = np.full(len(pieces), UNREAD, np.float32)
                    continue
                if len(running) >= self._streams:
                    self._finish(running, result)
                request = self._requests.take()
                running.append((number, [len(piece) for piece in pieces], request))
                request.start_async(self._inputs(asked[: self._config.question], opening, pieces))
            while running:
                self._finish(running, result)
        finally:
            # Left early: what still computes owns its memory until it is done.
            for _, _, request in running:
                request.wait()
                self._requests.put(request)
        return result

    def _cut(self, pieces: Sequence[list[int]]) -> list[list[int]]:
        """As many tokens of each piece as there is room for."""
        cut, room = [], self._config.window
        for piece in pieces:
            cut.append(piece[: min(self._config.piece, room)])
            room -= len(cut[-1])
        return cut

    def _inputs(self, asked: list[int], opening: list[int], pieces: Sequence[list[int]]) -> dict[str, np.ndarray]:
        """Ids, mask and types int64 `(1, T)`; float32 the question's places `(1, T)` and each piece's `(1, P, T)`."""
        window = [token for piece in pieces for token in piece]
        before = [*opening, self._sep] if opening else []
        ids = [self._cls, *asked, self._sep, *before, *window, self._sep]
        width = -(-len(ids) // self._config.bucket) * self._config.bucket
        rows = -(-max(1, len(pieces)) // self._config.pieces) * self._config.pieces
        second = len(asked) + 2
        first = second + len(before)
        tokens, mask, types = (np.zeros((1, width), np.int64) for _ in range(3))
        question, said = np.zeros((1, width), np.float32), np.zeros((1, rows, width), np.float32)
        tokens[0, : len(ids)] = ids
        mask[0, : len(ids)] = 1
        types[0, second : len(ids)] = 1
        question[0, 1 : 1 + len(asked)] = 1
        for row, piece in enumerate(pieces):
            said[0, row, first : first + len(piece)] = 1
            first += len(piece)
        return {
            "input_ids": tokens,
            "attention_mask": mask,
            "token_type_ids": types,
            "asked": question,
            "said": said,
        }

    def _finish(self, running: deque[tuple[int, list[int], Any]], result: list[np.ndarray]) -> None:
        """Wait for the oldest of those that run, and keep what it computed."""
        number, lengths, request = running[0]
        request.wait()
        odds = request.get_output_tensor(0).data[0, : len(lengths)]
        result[number] = np.where(np.array(lengths, int) > 0, odds, np.float32(UNREAD)).astype(np.float32)
        running.popleft()
        self._requests.put(request)
