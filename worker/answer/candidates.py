"""Pages to candidate quotes: sentences, list items, table rows, the lines of a form.

A `Candidate` is a span of its page's text that can be quoted as it is. What surrounds it (its heading, the header
row of its table) is kept beside it, because "14 | £5.25" means nothing without. Pure functions over text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from index.passages import plain
from index.sentences import is_table_row, sentence_spans
from worker.answer.asking import Kind
from worker.answer.kinds import spans_of

MAX_WORDS = 70
"""A longer "sentence" (a page without full stops) is cut, so that a quote stays a quote."""
WINDOW = 40_000
"""Characters of a page that are looked at. A longer "page" is looked at around the passages that matched."""
MAX_CANDIDATES = 400
"""Candidates of one page, the first ones: bounds the work for a page of ten thousand table rows."""

_LABEL = re.compile(r"\s*[^\W\d][^:\n]{0,44}:(?:\s|$)")
_LABEL_CELL = re.compile(r"\|\s*[^\W\d][^|\n]{0,44}:\s*\|\s*(?=[^|\s][^|\n]*\|\s*$)")
"""A form in a frame: "| Reported by: | Ifeoma Dike |"."""
_NEXT_ROW = re.compile(r"[ \t]*\n(?:\|[-:| ]+\|[ \t]*\n)?(\|[^\n]*)")
_FRAMED = re.compile(r"\|\s*[^\W\d][^|\n]{0,44}\|\s*(?=[^|\s][^|\n]*\|\s*$)")
"""The same without a colon, as it stands in a form only (`is_form`): "| Occupation | Veterinary nurse |"."""
_LONGEST_DATE = 40
"""Characters: "Wednesday, the 23rd of September, 1874."."""
_NAME = 2
"""Words with a capital, of a name: "Leila Farrant", and not "Dues paid"."""
_FORM_ROWS = 12
"""Rows of a table that are looked at to tell a form from a list."""
_WORD = re.compile(r"\S+")
_BREAK, _PAUSE = re.compile(r";\s+|\n\s*"), re.compile(r",\s+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """`text[start:end]` of page number `page` (its place among the pages found). `order` counts on its page."""

    page: int
    order: int
    start: int
    end: int
    text: str  # of the whole page
    heading: tuple[int, int] | None
    header: tuple[int, int] | None
    """Of a row: the one with its columns' names. Empty where the table has none and begins with a row like others. A
    field of a form in a frame is a line like others and has none.
    """
    is_heading: bool

    @property
    def is_row(self) -> bool:
        return self.header is not None

    @property
    def framed(self) -> bool:
        """Whether it is a field of a form in a frame."""
        return self.header is None and self.text.startswith("|", self.start)

    @property
    def voiced(self) -> str:
        """Itself for the embedding model: no Markdown, cells with their column's name."""
        return _voice(self.text, (self.start, self.end), self.header)

    @property
    def says(self) -> bool:
        """Whether it has a letter or a digit."""
        return any(c.isalnum() for c in self.text[self.start : self.end])


def candidates_of(text: str, page: int, near: Sequence[tuple[int, int]] = ()) -> list[Candidate]:
    """All candidates of a page in reading order. `near` are spans that matched, needed for very long pages only."""
    found: list[Candidate] = []
    for begin, end in _windows(text, near):
        heading: tuple[int, int] | None = None
        header: tuple[int, int] | None = None
        form = False
        part = text[begin:end]
        previous_end = 0
        for start, stop in _entries(part, (piece for span in sentence_spans(part) for piece in _pieces(part, *span))):
            row = is_table_row(part, start, stop)
            if not row or (
                (form or header is not None)
                and part[previous_end:start].count("\n") > _lines_between_rows(part, previous_end, start)
            ):
                header, form = None, False
            previous_end = stop
            span = (begin + start, begin + stop)
            title = part.startswith("#", start)
            if row and header is None and not form and not _LABEL_CELL.match(part, start, stop):
                rows = _first_rows(part, start, stop)
                form = is_form(rows)
                header = None if form else span if _names_columns(rows) else (span[0], span[0])
            found.append(
                Candidate(
                    page,
                    len(found),
                    *span,
                    text,
                    heading,
                    header if row else None,
                    title or (row and header is not None and header == span),
                )
            )
            if title:
                heading = span
            if len(found) >= MAX_CANDIDATES:
                return found
    return found


