"""What the recogniser gets wrong in ways that the text itself tells: spaces left out, accents made of specks, holes.

`with_spaces` puts the space back behind a comma between words, or behind a common abbreviation's point.
`without_specks` takes an accent from a word that also stands on the page without it, on pages that hardly have
accents: a French or German page keeps its own. `without_holes` leaves out what was read of the holes by which a printer
draws its paper: level with each other up both margins.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from worker.engine.recognise import Recognised
from worker.layout.lines import Line, LineWord

_LATIN = "A-Za-z\u00c0-\u024f"
_ABBREVIATION = "Mr|Mrs|Dr|Rev|St|No|Nos|Nr|Vol|vol|pp|Fig|fig|Art|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec"
_NO_SPACE = re.compile(rf"(?<=[{_LATIN}]{{2}}),(?=[{_LATIN}]{{2}}|\d)|(?<![{_LATIN}.])(?:{_ABBREVIATION})\.(?=[A-Z\d])")
_FEW = 0.003  # of a page's letters have accents where these are not the language's own
_ROUND = frozenset("Oo0QCcDGe°•●○◦@8")  # what a hole is read as
_MARGIN = 0.08  # of the page's width
_FEWEST_HOLES = 5  # on either side
_ASCII_END = 0x80
_EDGES = ".,;:!?()[]\"'“”‘’„«»-"


def with_spaces(line: Recognised) -> Recognised:
    """The line with a space where one was left out, half way between its neighbours."""
    ends = [found.end() for found in _NO_SPACE.finditer(line.text)]
    if not ends:
        return line
    text, places = line.text, list(line.places)
    for end in reversed(ends):
        text = f"{text[:end]} {text[end:]}"
        places.insert(end, (places[end - 1] + places[end]) / 2)
    return Recognised(text, tuple(places), line.score)


def without_specks(lines: Sequence[Line]) -> list[Line]:
    """A page's lines, its words freed of accents that are specks of dirt."""
    if all(line.text.isascii() for line in lines):
        return list(lines)
    letters = [character for line in lines for character in line.text if character.isalpha()]
    if sum(ord(letter) >= _ASCII_END for letter in letters) > max(2.0, _FEW * len(letters)):
        return list(lines)
    words = (word.strip(_EDGES).casefold() for line in lines for word in line.text.split())
    seen = {word for word in words if word.isascii()}
    return [line if line.text.isascii() else _without(line, seen) for line in lines]


def _without(line: Line, seen: set[str]) -> Line:
    if line.text.split() != [word.text for word in line.words]:
        return line
    words = tuple(_plain(word, seen) for word in line.words)
    return line if words == line.words else replace(line, words=words, text=" ".join(word.text for word in words))


def _plain(word: LineWord, seen: set[str]) -> LineWord:
    if word.text.isascii():
        return word
    parts = unicodedata.normalize("NFD", word.text)
    bare = "".join(part for part in parts if not unicodedata.combining(part))
    core = bare.strip(_EDGES).casefold()
    return replace(word, text=bare) if core in seen and core.isascii() and len(core) > 1 else word


def without_holes(lines: Sequence[Line]) -> list[Line]:
    """A page's lines without the holes of fan-fold paper. Letters that stand so on one side alone are a column's."""
    left = _column([line for line in lines if _is_round(line) and line.box.x1 < _MARGIN])
    right = _column([line for line in lines if _is_round(line) and line.box.x0 > 1 - _MARGIN])
    few, many = sorted((left, right), key=len)
    level = sum(any(line.box.y0 < _middle(other) < line.box.y1 for other in many) for line in few)
    if len(few) < _FEWEST_HOLES or level < 0.7 * len(few):
        return list(lines)
    inner, outer = max(line.box.x1 for line in left), min(line.box.x0 for line in right)
    holes = {id(line) for line in (*left, *right)}
    kept = [line for line in lines if id(line) not in holes]
    beyond = any((line.box.x0 + line.box.x1) / 2 < inner or (line.box.x0 + line.box.x1) / 2 > outer for line in kept)
    return list(lines) if beyond else kept


def _is_round(line: Line) -> bool:
    return line.text in _ROUND


def _column(lines: Sequence[Line]) -> list[Line]:
    """Those that stand under each other."""
    if not lines:
        return []
    usual = median((line.box.x0 + line.box.x1) / 2 for line in lines)
    return [line for line in lines if line.box.x0 < usual < line.box.x1]


def _middle(line: Line) -> float:
    return (line.box.y0 + line.box.y1) / 2
