"""The `Engine` port: page images to readings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from index.types import PageReading

if TYPE_CHECKING:
    from PIL.Image import Image


class Engine(Protocol):
    """Reads pages. Thread-safe: the queue's threads call `read` at the same time, a page each."""

    name: str
    revision: str

    def read(self, images: Sequence[Image]) -> list[PageReading]:
        """One reading for each image, in order. A blank page gives an empty text and trust 1.0.

        The image is upright as far as EXIF and PDF rotation go; content that was scanned
        sideways or upside down is the engine's to turn (`PageReading.rotation`).
        """

    def warm(self) -> None:
        """Load weights now instead of at the first page."""
