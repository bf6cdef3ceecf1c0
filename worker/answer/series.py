"""Things that have a letter or a number for a name: "arm D", "stair core A", "flat 31", "LUMEN-2".

Who asks for one of them is not answered by a page that tells of its sisters alone. What they share stands in the
question and on the page, and to be near is all that meaning can say of a single letter.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import chain

from index.dates import days_named
from index.flat import flat
from index.parts import parts_named
from index.words import STOPWORDS, fold, stem
from worker.answer.asking import Question
from worker.answer.candidates import cells_of
from worker.answer.features import Found

_NAMED = re.compile(
    r"(?P<before>\b\w+s )?\b(?P<noun>[^\W\d_]{2,}(?:[^\Ws\d_]|(?<=[su])s))(?P<tie>[ -])(?P<which>[A-HJ-Z]|[1-9]\d{0,2})"
    r"(?=[?!.,;:)]?(?: [a-z(]|$))(?! [a-z]+s\b)"
)
"""Not "I", who asks, nor counts: "sold 12 boats", "costs 12"."""
_CARDINALS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_ROMANS = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
_RANGE = re.compile(r"(?<![\w.])(\d{1,3})(?:[-–]| to )(\d{1,3})(?![\w.]\d|\w)")


def tells_of_sisters(question: Question, found: Found) -> bool:
    """Whether the question names one of a series that the page does not have, and the page names others of it."""
    return any(
        not _has(f"{found.text}\n{found.title}", noun, tie, which)
        and (_has_sister(found.text, noun, which) or _is_column(found, noun, which))
        for noun, tie, which in _named(question.text)
    )


@lru_cache(maxsize=64)
def _named(text: str) -> tuple[tuple[str, str, str], ...]:
    """(noun, what ties it, which) of each. Numbered parts of documents and days of a month are others' task."""
    others = [(one.start, one.end) for one in chain(parts_named(text), days_named(flat(text)))]
    return tuple(
        (one["noun"], one["tie"], one["which"])
        for one in _NAMED.finditer(text)
        if fold(one["noun"]) not in STOPWORDS
        and fold((one["before"] or "is").strip()) in STOPWORDS  # not what many do: "rooms exceed 90", "apples cost 50"
        and not any(start < one.end() and one.start() < end for start, end in others)
    )


def _has(text: str, noun: str, tie: str, which: str) -> bool:
    """Whether it stands there in any form: a letter by itself will do, and "third", "III" and "1-5" for 3."""
    if which.isalpha():
        alone = r"\bA\b(?! [a-z])" if which == "A" else rf"\b{which}\b"  # not the article
        return re.search(rf"\b(?i:{noun})[ -]?{which}\b" + (f"|{alone}" if tie == " " else ""), text) is not None
    number = int(which)
    forms = [rf"(?<!\d)0*{number}(?!\d)"]
    forms += [rf"\b(?i:{names[number - 1]})\b" for names in (_CARDINALS, _ORDINALS) if number <= len(names)]
    forms += [rf"\b{_ROMANS[number - 1]}\b"] if number <= len(_ROMANS) else []
    if tie == "-":
        forms = [rf"\b(?i:{noun})[ -]?(?:{form})" for form in forms]
    if re.search("|".join(forms), text):
        return True
    return any(int(first) <= number <= int(last) for first, last in _RANGE.findall(text))


def _has_sister(text: str, noun: str, which: str) -> bool:
    return re.search(rf"\b(?i:{noun})[ -]{_sort(which)}(?![\w%]|[.,]\d)", text) is not None


def _is_column(found: Found, noun: str, which: str) -> bool:
    """Whether rows of a table are the series: "Arm" is its first column, and "B" stands in it."""
    for row in found.candidates:
        if row.header is not None and not row.is_heading:
            names, cells = cells_of(found.text[slice(*row.header)]), cells_of(found.text[row.start : row.end])
            if names and stem(fold(names[0])) == stem(fold(noun)) and re.fullmatch(_sort(which), cells[0]):
                return True
    return False


def _sort(which: str) -> str:
    return r"\d{1,3}" if which.isdigit() else "[A-Z]"
