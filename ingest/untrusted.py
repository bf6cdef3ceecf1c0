"""Checks what a render child says before it becomes one of our types.

A child may have been taken over by the document it read. So every `untrusted_*` value is bounded, finite and
of the right type, or the whole reply is a `WireError`; small overshoots of geometry are clamped.
"""

from __future__ import annotations

import math
import unicodedata
from typing import Any

from index.types import Box, PageSize
from ingest import wire
from ingest.confine import PROTECTIONS
from ingest.renderer import LayerWord, TextLayer
from ingest.wire import Status, WireError

FALLBACK_SIZE = PageSize(595.0, 842.0)  # a page whose size cannot be read is shown as A4
MAX_PAGE_SIDE = 1e7
MAX_FLOAT = 1e300
MAX_FONT_SIZE = 10_000.0


def status(untrusted_reply: dict[str, Any]) -> Status:
    """How the request ended."""
    untrusted_status = untrusted_reply.get("status")
    try:
        return Status(_integer(untrusted_status, 0, 255))
    except ValueError as error:
        raise WireError("unknown status") from error


def protections(untrusted_reply: dict[str, Any]) -> tuple[str, ...]:
    """The protections the child says it has, in our order."""
    untrusted_names = untrusted_reply.get("protections")
    if not isinstance(untrusted_names, list):
        raise WireError("no protections")
    return tuple(name for name in PROTECTIONS if name in untrusted_names)


def page_count(untrusted_reply: dict[str, Any], max_pages: int) -> int:
    return _integer(untrusted_reply.get("pages"), 1, max_pages)


def page_sizes(untrusted_reply: dict[str, Any], max_pages: int) -> tuple[PageSize, ...]:
    """As many sizes as pages; a page without a sensible size gets `FALLBACK_SIZE`."""
    pages = page_count(untrusted_reply, max_pages)
    untrusted_sizes = untrusted_reply.get("sizes")
    if not isinstance(untrusted_sizes, list) or len(untrusted_sizes) != pages:
        raise WireError("sizes do not match pages")
    return tuple(_page_size(untrusted_size) for untrusted_size in untrusted_sizes)


def _page_size(untrusted_size: Any) -> PageSize:
    width, height = _numbers(untrusted_size, 2)
    if not (0 < width <= MAX_PAGE_SIDE and 0 < height <= MAX_PAGE_SIDE):
        return FALLBACK_SIZE
    return PageSize(width, height)


def image_size(untrusted_reply: dict[str, Any], payload_bytes: int, max_pixels: int, max_side: int) -> tuple[int, int]:
    """Width and height of RGB pixels that the payload fills exactly."""
    width = _integer(untrusted_reply.get("width"), 1, max_side + 1)
    height = _integer(untrusted_reply.get("height"), 1, max_side + 1)
    # Rounding both sides up may add a row and a column to the budget.
    if width * height > max_pixels + width + height or payload_bytes != width * height * 3:
        raise WireError("pixels do not match their size")
    return width, height


def text_layer(untrusted_reply: dict[str, Any]) -> TextLayer | None:
    """The words of a page, with everything bounded."""
    untrusted_layer = untrusted_reply.get("text")
    if untrusted_layer is None:
        return None
    if not isinstance(untrusted_layer, dict):
        raise WireError("text layer is not an object")
    untrusted_words, untrusted_rules = untrusted_layer.get("words"), untrusted_layer.get("rules")
    if not isinstance(untrusted_words, list) or not isinstance(untrusted_rules, list):
        raise WireError("text layer is incomplete")
    if len(untrusted_words) > wire.MAX_WORDS or len(untrusted_rules) > wire.MAX_RULES:
        raise WireError("text layer is too large")
    words = tuple(word for word in map(_word, untrusted_words) if word is not None)
    if not words:
        return None
    return TextLayer(
        words=words,
        unmapped=_share(untrusted_layer.get("unmapped")),
        image_coverage=_share(untrusted_layer.get("image_coverage")),
        rules=tuple(_box(untrusted_rule) for untrusted_rule in untrusted_rules),
        turn=90 * _integer(untrusted_layer.get("quarter_turns"), 0, 3),
    )


def _word(untrusted_word: Any) -> LayerWord | None:
    if not isinstance(untrusted_word, list) or len(untrusted_word) != 11:
        raise WireError("not a word")
    untrusted_text, *untrusted_box = untrusted_word[:5]
    if not isinstance(untrusted_text, str) or len(untrusted_text) > wire.MAX_WORD_CHARS:
        raise WireError("not a word's text")
    text = clean(untrusted_text)
    if not text:
        return None
    return LayerWord(
        text=text,
        box=_box(untrusted_box),
        block=_integer(untrusted_word[5], 0, 1 << 24),
        line=_integer(untrusted_word[6], 0, 1 << 24),
        size=min(max(_number(untrusted_word[7]), 0.0), MAX_FONT_SIZE),
        bold=bool(untrusted_word[8]),
        turn=90 * _integer(untrusted_word[9], 0, 3),
        invisible=bool(untrusted_word[10]),
    )


def clean(untrusted_text: str) -> str:
    """Text without white space, control characters, surrogates and direction overrides."""
    if untrusted_text.isprintable() and " " not in untrusted_text:
        return untrusted_text
    return "".join(
        char
        for char in untrusted_text
        if not char.isspace()
        and unicodedata.category(char) not in ("Cc", "Cs")
        and not ("\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069")
    )


def _box(untrusted_box: Any) -> Box:
    x0, y0, x1, y1 = _numbers(untrusted_box, 4)
    if 0.0 <= x0 <= x1 <= 1.0 and 0.0 <= y0 <= y1 <= 1.0:
        return Box(x0, y0, x1, y1)
    x0, y0, x1, y1 = (min(max(value, 0.0), 1.0) for value in (x0, y0, x1, y1))
    return Box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


def _share(untrusted_value: Any) -> float:
    return min(max(_number(untrusted_value), 0.0), 1.0)


def _numbers(untrusted_values: Any, count: int) -> tuple[float, ...]:
    if not isinstance(untrusted_values, list) or len(untrusted_values) != count:
        raise WireError("not so many numbers")
    return tuple(_number(value) for value in untrusted_values)


def _number(untrusted_value: Any) -> float:
    if type(untrusted_value) is float and -MAX_FLOAT < untrusted_value < MAX_FLOAT:
        return untrusted_value
    if isinstance(untrusted_value, bool) or not isinstance(untrusted_value, (int, float)):
        raise WireError("not a number")
    try:
        value = float(untrusted_value)
    except OverflowError as error:
        raise WireError("not a number of ours") from error
    if not math.isfinite(value):
        raise WireError("not a finite number")
    return value


def _integer(untrusted_value: Any, low: int, high: int) -> int:
    if isinstance(untrusted_value, bool) or not isinstance(untrusted_value, int) or not low <= untrusted_value <= high:
        raise WireError("not an integer in range")
    return untrusted_value
