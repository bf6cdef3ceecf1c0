"""How language models name the excerpts that a sentence rests on: the prompt asks for JSON, habit writes `[1, 2]`.

`[1]`, `[1-3]`, `[^1]`, `【1†source】`, `[excerpt 2, page 4]`, `(excerpt 2)`, and a raised `²` behind a full stop are
markers: `told` has their numbers, `unmarked` is the text without them. "Excerpt 2" in a sentence is its subject, and
stays there. A bare `(2)` is none, for so end articles of laws. Pure functions over untrusted text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_EXCERPT = (
    r"(?:excerpts?|ausz(?:ug|ügen?)|extraits?|extractos?|fragment(?:os?|u|ach)|fragmencie|estratt[oi]|uittreksels?|utdrag"
    r"|отрыв(?:ок|ке|ка)|фрагмент(?:а|е)?)"
)
"""The prompt's word in the languages that questions come in: a model answers in theirs."""
_NAME = (
    rf"(?:{_EXCERPT}|sources?|quotes?|citations?|references?|refs?|documents?|docs?|quellen?|fuentes?|fonti?|fontes?)"
)
_ONE = r"[\^#]?\d{1,3}"
_SEVERAL = rf"{_ONE}(?:(?: ?(?:[,;&\u2013-]|and|und|et|y|e|i|en|och|и|to) ?){{1,2}}(?:{_NAME} )?{_ONE}){{0,11}}"
_BEHIND = r"(?:\u2020[^\[\]\u3010\u3011]{0,60}|,? ?(?:pages?|pp?\.) ?\d{1,5})?"
_RAISED = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"
_MARKER = re.compile(
    rf"[\[\u3010\uff3b] ?(?:{_NAME}[:#]? ?)?({_SEVERAL}){_BEHIND} ?[\]\u3011\uff3d]"
    r"(?:\((?:#|https?:)[^()\s]{0,200}\))?"
    rf"|\((?:{_EXCERPT}|sources?|quotes?|quellen?)[:#]? ?({_SEVERAL}){_BEHIND}\)"
    rf"|(?<=[.,;!?\"\u201d\u3002])([{_RAISED}]{{1,2}})(?!\w)",
    re.IGNORECASE,
)
_SUBJECT = re.compile(rf"\b{_EXCERPT} ({_SEVERAL})(?![.,]?\d)", re.IGNORECASE)
_PAGE = re.compile(
    r"\b(?:page|p\.|seite|página|pagina|bladzijde|stron(?:a|ie)|sid[ae]|страниц[аеы]) ?(\d{1,5})(?![.,]?\d)",
    re.IGNORECASE,
)
_RANGE = re.compile(r"(\d+) ?(?:[\u2013-]|to) ?[\^#]?(\d+)|(\d+)", re.IGNORECASE)
_BEHIND_STOP = re.compile(rf"([.!?\u3002\uff01\uff1f])((?:[ \t]*(?:{_MARKER.pattern}))+)", re.IGNORECASE)
_SPACED = re.compile(rf"\s*(?:{_MARKER.pattern})", re.IGNORECASE)
_HOLLOW = re.compile(r" ?\*{4}| ?\((?: ?[,;])* ?\)")
"""What is left around markers: `([1], [2])`, `**[1]**`."""
_COUNTED = re.compile(r"^[ \t]{0,9}(\d{1,2})[.)][ \t]+(?=\S)", re.MULTILINE)
_BULLET = re.compile(r"^[ \t]{0,9}[-*+\u2022][ \t]+(?=\S)", re.MULTILINE)
_LEVEL = str.maketrans(_RAISED, "0123456789")
_MOST = 12
"""Numbers of a range: `[1-999]` names every excerpt, and so none."""


def told(text: str) -> list[int]:
    """The numbers of excerpts that a sentence names, in its order, each once."""
    named = [*_MARKER.finditer(text), *_SUBJECT.finditer(text)]
    return list(dict.fromkeys(number for one in named for number in _numbers(next(filter(None, one.groups())))))


def unmarked(text: str, is_own: Callable[[str, list[int], bool], bool] = lambda *_: False) -> str:
    """The text in one line without its markers, and without the spaces and brackets around them. `is_own(marker, its
    numbers, whether a word follows)` says of one in brackets that it is the text's own, and stays: a page may write
    "Smith [12] says", a model "[42] pounds".
    """
    gone = False

    def apart(marker: re.Match[str]) -> str:
        nonlocal gone
        said, behind = marker[0].strip(), marker.string[marker.end() : marker.end() + 2]
        if said[0] not in _RAISED and is_own(said, told(said), behind.strip()[:1].isalnum()):
            return marker[0]
        gone = True
        return " " if behind[:1].isalnum() else ""

    left = _SPACED.sub(apart, " ".join(text.split()))
    return " ".join((_HOLLOW.sub("", left) if gone else left).split())


def unlisted(text: str) -> str:
    """Lines without the marks of a list: dashes, and numbers that count them from 1. "12. Mai" is a date."""
    counted = [int(number) for number in _COUNTED.findall(text)]
    text = _COUNTED.sub("", text) if len(counted) > 1 and counted == [*range(1, len(counted) + 1)] else text
    return _BULLET.sub("", text)


def stops_last(text: str) -> str:
    """A marker behind a full stop belongs to the sentence before it: brought before the stop. One that begins a line
    belongs to what follows.
    """
    return _BEHIND_STOP.sub(lambda one: f"{_bracketed(one[2])}{one[1]}", text)


def without_places(text: str, pages: set[int], shown: int) -> str:
    """The text less what only says where something stands: "excerpt 2" of those `shown`, numbered from 1, and "page 4"
    of these pages. Its other figures are claims.
    """
    text = _SUBJECT.sub(lambda one: "" if max(_numbers(one[1]), default=shown + 1) <= shown else one[0], text)
    return _PAGE.sub(lambda one: "" if int(one[1]) in pages else one[0], text)


def _bracketed(markers: str) -> str:
    """Markers in a form that means the same before a stop as behind it."""
    return "".join(f" [{number}]" for number in told(f".{markers}"))


def _numbers(listed: str) -> Iterator[int]:
    for one in _RANGE.finditer(listed.translate(_LEVEL)):
        if one[3]:
            yield int(one[3])
        elif 0 <= int(one[2]) - int(one[1]) < _MOST:
            yield from range(int(one[1]), int(one[2]) + 1)