def _entries(text: str, pieces: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The pieces; a date that begins a line, as in a diary, with the sentence behind it: "June 19th. A swallow."."""
    day: tuple[int, int] | None = None
    for start, stop in pieces:
        if day is not None and "\n" in text[day[1] : start]:
            yield day
            day = None
        if day is None and text[start - 1 : start] in {"", "\n"} and _is_day(text[start:stop]):
            day = start, stop
            continue
        yield (day or (start, stop))[0], stop
        day = None
    if day is not None:
        yield day


def _is_day(text: str) -> bool:
    """Whether a text is a date and nothing else."""
    if len(text) > _LONGEST_DATE or not any(c.isdigit() for c in text):
        return False
    return not any(c.isalnum() for c in _without(text, spans_of(Kind.DATE, text)))


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    for start, end in reversed(spans):
        text = text[:start] + text[end:]
    return text


def _lines_between_rows(part: str, start: int, end: int) -> int:
    """Line ends that may lie between two rows of one table: one, or two around the rule under the header."""
    return 2 if "-" in part[start:end] else 1


def _first_rows(part: str, start: int, end: int) -> list[list[str]]:
    """The cells of a row and of those below it."""
    rows = [cells_of(part[start:end])]
    while len(rows) < _FORM_ROWS and (below := _NEXT_ROW.match(part, end)):
        rows.append(cells_of(below[1]))
        end = below.end()
    return rows


def _names_columns(rows: Sequence[Sequence[str]]) -> bool:
    """Whether a table's first row is a header: no column is called a sum of money and has such sums below."""
    pairs = zip(rows[0][1:], rows[1][1:], strict=False) if len(rows) > 1 else ()
    return not any(_is_sum(name) and _is_sum(cell) for name, cell in pairs)


def is_form(rows: Sequence[Sequence[str]]) -> bool:
    """Whether rows are a form in a frame: two cells each, a label and its value, of which some are words, and others
    figures of at least two kinds ("Policyholder", "Period of insurance", "Annual premium"). Those of a list are alike
    but for exceptions, and the first of them is what a column is called: no name and no figure.
    """
    if any(len(row) != 2 or any(c.isdigit() for c in row[0]) for row in rows):
        return False
    first = rows[0][1]
    if not any(c.isdigit() for c in first) and sum(word[0].isupper() for word in first.split()) < _NAME:
        return False
    kinds = [_figures(value) for _, value in rows if value]
    return kinds.count(None) > 1 and len({*kinds} - {None}) > 1


def _figures(value: str) -> Kind | None:
    """What kind of figures a value has, None for words."""
    if not any(c.isdigit() for c in value):
        return None
    return next((kind for kind in (Kind.DATE, Kind.MONEY, Kind.CONTACT) if spans_of(kind, value)), Kind.NUMBER)


def _is_sum(cell: str) -> bool:
    """Dates look like sums ("31.12.50"), and are what columns are called; so are thousands ("£000")."""
    return bool(spans_of(Kind.MONEY, cell)) and not spans_of(Kind.DATE, cell) and any(c in "123456789" for c in cell)


def _windows(text: str, near: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    if len(text) <= WINDOW:
        return [(0, len(text))]
    if not near:
        return [(0, WINDOW)]
    room = WINDOW // len(near)
    windows: list[tuple[int, int]] = []
    for start, end in sorted(near):
        begin, stop = max(0, start - room // 2), min(len(text), end + room // 2)
        if windows and begin < windows[-1][1]:
            windows[-1] = (windows[-1][0], max(stop, windows[-1][1]))
        else:
            windows.append((begin, stop))
    return windows


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A sentence, or its parts: the labelled lines of a form, and pieces of what is too long to be quoted."""
    for begin, stop in _lines(text, start, end):
        words = [m.span() for m in _WORD.finditer(text, begin, stop)]
        if len(words) <= MAX_WORDS or text.startswith("|", begin):
            yield begin, stop
            continue
        cuts, pauses = ({m.end() for m in one.finditer(text, begin, stop)} for one in (_BREAK, _PAUSE))
        at = 0
        while at < len(words):
            last = min(at + MAX_WORDS, len(words)) - 1
            if last < len(words) - 1:
                inside = range(at + MAX_WORDS // 3, last + 1)
                ends = ([i for i in inside if words[i + 1][0] in places] for places in (cuts, pauses))
                last = next((found[-1] for found in ends if found), last)
            yield words[at][0], words[last][1]
            at = last + 1


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut at line ends where a labelled line ("Cost: £63.80") begins or ends; a wrapped value stays with its label."""
    if "\n" not in text[start:end]:
        yield start, end
        return
    begin = start
    labelled = _LABEL.match(text, start, end) is not None
    for line_end in (m.start() for m in re.finditer(r"\n", text[start:end])):
        at = start + line_end + 1
        next_label = _LABEL.match(text, at, end) is not None
        if next_label or (labelled and text[at : at + 1].isupper()):
            yield from _trim(text, begin, at)
            begin, labelled = at, next_label
    yield from _trim(text, begin, end)


def _trim(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield start, end


def _voice(text: str, span: tuple[int, int], header: tuple[int, int] | None) -> str:
    """What the embedding model hears: the words, and for a row each cell after its column's name."""
    if header is None or header == span:
        return plain(text[slice(*span)])
    names = cells_of(text[slice(*header)])
    cells = cells_of(text[slice(*span)])
    if len(names) != len(cells):
        return plain(text[slice(*span)])
    return ", ".join(f"{name}: {cell}" if name else cell for name, cell in zip(names, cells, strict=True) if cell)


def label_end(text: str, *, framed: bool = False) -> int:
    """Where the value of a labelled line ("Cost: £63.80") or of such a row begins; 0 for other text. Where it is known
    to be `framed` its label needs no colon.
    """
    label = (_FRAMED if framed else _LABEL_CELL).match(text) or _LABEL.match(text)
    return label.end() if label and label.end() < len(text) else 0


def cells_of(row: str) -> list[str]:
    """The cells of a Markdown row as plain text."""
    return [plain(cell) for cell in row.strip().strip("|").split("|")]
