"""The decode engine: vision tokens and prompts in, tokens out, many pages at a time.

Continuous batching: a page joins as soon as a slot is free, while others go on; it leaves when it is done, and the
rows of the running pages are kept together. One thread owns the device's part (`Slots`), under a stream of its own on
CUDA; callers get futures. On CUDA the thread never waits for the device while pages run: it looks at flags that were
copied to the host some steps earlier, so that a finished page may be carried along for a few steps more.

A request's fault (a prefix that does not fit, numbers that are not finite) is that request's exception. A cancelled
future frees its slot. Running out of memory halves what is done at a time before it becomes an error.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch

from index.errors import ConfigError, InvalidRequest, Unavailable
from worker.engine.deepseek.attention import step_attention
from worker.engine.deepseek.decoder import Decoder
from worker.engine.deepseek.faults import is_gone, told
from worker.engine.deepseek.graphs import Steps
from worker.engine.deepseek.harvest import Harvest, Poll
from worker.engine.deepseek.load import LoadedModel
from worker.engine.deepseek.next_token import EMPTY, Chooser, Rules
from worker.engine.deepseek.plan import free_memory, is_out_of_memory, planned_slots, slot_bytes, take
from worker.engine.deepseek.requests import DecodeConfig, Generated, Prefix
from worker.engine.deepseek.slots import Piece, Slots

log = logging.getLogger(__name__)

_PREFILL = {"cuda": 4096, "cpu": 256}  # tokens of prefixes between two steps of others
_POLL_EVERY = {"cuda": 4, "cpu": 1}  # steps between two looks at the flags
_WAIT_FOR = 32  # on CUDA, pages join when one slot in so many is free: a prefill reads all weights for any number


@dataclass(slots=True, eq=False)
class Page:
    """One request on its way. `row` is its slot, -1 before it has one; `filled` how many prefix tokens are written."""

    prefix: Prefix | torch.Tensor
    length: int
    limit: int
    future: Future[Generated]
    ready: torch.cuda.Event | None
    submitted: float
    row: int = -1
    filled: int = 0
    steps: int = 0
    x: torch.Tensor | None = field(default=None, repr=False)


class DecodeEngine:
    """Thread-safe. `slots` says how many pages are really decoded at a time."""

    def __init__(self, loaded: LoadedModel, config: DecodeConfig | None = None) -> None:
        config = config or DecodeConfig()
        self._image_id, self._device = loaded.image_id, loaded.device
        self._stream = torch.cuda.Stream(loaded.device) if loaded.device.type == "cuda" else None
        with torch.inference_mode(), self._on_stream():
            self.decoder = Decoder(loaded.model, keep=config.keep_model)
            shape = self.decoder.shape
            self.capacity = min(config.max_context, shape.positions)
            self._most = min(config.max_new_tokens, self.capacity)
            rules = Rules(
                eos=(loaded.eos,) if config.eos is None else config.eos,
                ngram_size=config.ngram_size,
                ngram_window=config.ngram_window,
                exempt=loaded.table_ids if config.ngram_exempt is None else config.ngram_exempt,
                loop_tail=config.loop_tail,
                loop_bans=config.loop_bans,
                loop_span=config.loop_span,
            )
            self._chooser = Chooser(rules, loaded.device)
            self.attention = step_attention(loaded.device, loaded.dtype, shape.heads, shape.kv_heads, shape.head_dim)
            each = slot_bytes(shape, self.capacity, loaded.dtype)
            wanted = planned_slots(config.slots, each, free_memory(loaded.device))
            self._slots, self.slots = take(wanted, self._make_slots)
            self._graphs = config.graphs
            self._steps = Steps(self._slots, self.attention, graphs=self._graphs)
        if self.slots < config.slots:
            log.warning("%d slots of %.2f GiB fit in memory, not %d", self.slots, each / 2**30, config.slots)
        self._prefill_tokens = config.prefill_tokens or _PREFILL.get(loaded.device.type, 256)
        self._poll_every = _POLL_EVERY.get(loaded.device.type, 1)
        self._queue: deque[Page] = deque()
        self._running: list[Page] = []  # by row
        self._filling: list[Page] = []  # rows behind the running ones; the first may be written in part
        self._one_by_one = 0  # so many prefills are not packed
        self._polls: deque[Poll] = deque()
        self._harvests: list[tuple[Page, Harvest]] = []
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="decode", daemon=True)
        self._thread.start()

    def submit(self, prefix: Prefix | torch.Tensor, *, max_new_tokens: int | None = None) -> Future[Generated]:
        """Queue one page: a `Prefix`, or embeddings (T, D) on any device. At most `max_new_tokens` are generated.

        Raises `InvalidRequest` (`prefix_too_long`, `invalid_request`) where that cannot be decoded, `Unavailable` after
        `close`.
        """
        length = self._check(prefix)
        limit = min(self._most if max_new_tokens is None else max_new_tokens, self._most, self.capacity - length)
        if limit < 1:
            raise InvalidRequest("max_new_tokens must be at least 1")
        ready = None
        if self._stream is not None:
            ready = torch.cuda.Event()
            ready.record(torch.cuda.current_stream(self._device))
        page = Page(prefix, length, limit, Future(), ready, time.perf_counter())
        with self._wake:
            if self._closed:
                raise Unavailable("the decode engine is closed")
            self._queue.append(page)
            self._wake.notify_all()
        return page.future

    def generate(
        self, prefixes: Iterable[Prefix | torch.Tensor], *, max_new_tokens: int | None = None
    ) -> list[Generated]:
        """Decode all of `prefixes`, in order. The first that fails raises; the others are cancelled then."""
        futures = [self.submit(prefix, max_new_tokens=max_new_tokens) for prefix in prefixes]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def warm(self) -> None:
        """Capture all graphs now instead of at the first pages. Call it before the first `submit`."""
        with torch.inference_mode(), self._on_stream():
            self._steps.capture_all()

    def close(self) -> None:
        """End the thread; what is not finished gets `Unavailable`. Safe to call twice."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether pages are still taken: not after `close`, nor after the thread has ended by itself."""
        return not self._closed

    def _make_slots(self, slots: int) -> Slots:
        return Slots(self.decoder, self._chooser, self.attention, slots, self.capacity, self._most)

    def _on_stream(self):  # noqa: ANN202 - two unrelated context managers
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)

    def _check(self, prefix: Prefix | torch.Tensor) -> int:
        dim = self.decoder.shape.hidden
        if isinstance(prefix, torch.Tensor):
            if prefix.ndim != 2 or prefix.shape[1] != dim or not len(prefix) or not prefix.is_floating_point():
                raise InvalidRequest(f"a prefix is (tokens, {dim}) of floats, not {tuple(prefix.shape)}")
            length = len(prefix)
        else:
            places = prefix.ids.count(self._image_id)
            rows = (0, dim) if prefix.vision is None else tuple(prefix.vision.shape)
            if rows != (places, dim):
                raise InvalidRequest(f"{places} places for vision tokens of {dim} numbers, but {rows} came")
            if not prefix.ids or not all(0 <= token < self.decoder.shape.vocab for token in prefix.ids):
                raise InvalidRequest("a prefix needs token ids of the model's vocabulary")
            length = len(prefix.ids)
        if length >= self.capacity:
            raise InvalidRequest(
                f"a prefix of {length} tokens leaves no room in a context of {self.capacity}", code="prefix_too_long"
            )
        return length

    def _work(self) -> None:
        try:
            with torch.inference_mode(), self._on_stream():
                while self._wait():
                    try:
                        self._turn()
                    except Exception as error:  # whatever it was, the engine goes on with the next pages
                        self._recover(error)
        except BaseException:
            # A device that is gone, most likely. Nobody shall wait for this thread; `alive` tells that it ended.
            log.critical("the decode thread ends", exc_info=True)
        finally:
            self._end(self._everything(), Unavailable("the decode engine was closed"))

    def _wait(self) -> bool:
        """Until there is something to do; False once closed."""
        with self._wake:
            while not (self._closed or self._queue or self._running or self._filling or self._harvests):
                self._wake.wait()
            return not self._closed

    def _turn(self) -> None:
        self._drop_cancelled()
        self._admit()
        if self._filling:
            self._prefill()
        if self._running:
            for _ in range(self._poll_every):
                longest = max(page.length + page.steps for page in self._running)
                self._steps.run(len(self._running), min(longest + 1, self.capacity))
                for page in self._running:
                    page.steps += 1
            self._polls.append(Poll(self._slots.done, list(self._running)))
        # One look behind the last on CUDA: the device has work while the host reads.
        while self._polls and (len(self._polls) > 1 or self._device.type == "cpu" or not self._running):
            self._collect(self._polls.popleft())
        self._deliver(wait=not self._running and not self._filling)

    def _admit(self) -> None:
        with self._wake:
            free = self.slots - len(self._running) - len(self._filling)
            patient = self._running and self._device.type == "cuda"
            if patient and free < min(len(self._queue), max(1, self.slots // _WAIT_FOR)):
                return
            taken = [self._queue.popleft() for _ in range(min(free, len(self._queue)))]
        for page in taken:
            if page.future.cancelled():
                continue
            try:
                page.x = self._embed(page)
            except Exception as error:
                self._fail([page], error)
                continue
            page.row = len(self._running) + len(self._filling)
            self._filling.append(page)

    def _embed(self, page: Page) -> torch.Tensor:
        if page.ready is not None:
            self._stream.wait_event(page.ready)
        decoder = self.decoder
        if isinstance(page.prefix, torch.Tensor):
            return page.prefix.to(decoder.device, decoder.dtype)
        ids = torch.tensor(page.prefix.ids)
        x = decoder.embed(ids.to(decoder.device))
        if page.prefix.vision is not None:
            at = (ids == self._image_id).nonzero()[:, 0].to(decoder.device)
            x[at] = page.prefix.vision.to(decoder.device, decoder.dtype)
        return x

    def _prefill(self) -> None:
        budget = self._prefill_tokens if self._running else 4 * self._prefill_tokens
        pieces: list[Piece] = []
        pages: list[Page] = []
        for page in self._filling:
            size = min(page.length - page.filled, budget)
            if not size or (pages and self._one_by_one):
                break
            pieces.append(Piece(page.row, page.filled, page.x[page.filled : page.filled + size]))
            pages.append(page)
            budget -= size
        self._one_by_one = max(0, self._one_by_one - 1)
        try:
            last = self._slots.prefill(pieces)
        except Exception as error:
            self._prefill_failed(pages, error)
            return
        for page, piece, hidden in zip(pages, pieces, last, strict=True):
            page.filled += len(piece.x)
            if page.filled == page.length:
                self._slots.start(page.row, page.length, page.limit)
                self._slots.begin(page.row, hidden)
                page.x = None
                self._filling.remove(page)
                self._running.append(page)  # pages fill in the order of their rows

    def _prefill_failed(self, pages: list[Page], error: Exception) -> None:
        if is_gone(error, self._device):
            raise error
        if is_out_of_memory(error) and self._prefill_tokens > 64:
            self._prefill_tokens //= 2
            log.warning("no memory for a prefill, going on with %d tokens at a time", self._prefill_tokens)
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
        elif len(pages) > 1:  # whose fault is it? What was written is written again.
            log.warning("a packed prefill failed (%s), going on one by one", error)
            self._one_by_one = len(pages)
        else:
            self._remove(pages[0])
            self._fail(pages, error)

    def _collect(self, poll: Poll) -> None:
        done = poll.read()
        now = [page for page, state in zip(poll.pages, done, strict=True) if state]
        for page in now:
            if page in self._running:
                self._harvests.append((page, Harvest(self._slots, page.row)))
                self._remove(page)

    def _deliver(self, *, wait: bool) -> None:
        waiting = []
        for page, harvest in self._harvests:
            if not (wait or harvest.ready()):
                waiting.append((page, harvest))
                continue
            try:
                result = harvest.result(page.submitted)
            except Exception as error:
                self._fail([page], error)
                continue
            if page.future.set_running_or_notify_cancel():
                page.future.set_result(result)
        self._harvests = waiting

    def _drop_cancelled(self) -> None:
        for page in [page for page in (*self._running, *self._filling) if page.future.cancelled()]:
            self._remove(page)

    def _remove(self, page: Page) -> None:
        """Free the row of `page` and close the gap: the last running page moves there, the last filling one behind."""
        running, filling, slots = self._running, self._filling, self._slots
        gap = page.row
        if page in running:
            last = running.pop()
            slots.clear(gap)
            if last is not page:
                slots.move(last.row, gap, last.length + last.steps + 1)
                running[gap], gap, last.row = last, last.row, gap
        else:
            filling.remove(page)
        behind = [other for other in filling if other.row > gap]
        for other in behind:  # in order: pages fill in the order of their rows
            slots.cache.move(other.row, other.row - 1, other.filled)
            other.row -= 1

    def _recover(self, error: Exception) -> None:
        exhausted = is_out_of_memory(error)
        if exhausted:
            # Its frames hold the slots, and so their memory, for as long as the exception is handled.
            error.__traceback__ = error.__context__ = error.__cause__ = None
        pages = self._everything()
        self._running, self._filling, self._harvests = [], [], []
        self._polls.clear()
        if is_gone(error, self._device):
            log.critical("the GPU is lost to this process, %d pages are given up", len(pages), exc_info=error)
            self._end(pages, error)
            return
        if exhausted and self.slots > 1:
            with self._wake:
                self._queue.extendleft(reversed([self._again(page) for page in pages]))
            self._shrink()
            return
        log.error("decoding failed, %d pages are given up", len(pages), exc_info=error)
        self._fail(pages, error)
        self._slots.done.fill_(EMPTY)

    def _shrink(self) -> None:
        """Half the slots, for good: memory that others took does not come back by waiting."""
        half = self.slots // 2
        log.warning("no memory to decode %d pages at a time, going on with %d", self.slots, half)
        graphs = self._steps
        self._slots = self._steps = None
        del graphs
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            torch.cuda.empty_cache()
        try:
            self._slots, self.slots = take(half, self._make_slots)
            self._steps = Steps(self._slots, self.attention, graphs=self._graphs)
        except ConfigError as error:
            # Not the pages' fault: they are read again when there is memory, by an engine made anew.
            self._end([], Unavailable(error.message, code=error.code))

    def _end(self, pages: Sequence[Page], error: Exception) -> None:
        """No page is taken any more; `pages` and those that wait get `error`."""
        with self._wake:
            self._closed = True
        self._fail([*pages, *self._drain()], error)

    @staticmethod
    def _again(page: Page) -> Page:
        page.row, page.filled, page.steps, page.x = -1, 0, 0, None
        return page

    def _everything(self) -> list[Page]:
        return [*self._running, *self._filling, *(page for page, _ in self._harvests)]

    def _drain(self) -> list[Page]:
        with self._wake:
            pages = list(self._queue)
            self._queue.clear()
        return pages

    @staticmethod
    def _fail(pages: Sequence[Page], error: Exception) -> None:
        for page in pages:
            if not page.future.done() and page.future.set_running_or_notify_cancel():
                page.future.set_exception(told(error))
