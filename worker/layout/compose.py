"""From recognised lines, in any order, to Markdown in reading order."""

from __future__ import annotations

from collections.abc import Sequence

from index.types import Box
from worker.layout.lines import Composed, Line


def compose(lines: Sequence[Line], *, width: int, height: int, rules: Sequence[Box] = ()) -> Composed:
    """Put `lines` into reading order and write them as Markdown.

    `width` and `height` are the page's pixels (for the aspect); `rules` are ruling lines, as thin
    boxes in layout coordinates. The result does not depend on the order of `lines`.
    """
    raise NotImplementedError
