"""Page images of any mode as RGB arrays, and the question whether anything is on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

_CONTRAST = 24  # grey levels between paper and the faintest ink


def rgb_pixels(image: Image) -> np.ndarray:
    """`(height, width, 3)` uint8, contiguous. Transparent parts are white, 16-bit greys are scaled."""
    if image.mode in ("I;16", "I;16L", "I;16B", "I;16N", "I", "F"):
        grey = np.asarray(image.convert("I") if image.mode != "F" else image, dtype=np.float64)
        # 16 bits where the values say so, 8 otherwise; "I" and "F" carry no range of their own.
        top = 65535.0 if image.mode.startswith("I;16") or grey.max(initial=0) > 255 else 255.0
        grey = np.clip(grey * (255.0 / top), 0, 255).astype(np.uint8)
        return cv2.cvtColor(np.ascontiguousarray(grey), cv2.COLOR_GRAY2RGB)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        import PIL.Image

        page = PIL.Image.new("RGBA", image.size, "white")
        page.alpha_composite(image.convert("RGBA"))
        image = page
    return np.ascontiguousarray(np.asarray(image.convert("RGB")))


def is_blank(pixels: np.ndarray) -> bool:
    """True for paper without a mark: all of nearly one shade, or too small to hold a letter."""
    height, width = pixels.shape[:2]
    if min(height, width) < 4:
        return True
    low, high, _, _ = cv2.minMaxLoc(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
    return high - low < _CONTRAST
