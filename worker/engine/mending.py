"""What the recogniser gets wrong in ways that the text itself tells: spaces left out, accents made of specks.

`with_spaces` puts the space back behind a comma between words, or behind a common abbreviation's point.
`without_specks` takes an accent from a word that also stands on the page without it, on pages that hardly have
accents: a French or German page keeps its own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from worker.engine.recognise import Recognised
from worker.layout.lines import Line, LineWord

_LATIN = "A-Za-z\u00c0-\u024f"
_ABBREVIATION = "Mr|Mrs|Dr|Rev|St|No|Nos|Nr|Vol|vol|pp|Fig|fig|Art|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec"
_NO_SPACE = re.compile(rf"(?<=[{_LATIN}]{{2}}),(?=[{_LATIN}]{{2}}|\d)|(?<![{_LATIN}.])(?:{_ABBREVIATION})\.(?=[A-Z\d])")
_FEW = 0.003  # of a page's letters have accents where these are not the language's own
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
