"""`audit`: whether stored vision tokens still say what the pages say.

A sample of the pages that this engine's weights encoded is looked at in three ways. The tokens are made again from the
original's pixels and compared bit for bit; they are decoded and compared with the text that was stored; and the new
tokens are decoded and compared with what the stored ones gave. Needs the data directory for itself, as `verify` does.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from index.catalog import Entry
from index.errors import ConfigError, FolioscopeError, Unavailable
from index.types import PageKey, PagePoint, PageState, VisionFormat, VisionTokens
from worker.engine.engine import VisionEngine
from worker.engine.prompts import Prompt
from worker.reading import ReadingConfig
from worker.settings import Settings
from worker.wiring import Truth, build_engine, build_renderer, close_engine, open_truth

if TYPE_CHECKING:
    from PIL.Image import Image

    from ingest.renderer import Renderer

_AT_ONCE = 16  # pages: their images and tokens are in memory together


class AuditedEngine(VisionEngine, Protocol):
    """A vision engine that can be told which mode to encode in."""

    def encode_as(self, image: Image, form: VisionFormat) -> VisionTokens: ...


@dataclass(frozen=True, slots=True)
class Difference:
    """`code`: `tokens` (the pixels give other tokens), `stored_text` (the tokens give another text than was stored),
    `text` (new and stored tokens give different texts), `not_decoded`, `not_rendered`, `page_size`.
    """

    document_id: str
    page: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Audit:
    """`pages` have tokens of these weights, `others` of other ones, `checked` were looked at."""

    engine: str
    pages: int
    others: int
    checked: int
    differences: tuple[Difference, ...]


def audit(
    settings: Settings, *, pages: int = 20, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> Audit:
    """Look at `pages` pages, drawn with `seed`. Changes nothing. `ConfigError` where the engine decodes no tokens."""
    engine = build_engine(settings)
    if not hasattr(engine, "encode_as"):
        raise ConfigError(
            f"The engine {engine.name} has no vision tokens to compare: set FOLIOSCOPE_ENGINE to the one that read the "
            "pages.",
            code="unknown_engine",
        )
    truth = open_truth(settings)
    renderer = build_renderer(settings, children=2)
    try:
        engine.warm()
        return Auditor(truth, renderer, engine, settings.page_pixels).run(pages, seed, progress or _quiet)
    finally:
        renderer.close()
        close_engine(engine)
        truth.close()


class Auditor:
    """The comparison over open ports. `page_pixels` is the budget that pages were rendered with."""

    def __init__(self, truth: Truth, renderer: Renderer, engine: AuditedEngine, page_pixels: int) -> None:
        self._truth = truth
        self._renderer = renderer
        self._engine = engine
        # Pages with a text layer were rendered smaller.
        self._budgets = (page_pixels, ReadingConfig().check_pixels)

    def run(self, pages: int, seed: int, progress: Callable[[int, int], None]) -> Audit:
        keys: list[PageKey] = []
        others = 0
        for point in self._truth.store.scan(None, states=[PageState.DONE]):
            if point.vision is not None:
                if self._engine.decodes(point.vision):
                    keys.append(point.key)
                else:
                    others += 1
        keys.sort(key=lambda key: (key.tenant, key.document_id, key.page))
        chosen = random.Random(seed).sample(keys, min(pages, len(keys)))
        found: list[Difference] = []
        checked = 0
        for start in range(0, len(chosen), _AT_ONCE):
            points = self._truth.store.get(chosen[start : start + _AT_ONCE], with_vision=True)
            kept = [point for point in points if point is not None and point.vision_tokens is not None]
            found += self._compare(kept)
            checked += len(kept)
            progress(checked, len(chosen))
        engine = f"{self._engine.name}@{self._engine.revision}"
        return Audit(engine, len(keys), others, checked, tuple(found))

    def _compare(self, points: Sequence[PagePoint]) -> list[Difference]:
        found: list[Difference] = []
        stored = self._texts([point.vision_tokens for point in points])
        for point, text in zip(points, stored, strict=True):
            if (
                text is not None
                and point.decoded
                and point.reader is not None
                and point.reader.engine == self._engine.name
                and text != point.text
            ):
                found.append(
                    _difference(point, "stored_text", f"the stored text {_first_difference(point.text, text)}")
                )
        fresh: list[tuple[PagePoint, str, VisionTokens]] = []
        for point, text in zip(points, stored, strict=True):
            if text is None:
                found.append(_difference(point, "not_decoded", "the stored tokens cannot be decoded"))
                continue
            try:
                image = self._pixels(point)
                tokens = None if image is None else self._engine.encode_as(image, point.vision)
            except FolioscopeError as error:
                found.append(_difference(point, "not_rendered", f"{error.code}: {error.message}"))
                continue
            if tokens is None:
                found.append(_difference(point, "page_size", "the page renders at another size than it was read at"))
                continue
            message = _tokens_differ(point.vision_tokens, tokens)
            if message:
                found.append(_difference(point, "tokens", message))
            fresh.append((point, text, tokens))
        for (point, text, _), again in zip(fresh, self._texts([tokens for _, _, tokens in fresh]), strict=True):
            if again != text:
                message = f"the text from stored tokens {_first_difference(text, again)}"
                found.append(_difference(point, "text", message))
        return found

    def _texts(self, tokens: Sequence[VisionTokens]) -> list[str | None]:
        """None for tokens that cannot be decoded: one damaged page must not hide what the others have."""
        if not tokens:
            return []
        prompt = Prompt()
        try:
            return [decoded.text for decoded in self._engine.decode(tokens, [prompt] * len(tokens))]
        except Unavailable:
            raise
        except FolioscopeError:
            return [None] if len(tokens) == 1 else [text for one in tokens for text in self._texts([one])]

    def _pixels(self, point: PagePoint) -> Image | None:
        """The page as it was encoded; None where it cannot be had at that size any more."""
        key = point.key
        entry: Entry | None = self._truth.catalog.get(key.tenant, key.document_id)
        if entry is None or point.vision is None:
            return None
        manifest = entry.manifest
        path = self._truth.blobs.path(manifest.sha256)
        for budget in self._budgets:
            image = self._renderer.render(path, manifest.media_type, key.page, entry.password, max_pixels=budget).image
            if point.rotation:
                image = image.rotate(-point.rotation, expand=True)
            if image.size == tuple(point.vision.page_size):
                return image
        return None


def _difference(point: PagePoint, code: str, message: str) -> Difference:
    return Difference(point.key.document_id, point.key.page, code, message)


def _tokens_differ(stored: VisionTokens, fresh: VisionTokens) -> str:
    """What differs, in words; empty where nothing does, to the last bit."""
    pairs = [(stored.array, fresh.array)]
    if stored.tiles is not None or fresh.tiles is not None:
        if stored.tiles is None or fresh.tiles is None:
            return "one has local tiles, the other has none"
        pairs.append((stored.tiles, fresh.tiles))
    if any(ours.shape != theirs.shape for ours, theirs in pairs):
        return "the numbers of tokens differ"
    ours = np.concatenate([one.ravel() for one, _ in pairs])
    theirs = np.concatenate([one.ravel() for _, one in pairs])
    different = ours.view(np.uint16) != theirs.view(np.uint16)
    if not different.any():
        return ""
    largest = float(np.abs(ours.astype(np.float32) - theirs.astype(np.float32)).max())
    return f"{int(different.sum())} of {ours.size} numbers differ, by {largest:.3g} at most"


def _first_difference(ours: str, theirs: str) -> str:
    at = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    return f"has {len(ours)} characters, the other {len(theirs)}; they part at character {at}"


def _quiet(_done: int, _total: int) -> None:
    pass
