"""From a picture to what is encoded and back: standing it upright, blank pages, its mode, and readings of it.

Knows the modes and the helper that turns pages; no weights and no decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from index.types import Box, PageReading, Reader, VisionTokens
from index.vision import most_tokens
from worker.engine.deepseek import modes
from worker.engine.deepseek.modes import Mode, mode_named, step_up
from worker.engine.deepseek.preprocess import upright_rgb
from worker.engine.deepseek.trust import marks
from worker.engine.engine import Decoded

if TYPE_CHECKING:
    from PIL.Image import Image

AUTO = "auto"
FINER = "finer"
"""In `PageReading.tried`: a finer mode was tried, and the better reading kept."""
_LOOKED_AT = 4_000_000  # pixels of a page that are enough to see whether it is blank, and which way up


class PageHelper(Protocol):
    """What the engine leaves to another: which way up a page is, and single lines (`textlayer.LineRecogniser`)."""

    def rotation(self, image: Image) -> int: ...

    def read_lines(self, image: Image, boxes: Sequence[Box]) -> list[tuple[str, float]]: ...

    def knows(self, text: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it will be encoded: upright, turned by `rotation` degrees clockwise for that."""

    image: Image
    rotation: int
    mode: Mode


class Pages:
    """For weights of one `kind` whose vision tokens have `dim` numbers. `mode` is `auto` or the name of one."""

    def __init__(self, helper: PageHelper, kind: str, revision: str, dim: int, mode: str) -> None:
        self._helper = helper
        self._kind = kind
        self._revision = revision
        self._dim = dim
        self.pinned = None if mode == AUTO else self.fitting(mode_named(kind, mode))

    def upright(self, image: Image) -> Page | None:
        """The page turned upright, and its mode; None where it is blank."""
        from worker.engine.pixels import is_blank, rgb_pixels

        image = upright_rgb(image)
        step = max(1, round((image.width * image.height / _LOOKED_AT) ** 0.5))
        small = image.reduce(step) if step > 1 else image
        if is_blank(rgb_pixels(small)):
            return None
        rotation = self._helper.rotation(small)
        if rotation:
            image = image.rotate(-rotation, expand=True)
        return Page(image, rotation, self.mode_of(image))

    def mode_of(self, image: Image) -> Mode:
        """The pinned mode, or the one that fits an upright page."""
        from worker.engine.deepseek.choose import auto

        return self.pinned or self.fitting(auto(self._kind, image))

    def named(self, name: str) -> Mode:
        return self.fitting(mode_named(self._kind, name))

    def fitting(self, mode: Mode) -> Mode:
        """The mode with no more tiles than a store can hold (`index.vision`)."""
        if not mode.tile:
            return mode
        return replace(mode, max_tiles=min(mode.max_tiles, most_tokens(self._dim) // mode.tile_rows**2))

    def finer(self, page: Page) -> Page | None:
        """The page in the next finer mode; None where there is none for it, or the mode is pinned."""
        finer = None if self.pinned else step_up(self._kind, page.mode)
        if finer is None:
            return None
        finer = self.fitting(finer)
        if finer.tile and modes.tile_grid(finer, *page.image.size) == modes.NO_TILES:
            return None
        return replace(page, mode=finer)

    def blank(self, image: Image) -> PageReading:
        width, height = upright_rgb(image).size
        return PageReading("", (), (), 1.0, width, height, 0, self._reader("blank"))

    def encoded(self, page: Page, tokens: VisionTokens) -> PageReading:
        """A page that is not decoded yet: nothing is known of its text."""
        width, height = page.image.size
        reader = self._reader(page.mode.name)
        return PageReading("", (), (), 0.0, width, height, page.rotation, reader, tokens, decoded=False)

    def reading(self, page: Page, tokens: VisionTokens, decoded: Decoded) -> PageReading:
        return read_as(self.encoded(page, tokens), decoded)

    def _reader(self, mode: str) -> Reader:
        return Reader(self._kind, self._revision, mode)


def read_as(encoded: PageReading, decoded: Decoded) -> PageReading:
    """An encoded page with what was decoded of it under the prompt for documents."""
    return replace(
        encoded,
        text=decoded.text,
        regions=decoded.regions,
        # There are marks on the page: where nothing was read of them, nobody should rely on that.
        trust=decoded.trust if decoded.text or decoded.regions else 0.0,
        marks=marks(decoded.finish),
        decoded=True,
    )
