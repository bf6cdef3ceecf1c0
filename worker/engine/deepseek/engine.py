"""`DeepSeekOcrEngine`: DeepSeek-OCR, DeepSeek-OCR 2, Unlimited-OCR or our own mini model as a `VisionEngine`.

A page goes: stand it upright -> choose its mode -> encode -> float16 vision tokens -> decode -> text, regions, trust.
The decoder reads the float16 tokens and nothing else, so what is decoded from stored tokens later is what was
decoded at first. In automatic mode a page whose reading is not trusted is read once more in the next finer mode, and
the better reading is kept. Words have no boxes: the model knows blocks.

`read`, `encode` and `decode` may be called by many threads at once; what they ask is put together to batches, pages of
different modes and prompts included. Weights are checked when the engine is made, which takes milliseconds, and
loaded when they are first needed. If that fails, calls raise `Unavailable`, so that no page loses an attempt by it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from index.errors import ConfigError, Conflict, FolioscopeError, Unavailable
from index.types import Box, PageReading, VisionFormat, VisionTokens
from worker.engine.deepseek.batching import Batcher
from worker.engine.deepseek.configure import kind_of
from worker.engine.deepseek.grounding import parse
from worker.engine.deepseek.load import LoadedModel, load_model, locate
from worker.engine.deepseek.mini_prompts import asked
from worker.engine.deepseek.modes import Mode
from worker.engine.deepseek.pages import AUTO, FINER, Page, PageHelper, Pages
from worker.engine.deepseek.preprocess import Views, preprocess, upright_rgb
from worker.engine.deepseek.trust import TRUSTED, trust
from worker.engine.deepseek.weights import WeightFolder, fingerprint, look_into
from worker.engine.engine import GPU_FAILED, Decoded, Finish
from worker.engine.prompts import Prompt
from worker.patience import Patience

if TYPE_CHECKING:
    from PIL.Image import Image

    from worker.engine.deepseek.encoder import Encoder

log = logging.getLogger("folioscope.engine")

_LOAD_AGAIN_S = 30.0
_ENCODED_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """`weights` is a folder, or a hub id with `revision`, a commit. `kind` is what they are expected to be (None: any).
    `mode` is `auto` or the name of a mode. 0 leaves `max_tokens` (of a page's text) to the model's context and `slots`
    (pages decoded at the same time) to the memory that is there.
    """

    weights: str
    revision: str | None = None
    kind: str | None = None
    device: str = AUTO
    dtype: str = AUTO
    mode: str = AUTO
    max_tokens: int = 0
    slots: int = 0


class _Generated(Protocol):
    tokens: Sequence[int]
    mean_logprob: float
    bans: int
    finish: Finish


class TextDecoder(Protocol):
    """Vision tokens and a prompt's words to token ids, many at a time."""

    @property
    def alive(self) -> bool: ...

    def submit(self, tokens: VisionTokens, prompt: str) -> Future[Any]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Running:
    loaded: LoadedModel
    encoder: Encoder
    encoding: Batcher[tuple[Views, Mode], VisionTokens]
    decoder: TextDecoder


class DeepSeekOcrEngine:
    """`name` is the kind of the weights, `revision` their commit or fingerprint, `dim` the width of a vision token."""

    def __init__(
        self,
        config: EngineConfig,
        helper: PageHelper,
        *,
        make_decoder: Callable[[LoadedModel, EngineConfig], TextDecoder] | None = None,
    ) -> None:
        """Raises the `ConfigError`s of `load` that can be told without reading the weights."""
        self._config = config
        self.helper = helper
        self._make_decoder = make_decoder or _make_decoder
        path, pinned = locate(config.weights, config.revision)
        folder = look_into(path)
        self.name = kind_of(folder)
        if config.kind is not None and self.name != config.kind:
            raise ConfigError(
                f"{path} holds {self.name}, but FOLIOSCOPE_ENGINE asks for {config.kind}. Set FOLIOSCOPE_ENGINE to "
                f"{self.name}, or FOLIOSCOPE_WEIGHTS to other weights.",
                code="wrong_architecture",
            )
        self.revision = pinned or fingerprint(folder)
        self.dim = _width(folder)
        self._pages = Pages(helper, self.name, self.revision, self.dim, config.mode)
        self._path = path
        self._loading = threading.Lock()
        self._run: _Running | None = None
        self._failed: tuple[float, str, str] | None = None
        self._closed = False

    def warm(self) -> None:
        """Load the weights. Raises `ConfigError` where they do not load, or the device has no memory for them."""
        self._running()

    def placement(self) -> str:
        """In words, on what it runs; empty while the weights are not loaded."""
        return self._run.loaded.placement if self._run else ""

    def close(self) -> None:
        """Let go of the model. Pages that are being read get `Unavailable`. Harmless twice."""
        with self._loading:
            self._closed = True
            run, self._run = self._run, None
        if run is not None:
            run.encoding.close()
            run.decoder.close()

    # -- reading ------------------------------------------------------------------------------

    def read(self, images: Sequence[Image]) -> list[PageReading]:
        """One reading for each image, in order. A blank page gives an empty text and trust 1.0."""
        readings, pages = self._stood_upright(images)
        if pages:
            run = self._available()
            readings |= self._read(run, pages)
            again = {n: self._pages.finer(page) for n, page in pages.items() if readings[n].trust < TRUSTED}
            for number, finer in again.items():
                second = self._second(run, finer) if finer is not None else None
                if second is not None:
                    better = max(readings[number], second, key=lambda one: one.trust)  # the first of equals
                    readings[number] = replace(better, tried=(FINER,))
        return [readings[number] for number in range(len(images))]

    def look(self, images: Sequence[Image]) -> list[PageReading]:
        """As `read` without decoding: vision tokens and no text. A blank page is read."""
        readings, pages = self._stood_upright(images)
        if pages:
            encoding = self._encoding(self._available(), pages)
            readings |= {n: self._pages.encoded(pages[n], future.result()) for n, future in encoding.items()}
        return [readings[number] for number in range(len(images))]

    def read_finer(self, image: Image, form: VisionFormat, patience: Patience | None = None) -> PageReading | None:
        """The page read in the next finer mode than that of `form`; None where there is none, or the mode is pinned.
        When `patience` ends it is cancelled.
        """
        page = self._pages.upright(image)
        finer = page and self._pages.finer(replace(page, mode=self._pages.named(form.mode)))
        return self._read(self._available(), {0: finer}, patience)[0] if finer else None

    def read_lines(self, image: Image, boxes: Sequence[Box]) -> list[tuple[str, float]]:
        """The helper's: see `RapidOcrEngine.read_lines`."""
        return self.helper.read_lines(image, boxes)

    def knows(self, text: str) -> bool:
        return self.helper.knows(text)

    def _stood_upright(self, images: Sequence[Image]) -> tuple[dict[int, PageReading], dict[int, Page]]:
        """Readings of the blank ones, and the others as they will be encoded, by number."""
        upright = {number: self._pages.upright(image) for number, image in enumerate(images)}
        blank = {number: self._pages.blank(images[number]) for number, page in upright.items() if page is None}
        return blank, {number: page for number, page in upright.items() if page is not None}

    def _encoding(self, run: _Running, pages: dict[int, Page]) -> dict[int, Future[VisionTokens]]:
        return {
            number: run.encoding.submit((preprocess(page.image, page.mode), page.mode))
            for number, page in pages.items()
        }

    def _read(self, run: _Running, pages: dict[int, Page], patience: Patience | None = None) -> dict[int, PageReading]:
        prompt, patience = Prompt(), patience or Patience()
        decoding = {
            number: (tokens := patience.result(future), run.decoder.submit(tokens, asked(self.name, prompt).text()))
            for number, future in self._encoding(run, pages).items()
        }
        return {
            number: self._pages.reading(pages[number], tokens, self._decoded(run, prompt, patience.result(future)))
            for number, (tokens, future) in decoding.items()
        }

    def _second(self, run: _Running, page: Page) -> PageReading | None:
        """Another reading in a finer mode; None where that fails: the first one stands."""
        try:
            return self._read(run, {0: page})[0]
        except Exception as error:
            log.warning("a second reading in %s failed, the first is kept: %s", page.mode.name, error)
            return None

    # -- tokens -------------------------------------------------------------------------------

    def encode(self, images: Sequence[Image]) -> list[VisionTokens]:
        """Upright images to tokens, in order, each in the mode that fits its page."""
        run = self._available()
        views = []
        for image in images:
            upright = upright_rgb(image)
            mode = self._pages.mode_of(upright)
            views.append((preprocess(upright, mode), mode))
        return [future.result() for future in [run.encoding.submit(view) for view in views]]

    def encode_as(self, image: Image, form: VisionFormat) -> VisionTokens:
        """The upright image in the mode of `form`, as it was encoded before: for comparing."""
        mode = self._pages.named(form.mode)
        return self._available().encoding.submit((preprocess(image, mode), mode)).result()

    def decode(
        self, tokens: Sequence[VisionTokens], prompts: Sequence[Prompt], patience: Patience | None = None
    ) -> list[Decoded]:
        """One text for each pair, in order. Raises `Conflict` (`wrong_tokens`) for tokens of other weights. When
        `patience` ends, what is not decoded yet is cancelled.
        """
        for page in tokens:
            if not self.decodes(page.format):
                made, own = page.format, f"{self.name}@{self.revision}"
                raise Conflict(
                    f"These vision tokens were made by {made.engine}@{made.revision}, and {own} runs here. "
                    "Read the page again with it, or run the engine and the weights that made them.",
                    code="wrong_tokens",
                )
        pairs = list(zip(tokens, prompts, strict=True))
        wordings = [asked(self.name, prompt).text() for prompt in prompts]
        run = self._available()
        futures = [run.decoder.submit(page, wording) for page, wording in zip(tokens, wordings, strict=True)]
        patience = patience or Patience()
        try:
            written = [patience.result(future) for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            raise
        return [self._decoded(run, prompt, one) for (_, prompt), one in zip(pairs, written, strict=True)]

    def decodes(self, form: VisionFormat) -> bool:
        """Whether these weights made the tokens: another revision's are another language."""
        return (form.engine, form.revision) == (self.name, self.revision)

    def _decoded(self, run: _Running, prompt: Prompt, generated: _Generated) -> Decoded:
        ids = [int(token) for token in generated.tokens]
        raw = run.loaded.tokenizer.decode(ids, skip_special_tokens=False)
        found = parse(raw, prompt.task)
        sure = trust(
            mean_logprob=generated.mean_logprob,
            tokens=len(ids),
            bans=generated.bans,
            finish=generated.finish,
        )
        return Decoded(
            prompt=prompt,
            raw=raw,
            text=found.text,
            regions=found.regions,
            tokens=len(ids),
            finish=generated.finish,
            mean_logprob=float(generated.mean_logprob),
            bans=int(generated.bans),
            trust=sure,
        )

    # -- loading ------------------------------------------------------------------------------

    def _available(self) -> _Running:
        """As `_running`, but a failure is not the fault of the page that needed the weights first."""
        try:
            return self._running()
        except ConfigError as error:
            raise Unavailable(f"The reading engine cannot start: {error.message}", code=error.code) from error

    def _running(self) -> _Running:
        if (run := self._run) is not None and run.decoder.alive:
            return run
        run = None  # nor does who waits for new weights keep the old ones: there may be no room for both
        with self._loading:
            if self._closed:
                raise Unavailable("The reading engine is stopping. Try again when the service is up.")
            self._let_go_of_ended()
            if self._run is None:
                if self._failed is not None and time.monotonic() - self._failed[0] < _LOAD_AGAIN_S:
                    _, code, message = self._failed
                    raise ConfigError(message, code=code)
                try:
                    self._run = self._loaded()
                except ConfigError as error:
                    log.error("%s cannot be loaded: %s", self.name, error.message)
                    code, message = error.code, error.message
                else:
                    return self._run
                # In words only: the exception's frames hold the weights, as far as they were loaded.
                self._failed = (time.monotonic(), code, message)
                raise ConfigError(message, code=code)
            return self._run

    def _let_go_of_ended(self) -> None:
        """Of a model whose decoder has ended. The caller holds the lock."""
        if self._run is not None and not self._run.decoder.alive:
            ended, self._run = self._run, None
            ended.encoding.close()
            ended.decoder.close()

    def _loaded(self) -> _Running:
        from worker.engine.deepseek.faults import gone, is_gone
        from worker.engine.deepseek.plan import is_out_of_memory

        try:
            return self._load()
        except FolioscopeError:
            raise
        except Exception as error:
            if is_gone(error):
                raise ConfigError(gone(error).message, code=GPU_FAILED) from error
            if is_out_of_memory(error):
                raise ConfigError(
                    f"There is no memory for {self.name} on {self._config.device}: stop other programs, set "
                    "FOLIOSCOPE_SLOTS lower, or use another machine.",
                    code="not_enough_memory",
                ) from error
            log.exception("%s cannot be loaded", self.name)
            raise ConfigError(
                f"{self.name} cannot be started on {self._config.device} ({type(error).__name__}: {error}). "
                "The log has the details.",
                code="engine_failed",
            ) from error

    def _load(self) -> _Running:
        from worker.engine.deepseek.encoder import Encoder

        config = self._config
        began = time.monotonic()
        loaded = load_model(self._path, device=config.device, dtype=config.dtype)
        encoder = Encoder(loaded)

        def encode(batch: Sequence[tuple[Views, Mode]]) -> list[VisionTokens]:
            found = encoder.encode_views([views for views, _ in batch], [mode for _, mode in batch])
            # A folder's weights have a fingerprint for a name, those of the hub their commit.
            return [replace(one, format=replace(one.format, revision=self.revision)) for one in found]

        decoder = self._make_decoder(loaded, config)
        batcher = Batcher(encode, most=_ENCODED_AT_ONCE, name="encoder")
        log.info("%s@%s loaded in %.1f s: %s", self.name, self.revision, time.monotonic() - began, loaded.placement)
        return _Running(loaded, encoder, batcher, decoder)


def _width(folder: WeightFolder) -> int:
    """Numbers in a vision token: the width of the decoder's embeddings."""
    for name in ("model.embed_tokens.weight", "model.language_model.embed_tokens.weight"):
        if name in folder.tensors and len(folder.shape(name)) == 2:
            return folder.shape(name)[1]
    raise ConfigError(f"the weights in {folder.path} have no table of embeddings", code="weights_mismatch")


def _make_decoder(loaded: LoadedModel, config: EngineConfig) -> TextDecoder:
    from worker.engine.deepseek.texts import Texts

    return Texts(loaded, max_tokens=config.max_tokens, slots=config.slots)
