"""How one page gets its reading: from a trustworthy text layer, or else from its pixels.

Knows renderer, engine and text layers; no store and no queue.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from index.errors import Unavailable
from index.types import Manifest, PagePoint, PageReading, Reader, TextLayerPolicy
from ingest.renderer import RenderedPage, Renderer
from worker import metrics
from worker.decoding import decoding_engine, tokens_of
from worker.drafts import Drafts
from worker.engine.deepseek.pages import read_as
from worker.engine.engine import NO_MEMORY, Decoded, Engine, VisionEngine
from worker.engine.prompts import Prompt
from worker.patience import Patience
from worker.textlayer import LineRecogniser, read_layer, trustworthy, upright, without_unseen

log = logging.getLogger("folioscope.reading")

PDF = "application/pdf"


@dataclass(frozen=True, slots=True)
class ReadingConfig:
    """Pixel budgets. `check_pixels` is what comparing a text layer with the page needs: an A4 page at
    about 110 dpi, where the recogniser still reads 8 point type. `keep_tokens`: readings keep their vision tokens;
    `layer_tokens`: so do pages whose text layer is used, which are encoded for it, not decoded. `lazy`: pages without
    a text layer are encoded too and not decoded, where the engine can do that and tokens are kept. `drafts`: such a
    page is read by the engine's helper besides, where it has one that reads.
    """

    page_pixels: int = 4_000_000
    check_pixels: int = 1_200_000
    keep_tokens: bool = True
    layer_tokens: bool = True
    lazy: bool = False
    drafts: bool = True


class PageReader:
    """Reads pages of stored documents. Thread-safe."""

    def __init__(
        self, renderer: Renderer, engine: Engine, recogniser: LineRecogniser, config: ReadingConfig | None = None
    ) -> None:
        self._renderer = renderer
        self._engine = engine
        self._recogniser = recogniser
        self._config = config or ReadingConfig()
        helper = getattr(engine, "helper", None)
        self._drafts = Drafts(helper) if self.lazy and self._config.drafts and hasattr(helper, "read") else None
        self._habits = _Habits()

    def read(self, path: Path, manifest: Manifest, page: int, password: str | None) -> PageReading:
        """The reading of page `page` (from 1). Raises what the renderer and the engine raise."""
        config = self._config
        wanted = manifest.media_type == PDF and manifest.text_layer is TextLayerPolicy.AUTO
        # A page with a text layer needs few pixels, one without needs all. Pages of a document are
        # mostly alike, so the first guess is what the page before turned out to be.
        small = wanted and self._habits.has_layer(manifest.document_id)
        rendered = self._render(path, manifest, page, password, config.check_pixels if small else None, wanted)
        reading = None
        if wanted:
            with metrics.step("layer"):
                reading = self._from_layer(rendered)
        if wanted:
            self._habits.note(manifest.document_id, has_layer=reading is not None)
        if reading is not None:
            return self._with_tokens(reading, rendered)
        if small:
            rendered = self._render(path, manifest, page, password, None, False)
        if self.lazy:
            with metrics.step("encode"):
                encoded = self._vision().look([rendered.image])[0]
            return encoded if encoded.decoded or self._drafts is None else self._drafts.add(encoded, rendered.image)
        with metrics.step("read"):
            reading = self._engine.read([rendered.image])[0]
        return reading if config.keep_tokens else replace(reading, vision=None)

    @property
    def lazy(self) -> bool:
        """Whether pages are left undecoded: it was asked for, and the engine can."""
        return self._config.lazy and self._config.keep_tokens and hasattr(self._engine, "look")

    @property
    def drafts(self) -> bool:
        """Whether such pages are read in draft."""
        return self._drafts is not None

    # -- on need ------------------------------------------------------------------------------

    def decode(self, point: PagePoint, prompt: Prompt, patience: Patience) -> Decoded:
        """The page's stored tokens, which it was fetched with, under a prompt. Raises `Conflict`, `Unavailable`."""
        tokens = tokens_of(point)
        return decoding_engine(self._engine, tokens.format).decode([tokens], [prompt], patience)[0]

    def reading_of(self, point: PagePoint, patience: Patience) -> PageReading:
        """The reading that the page's stored tokens give."""
        decoded = self.decode(point, Prompt(), patience)
        tokens = tokens_of(point)
        made = tokens.format
        reader = Reader(made.engine, made.revision, made.mode)
        size = (point.width, point.height, point.rotation)
        return read_as(PageReading("", (), (), 0.0, *size, reader, tokens, decoded=False), decoded)

    def read_finer(
        self, path: Path, manifest: Manifest, point: PagePoint, password: str | None, patience: Patience
    ) -> PageReading | None:
        """Another reading of the original in the next finer mode than that of the page's tokens; None where there is
        none. Raises what the renderer and the engine raise.
        """
        form = tokens_of(point).format
        engine = decoding_engine(self._engine, form)
        rendered = self._render(path, manifest, point.key.page, password, None, False)
        with metrics.step("read"):
            return engine.read_finer(rendered.image, form, patience)

    def _vision(self) -> VisionEngine:
        return cast("VisionEngine", self._engine)

    def _with_tokens(self, reading: PageReading, rendered: RenderedPage) -> PageReading:
        """A text layer's reading with the page's vision tokens, where the engine makes any and they are kept."""
        encode = getattr(self._engine, "encode", None)
        if encode is None or not (self._config.keep_tokens and self._config.layer_tokens) or not reading.text:
            return reading
        try:
            with metrics.step("encode"):
                return replace(reading, vision=encode([rendered.image])[0])
        except Unavailable as error:
            if error.code not in NO_MEMORY:
                raise  # an engine that comes back makes them; waiting costs the page nothing
            log.warning("a page keeps its text layer without vision tokens: %s", error.message)
            return reading
        except Exception as error:
            # The text stands without them.
            log.warning("a page keeps its text layer without vision tokens: %s", error)
            return reading

    def _render(
        self, path: Path, manifest: Manifest, page: int, password: str | None, pixels: int | None, text_layer: bool
    ) -> RenderedPage:
        with metrics.step("render"):
            return self._renderer.render(
                path,
                manifest.media_type,
                page,
                password,
                max_pixels=pixels or self._config.page_pixels,
                text_layer=text_layer,
            )

    def _from_layer(self, rendered: RenderedPage) -> PageReading | None:
        layer = rendered.text_layer
        if layer is None or not layer.words:
            return None
        turned, image = upright(layer, rendered.image)
        if not trustworthy(turned, image, self._recogniser).ok:
            return None
        return read_layer(without_unseen(turned, image), *image.size, rotation=layer.turn)


_REMEMBERED = 512


class _Habits:
    """Whether a document's latest page had a usable text layer; of the `_REMEMBERED` documents that were read last."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._seen: OrderedDict[str, bool] = OrderedDict()

    def has_layer(self, document_id: str) -> bool:
        with self._guard:
            return self._seen.get(document_id, True)

    def note(self, document_id: str, *, has_layer: bool) -> None:
        with self._guard:
            self._seen[document_id] = has_layer
            self._seen.move_to_end(document_id)
            while len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
