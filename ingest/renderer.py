"""The `Renderer` port: untrusted files to page sizes, bounded pixels and text layers.

Implementations parse documents in a process of its own (`ingest/sandbox.py`). What comes back
is validated before it gets these types. Failures are `BadDocument`, `TooLarge` or
`UnsupportedMedia` with a stable code:

`encrypted` (password missing or wrong), `damaged`, `empty`, `portfolio`, `too_many_pages`, `page_too_large`,
`render_timeout`, `render_memory`, `render_crash`, `bomb`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from index.types import Box, PageSize

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class LayerWord:
    """One word of a text layer, in the file's order. `block` and `line` number the groups that the
    file's own structure suggests; `size` is the font size in points. `invisible` words are not painted
    (text render mode 3, as OCR software writes them). `turn` is how many degrees clockwise (0, 90, 180, 270) the
    page must be turned for this word to stand upright.
    """

    text: str
    box: Box
    block: int
    line: int
    size: float
    bold: bool
    invisible: bool
    turn: int = 0


@dataclass(frozen=True, slots=True)
class TextLayer:
    """All words of a page's text layer and what is known of its quality.

    `unmapped` is the share of characters without a Unicode mapping (U+FFFD, private use, control
    characters); `image_coverage` the share of the page that images cover; `rules` are the straight
    ruling lines drawn on the page (thin boxes), which make tables plain; `turn` is how many degrees clockwise
    (0, 90, 180, 270) the page must be turned for most of its text to stand upright.
    """

    words: tuple[LayerWord, ...]
    unmapped: float
    image_coverage: float
    rules: tuple[Box, ...] = ()
    turn: int = 0


@dataclass(frozen=True, slots=True)
class RenderedPage:
    """Pixels of one page: RGB, page rotation and EXIF applied, within the pixel budget."""

    image: Image
    text_layer: TextLayer | None


class Renderer(Protocol):
    def split(self, path: Path, media_type: str, password: str | None) -> tuple[PageSize, ...]:
        """Sizes of all pages, in order."""

    def render(
        self,
        path: Path,
        media_type: str,
        page: int,
        password: str | None,
        *,
        max_pixels: int | None = None,
        text_layer: bool = False,
    ) -> RenderedPage:
        """One page (from 1) as pixels; with `text_layer`, its words too where the file has any."""
