"""How many pixels a page gets: arithmetic only, shared by the PDF and the image reader."""

from __future__ import annotations

import math
from dataclasses import dataclass

MAX_DPI = 300.0  # vector text needs no more to be read
MIN_PIXELS = 250_000  # a stamp-sized PDF page is still rendered so that its text can be read
MAX_SIDE = 12_000


@dataclass(frozen=True, slots=True)
class Budget:
    """`max_pixels` for the whole page; no side over `max_side` pixels."""

    max_pixels: int
    max_side: int = MAX_SIDE

    def scale_for(self, width: float, height: float, native_dpi: float | None = None) -> float:
        """Pixels per point for a page of `width` x `height` points (both > 0).

        As near to the budget as `MAX_DPI`, or a lower `native_dpi` of the page's own scan, allows;
        a page so small that this gives under `MIN_PIXELS` is enlarged to that many.
        """
        ceiling = min(MAX_DPI, native_dpi) if native_dpi else MAX_DPI
        area = width * height
        floor = math.sqrt(MIN_PIXELS / area)
        scale = min(math.sqrt(self.max_pixels / area), max(ceiling / 72.0, floor))
        return min(scale, self.max_side / width, self.max_side / height)

    def fit(self, width: int, height: int) -> tuple[int, int]:
        """Size in pixels that an image of `width` x `height` is scaled down to; never up."""
        scale = min(1.0, math.sqrt(self.max_pixels / (width * height)), self.max_side / width, self.max_side / height)
        return max(1, math.floor(width * scale)), max(1, math.floor(height * scale))
