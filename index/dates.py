"""Whole dates, however they are written: "5/7/1948", "5 July 1948", "July 5th, 1948", "5. Juli 1948", "1948-07-05".

`dates_named` finds those of a query; `date_pattern` gives what a page may write for one. Days come before months
("5/7/1948" is the 5th of July), unless that cannot be. Pure functions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_MONTHS = (
    "january jan januar janner janvier", "february feb februar fevrier fevr", "march mar marz mars",
    "april apr avril avr", "may mai", "june jun juni juin", "july jul juli juillet juil", "august aug aout",
    "september sept sep septembre", "october oct oktober okt octobre", "november nov novembre",
    "december dec dezember dez decembre",
)  # fmt: skip
_NUMBER_OF = {form: number for number, forms in enumerate(_MONTHS, 1) for form in forms.split()}
_NAMES = "|".join(sorted(_NUMBER_OF, key=len, reverse=True))
_YEAR = r"(?:1[0-9]|20)\d\d"
_OF = r"(?:st|nd|rd|th|er|\.)?\s+(?:day\s+of\s+|of\s+|de\s+)?"
_DATE = re.compile(
    rf"(?<![\w./-])(?:(?P<y>{_YEAR})-(?P<m>\d\d)-(?P<d>\d\d)|(?P<a>\d{{1,2}})\s?[./-]\s?(?P<b>\d{{1,2}})\s?[./-]\s?(?P<c>{_YEAR})"
    rf"|(?P<day>\d{{1,2}}){_OF}(?P<month>{_NAMES})\.?,?\s+(?:in\s+)?(?P<year>{_YEAR})"
    rf"|(?P<month2>{_NAMES})\.?\s+(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year2>{_YEAR}))(?![\w/-])"
)

_DAY = re.compile(
    rf"(?<![\w./-])(?:(?P<day>\d{{1,2}}){_OF}(?P<month>{_NAMES})|(?P<month2>{_NAMES})\.?\s+(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?)"
    rf"(?![\w/-]|\.\d|\.?,?\s+(?:in\s+)?{_YEAR})"
)


@dataclass(frozen=True, slots=True)
class DateName:
    """A day of the calendar (not checked to be one: old documents err); `text[start:end]` names it. The year is 0 where
    it is not told.
    """

    year: int
    month: int
    day: int
    start: int
    end: int

    @property
    def month_names(self) -> tuple[str, ...]:
        """Folded, the long ones of each language."""
        return tuple(form for form in _MONTHS[self.month - 1].split() if len(form) > 4 or form in {"may", "mai"})


def dates_named(low: str) -> tuple[DateName, ...]:
    """The whole dates of a text that was made flat (`index.flat.flat`)."""
    found = []
    for match in _DATE.finditer(low):
        if match["y"]:
            parts = match["y"], match["m"], match["d"]
        elif match["c"]:
            first, second = (match["b"], match["a"]) if int(match["b"]) <= 12 else (match["a"], match["b"])
            parts = match["c"], first, second
        else:
            name = match["month"] or match["month2"]
            parts = match["year"] or match["year2"], str(_NUMBER_OF[name]), match["day"] or match["day2"]
        year, month, day = map(int, parts)
        if 1 <= month <= 12 and 1 <= day <= 31:
            found.append(DateName(year, month, day, *match.span()))
    return tuple(found)


def days_named(low: str) -> tuple[DateName, ...]:
    """The days of a text that was made flat which are named without their year, by their month's name: "3 March"."""
    found = []
    for match in _DAY.finditer(low):
        month, day = _NUMBER_OF[match["month"] or match["month2"]], int(match["day"] or match["day2"])
        if 1 <= day <= 31:
            found.append(DateName(0, month, day, *match.span()))
    return tuple(found)


@lru_cache(maxsize=256)
def day_pattern(month: int, day: int) -> re.Pattern[str]:
    """What a page that was made flat writes for a day, with whatever year or none. Without one, figures need both
    their noughts: "03/03" heads a column of a day, "6/2" is six shillings and twopence.
    """
    names = "|".join(sorted(_MONTHS[month - 1].split(), key=len, reverse=True))
    year = rf"(?:{_YEAR}|['’]?\d\d)"
    return re.compile(
        rf"(?<![\w./-])(?:{_YEAR}-{month:02d}-{day:02d}|0?{day}\s?[./-]\s?0?{month}\s?[./-]\s?{year}|{day:02d}[./]{month:02d}"
        rf"|0?{day}{_OF}(?:{names})|(?:{names})\.?\s+0?{day}(?:st|nd|rd|th)?)(?![\w/-]|\.\d)"
    )


@lru_cache(maxsize=256)
def date_pattern(year: int, month: int, day: int) -> re.Pattern[str]:
    """What a page that was made flat writes for a date."""
    names = "|".join(sorted(_MONTHS[month - 1].split(), key=len, reverse=True))
    short = rf"(?:{year}|['’]?{year % 100:02d})"
    american = rf"|0?{month}/0?{day}/{year}" if day > 12 else ""
    return re.compile(
        rf"(?<![\w.])(?:{year}-{month:02d}-{day:02d}|0?{day}\s?[./-]\s?0?{month}\s?[./-]\s?{short}{american}"
        rf"|0?{day}{_OF}(?:{names})\.?,?\s+{year}|(?:{names})\.?\s+0?{day}(?:st|nd|rd|th)?,?\s+{year})(?!\w)"
    )
