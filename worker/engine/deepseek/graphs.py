"""A step as one CUDA graph per number of rows, so that the processor launches one thing instead of a thousand.

Without CUDA the same step runs as it is. A captured step reads and writes the tensors of `Slots` in place; nothing is
copied in or out. For each number of rows the ways to compute the experts are timed once, and the fastest is captured.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch

from worker.engine.deepseek.attention import StepAttention
from worker.engine.deepseek.decoder import ways
from worker.engine.deepseek.next_token import EMPTY
from worker.engine.deepseek.plan import is_out_of_memory
from worker.engine.deepseek.slots import Slots

log = logging.getLogger(__name__)

_SIZES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512)
_BOUND_STEP = 512  # the lengths for which attention with a mask is captured
_WARM_UPS = 2
_TIMED = 5


@dataclass(frozen=True, slots=True)
class _Captured:
    graph: torch.cuda.CUDAGraph
    way: int


class Steps:
    """Runs `Slots.step` for any number of rows. Used by one thread, inside its stream."""

    def __init__(self, slots: Slots, attention: StepAttention, *, graphs: bool = True) -> None:
        self._slots = slots
        self._bounded = attention.bounded
        self._captured: dict[tuple[int, int], _Captured] = {}
        self._use_graphs = graphs and slots.decoder.device.type == "cuda"
        self._pool = torch.cuda.graph_pool_handle() if self._use_graphs else None

    def run(self, rows: int, longest: int) -> None:
        """One step over at least the first `rows` rows, none of which has more than `longest` places filled."""
        size, bound = self.key(rows, longest)
        if not self._use_graphs:
            self._slots.step(size, bound)
            return
        if (size, bound) not in self._captured:
            self._captured[size, bound] = self._capture(size, bound)
        self._captured[size, bound].graph.replay()

    def key(self, rows: int, longest: int) -> tuple[int, int]:
        """The rows and the bound that are really used."""
        bound = 0
        if self._bounded:
            bound = min(-(-longest // _BOUND_STEP) * _BOUND_STEP, self._slots.capacity)
        if not self._use_graphs:
            return rows, bound
        most = self._slots.count_of_rows
        return next((size for size in _SIZES if rows <= size <= most), most), bound

    def capture_all(self) -> None:
        """Capture every number of rows, the largest first so that its memory serves the others."""
        if not self._use_graphs or self._bounded:
            return
        most = self._slots.count_of_rows
        for size in sorted({most, *(size for size in _SIZES if size < most)}, reverse=True):
            if (size, 0) not in self._captured:
                self._captured[size, 0] = self._capture(size, 0)

    def way(self, rows: int) -> int | None:
        """Which of `Layer.experts` was captured for `rows`, None before that."""
        found = self._captured.get(self.key(rows, 1))
        return found.way if found else None

    def _capture(self, size: int, bound: int) -> _Captured:
        slots = self._slots
        held = slots.done.clone(), slots.token.clone()
        slots.done.fill_(EMPTY)  # steps that warm up and time must not move any page on
        # Tokens of all kinds, as in real work: equal ones would all go to the same few experts.
        vocabulary = slots.decoder.shape.vocab
        slots.token.copy_(torch.arange(len(slots.token), device=slots.token.device) * 7919 % vocabulary)
        try:
            way = self._fastest(size, bound)
            graph = torch.cuda.CUDAGraph()
            # Other threads (the encoder) may allocate meanwhile: only this thread is forbidden to.
            with torch.cuda.graph(
                graph, pool=self._pool, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"
            ):
                slots.step(size, bound, way)
        finally:
            slots.done.copy_(held[0])
            slots.token.copy_(held[1])
        return _Captured(graph, way)

    def _fastest(self, size: int, bound: int) -> int:
        """The way that took the least time; one that cannot be captured here is left out, unless none can."""
        took: dict[int, float] = {}
        failed: RuntimeError | None = None
        for way in range(ways(self._slots.decoder.layers)):
            try:
                took[way] = self._milliseconds(size, bound, way)
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                log.warning("experts cannot be computed in way %d for %d rows here: %s", way, size, error)
                failed = error
        if not took and failed is not None:
            raise failed
        return min(took, key=took.__getitem__)

    def _milliseconds(self, size: int, bound: int, way: int) -> float:
        for _ in range(_WARM_UPS):
            self._slots.step(size, bound, way)
        if ways(self._slots.decoder.layers) == 1:
            return 0.0
        # Launching is not part of what is compared: time a graph of the step, not the step.
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(
            graph, pool=self._pool, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"
        ):
            self._slots.step(size, bound, way)
        before, after = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        graph.replay()
        before.record()
        for _ in range(_TIMED):
            graph.replay()
        after.record()
        after.synchronize()
        return before.elapsed_time(after) / _TIMED
