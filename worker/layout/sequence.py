"""What is in order: a directory or a list that goes on from column to column, the numbers of lines.

A list set in columns looks like a table where its entries stand level. That its order runs down one column and on at
the head of the next tells it apart. Knows texts and no page.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from worker.layout.kinds import is_numeric

_FEWEST = 5  # entries in a column
_CLOCK = re.compile(r"\d{1,2}[.:]\d{2}\b")
_HOUR = re.compile(r"(\d{1,2})[.:](\d{2})\b[^\w\n]*(?:[ap]\.?m\b\.?)?[^\w\n]*[^\W\d_]", re.IGNORECASE)
_COUNT = re.compile(r"[(\[]?(\d{1,3})([.)\]]{0,2})\s+(?=([^\W\d_]+))")
_LATEST = 5  # of the numbers with which a column may begin: a lone 1 is easily overlooked
_OWN = 0.5  # of the lines begin with a number; others go on with the one above
_WORDS = 10  # characters behind a number on average
_NUMBER = re.compile(r"[(\[]?(\d{1,5})(?![\d/,])(?!\.\d)")


def goes_on(first: Sequence[str], second: Sequence[str]) -> bool:
    """Are the entries of both columns in order, and those of the second in order after the first's?"""
    if min(len(first), len(second)) < _FEWEST:
        return False
    return _counts_on(first, second) or _spelled_on(first, second)


def are_programmes(first: Sequence[str], second: Sequence[str]) -> bool:
    """Has each column hours of its own, with what is on then? When somebody came, and when they went, has not."""
    before, after = _hours(first), _hours(second)
    if not before or not after:
        return False
    return len(before) != len(after) or not all(a < b for a, b in zip(before, after, strict=True))


def are_counted(first: Sequence[str], second: Sequence[str]) -> bool:
    """Has each column numbers of its own, going up, each before words: clues, questions, exercises? Those of houses in
    a street, or of days, which chance to go up beside the numbers of a table's rows, stand before the same word mostly.
    """
    before, after = own_numbers(first), own_numbers(second)
    if min(len(before), len(after)) < _FEWEST or min(before[0], after[0]) > 2:
        return False
    marks, words = zip(*(_mostly_with(column) for column in (first, second)), strict=True)
    return marks[0] == marks[1] and not any(words)


def count_across(first: Sequence[str], second: Sequence[str]) -> bool:
    """Do the lines of the second column count on from those of the first beside them (1 and 2, 3 and 4)?"""
    before, after = own_numbers(first), own_numbers(second)
    every = len(before) == len(first) == len(after) == len(second)
    return every and len(before) > 2 and all(b == a + 1 for a, b in zip(before, after, strict=True))


def own_numbers(lines: Sequence[str]) -> list[int]:
    """The numbers with which most lines begin, if they only go up from a small one and words follow them."""
    found = [(match, line) for line in lines if (match := _COUNT.match(line)) and not is_numeric(line)]
    numbers = [int(match[1]) for match, _ in found]
    if len(numbers) < _OWN * len(lines) or not numbers or numbers[0] > _LATEST:
        return []
    letters = sum(len(line) - match.end() for match, line in found)
    rising = all(a < b for a, b in itertools.pairwise(numbers))
    return numbers if rising and letters >= _WORDS * len(numbers) else []


def _mostly_with(lines: Sequence[str]) -> tuple[str, str]:
    """The mark that most often stands behind a line's number, and the word, if more than half of them have it."""
    found = [match for line in lines if (match := _COUNT.match(line))]
    mark, _ = Counter(match[2] for match in found).most_common(1)[0]
    word, often = Counter(match[3] for match in found).most_common(1)[0]
    return mark, word if 2 * often > len(found) else ""


def has_counts(texts: Sequence[str]) -> bool:
    """May there be two columns with numbers of their own among the texts?"""
    return sum(_COUNT.match(text + " a") is not None for text in texts) > _FEWEST


def has_hours(texts: Sequence[str]) -> bool:
    """May there be two programmes among the texts?"""
    return sum(_CLOCK.match(text) is not None for text in texts) >= 2 * _FEWEST


def _hours(lines: Sequence[str]) -> list[int]:
    """The minutes of the hours with which most lines begin, one after the other; after noon they may begin anew."""
    hours = [int(m[1]) * 60 + int(m[2]) for line in lines if (m := _HOUR.match(line)) and int(m[1]) < 25]
    back = sum(b < a for a, b in itertools.pairwise(hours))
    return hours if len(hours) >= max(_FEWEST, 0.6 * len(lines)) and back <= 1 else []


def step_of(texts: Sequence[str]) -> int:
    """By how many the numbers of lines count on (5, 10, 15: by 5), some of which may be missing; 0 where the texts are
    none.
    """
    numbers = [text.strip(".,·") for text in texts]
    if len(numbers) < 2 or not all(number.isdecimal() and len(number) <= 3 for number in numbers):
        return 0
    steps = [int(b) - int(a) for a, b in itertools.pairwise(numbers)]
    step = min(steps)
    return step if step > 0 and all(more % step == 0 for more in steps) else 0


def _counts_on(first: Sequence[str], second: Sequence[str]) -> bool:
    """Both count by ones, but for a slip in ten, and the second from where the first ends."""
    matches = [[_NUMBER.match(text) for text in column] for column in (first, second)]
    before, after = ([int(match.group(1)) if match else -9 for match in column] for column in matches)
    by_ones = (_mostly([b == a + 1 for a, b in itertools.pairwise(column)]) for column in (before, after))
    return after[0] == before[-1] + 1 > 0 and all(by_ones)


def _spelled_on(first: Sequence[str], second: Sequence[str]) -> bool:
    """Both go by the alphabet, but for a slip in ten, and the second from where the first ends."""
    before, after = ([_key(text) for text in column] for column in (first, second))
    if not all(map(str.isalpha, (key[:1] or "." for key in (*before, *after)))):
        return False
    if len({*before, *after}) < 0.6 * (len(before) + len(after)):
        return False  # the same word over and over is in order, too
    in_order = (_mostly([a <= b for a, b in itertools.pairwise(column)]) for column in (before, after))
    return before[-1] <= after[0] and all(in_order)


def _key(text: str) -> str:
    """The first word without accents, as it is looked up."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    word = re.split(r"[\s,.]", plain, maxsplit=1)[0]
    return "".join(c for c in word if c.isalnum())


def _mostly(results: Sequence[bool]) -> bool:
    return sum(results) >= 0.9 * len(results)
