"""Character error rate, and what is made equal before counting.

`rate(read, true)` is the edit distance over the length of the true text, both normalised. Every side of a
comparison is normalised in the same way, so that what is counted is letters in their order, and not taste:

* Unicode NFKC (ligatures, full-width forms, fractions as `1/2`); all dashes as `-`, all quotes as `'`;
* Markdown of tables, headings and emphasis dropped, as are cell borders (`|`), in all texts;
* bullets dropped: a single sign, or one of the letters that stand in for a bullet (`0`, `e`, `o`), alone at
  the beginning of a line (`linn.txt` writes bullets as `0`, Tesseract as `e`, `*`, `©`);
* a word that a line end divides is joined (`func-` `tion`);
* white space collapsed; at the ends removed.
"""

from __future__ import annotations

import re
import unicodedata

from rapidfuzz.distance import Levenshtein

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹘﹣"), "-")
_QUOTES = dict.fromkeys(map(ord, '‘’‚‛“”„‟′″`´"«»'), "'")
_TABLE_RULE = re.compile(r"^[\s|:-]*-{3,}[\s|:-]*$", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} ", re.MULTILINE)
_BULLET = re.compile(r"^[ \t]*[-*•·▪◦●○■□©®°¢e0o+>][ \t]+", re.MULTILINE)
_DIVIDED = re.compile(r"(?<=\w)-\s*\n\s*(?=[a-zà-ÿ])")
_ESCAPE = re.compile(r"\\([\\|*_#`>-])")


def normalised(text: str) -> str:
    text = _TABLE_RULE.sub("", text)
    text = _HEADING.sub("", text)
    text = _ESCAPE.sub(r"\1", text)
    text = unicodedata.normalize("NFKC", text).replace("\u2044", "/")
    text = text.translate(_DASHES).translate(_QUOTES)
    text = re.sub(r"'+", "'", text)
    text = re.sub(r"-+", "-", text)
    text = text.replace("|", " ").replace("**", "")
    text = _BULLET.sub("", text)
    text = _DIVIDED.sub("", text)
    return " ".join(text.split())


def edits(read: str, true: str) -> tuple[int, int]:
    """(edit distance, length of the true text), both after normalisation."""
    true = normalised(true)
    return Levenshtein.distance(normalised(read), true), len(true)


def rate(read: str, true: str) -> float:
    distance, length = edits(read, true)
    return distance / max(1, length)
