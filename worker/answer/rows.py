"""Which rows of a table a question can be about.

A row of figures is near in meaning to every question about its table, and so are its sisters: what makes it an
answer is that the question names it. `bar_unnamed` bars rows that the question names less than a sister row (it
asks for the Teal, this is the Heron's); `misnamed` looks closer, with the embedder, at the few rows that are left:
a word of the question that is like the rows' labels, and the label of none of them ("millet", among wheat and
barley), speaks against them all. Rows that hold sentences are prose and are left to the other evidence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from index.fuzzy import SHAPE_QUALITY
from index.words import stem, tokens
from worker.answer.asking import Question, Role
from worker.answer.candidates import Candidate, cells_of, label_end
from worker.answer.features import Found

Likeness = Callable[[Sequence[str], Sequence[str]], np.ndarray]
"""Cosines `(words, labels)` of the question's words and the rows' labels."""

_MOST_WORDS = 200
"""Of a table that is quoted, the marks between its cells among them."""
_PROSE = 8
"""Words of a cell that make it a sentence."""
_OF_COLUMN, _SELECTS, _MARGIN = 0.40, 0.50, 0.12
"""Cosines of a single word and a label with all-MiniLM-L6-v2: above the first they name things of one kind
("millet" and "wheat" .51, "kitchen" and "chapel" .49; "ship" and "Heron" .22). A label is what the word means when
it is nearer than the second and all others are farther by the third ("physician": "Doctor" .86, "Nurse" .56)."""
_MOST_ROWS = 60
_FRAME = 0.1
"""What a word that only puts the question ("name", "number") counts, which may yet be the label of a form's row."""
_TOLD = 0.01
"""What a word of the question before counts beside a follow-up's own: "And Brook?" asks for another row."""
_GOES_ON = re.compile(r"(?:it|its|this|that|these|they|their|he|his|she|her|which)\b", re.IGNORECASE)
_ENDED = re.compile(r"[.?!][\s*_)\"'”’»]*\Z")
_SAYS = re.compile(r"\b(?:is|are|was|were|has|have|had|must|shall|may|ist|sind|wird|muss|est|sont|était|doit)\b")
"""Of a statement, whose stop may be missing; captions have none of these. In small letters: "May 1911" is none."""
_SHAPE = str.maketrans({**dict.fromkeys("0123456789", "9"), **dict.fromkeys("abcdefghijklmnopqrstuvwxyz", "a")})


def bar_unnamed(question: Question, found: Found) -> None:
    """Add to `found.barred` the rows that lack words of the question which a sister row has."""
    for rows in tables_of(found.candidates):
        terms = _telling(question, found, rows)
        worth = [_FRAME if question.roles[n] is Role.FRAME else 1.0 for n in terms]
        if not question.told.issuperset(terms):
            worth = [w * _TOLD if n in question.told else w for n, w in zip(terms, worth, strict=True)]
        named = _there(question, found, rows)[:, terms] @ np.array(worth, np.float32)
        if named.max(initial=0) and not _is_prose(found, rows):
            found.barred.update(row.order for row, n in zip(rows, named.tolist(), strict=True) if n < named.max())


def misnamed(question: Question, found: Found, row: Candidate, likeness: Likeness) -> bool:
    """Whether the question names another thing than this row's, or nothing that tells it from its sisters."""
    rows = next((rows for rows in tables_of(found.candidates) if row in rows), [])[:_MOST_ROWS]
    if row not in rows or _is_prose(found, rows):
        return False
    there = _there(question, found, rows)
    mine = rows.index(row)
    above = _above(found, rows)
    told = bool(there[mine, _telling(question, found, rows)].any()) or len(rows) == 1
    missing = []
    for number in question.numbers(Role.CONTENT, Role.NAME, Role.IDENTIFIER):
        if above[number] or there[:, number].any():
            continue
        form = question.plan.terms[number].form
        if question.roles[number] is Role.IDENTIFIER and _has_its_like(found, row, form):
            return True
        if question.roles[number] is Role.NAME and not found.on_page[number]:
            return True
        if question.roles[number] is Role.CONTENT:
            missing.append(form)
    if missing:
        labels = [_label(found, r) for r in rows if r == row or not _is_title(found, r)]
        label = _label(found, row)
        for cosines in likeness(missing, labels):
            nearest = cosines.max()
            if nearest < _OF_COLUMN:
                continue  # "paid", "landed": nothing that a row is called
            others = [c for c, other in zip(cosines.tolist(), labels, strict=True) if other != label]
            own = cosines[labels.index(label)]
            if own < max(_SELECTS, nearest) or own - max(others, default=-1.0) < _MARGIN:
                return True
            told = True
    return not told


def rows_below(found: Found, title: Candidate) -> list[Candidate]:
    """The rows of a table whose header this is or, where that stands right behind it, its caption; empty for others."""
    over = title
    if not title.is_row:
        if _says_something(found, title) or title.order + 1 >= len(found.candidates):
            return []
        over = found.candidates[title.order + 1]
    if not (over.is_row and over.is_heading):
        return []
    return next((rows for rows in tables_of(found.candidates) if rows[0].header == (over.start, over.end)), [])


def named_below(question: Question, found: Found, title: Candidate) -> list[Candidate]:
    """Of the rows below a header or a caption those that the question names, and none less than a sister: of them it
    speaks. Those with most of its words come first.
    """
    rows = rows_below(found, title)
    if not rows or _is_prose(found, rows):
        return []
    there = _there(question, found, rows)
    told = there[:, _telling(question, found, rows)].any(axis=1)
    named = [n for n, row in enumerate(rows) if told[n] and row.order not in found.barred]
    return [rows[n] for n in sorted(named, key=lambda n: -int(there[n].sum()))]


def with_its_table(found: Found, title: Candidate) -> Candidate:
    """A header or a caption with the rows below it, those that fit: by itself it tells nobody anything."""
    text, words, end = found.text, 0, title.end
    for row in rows_below(found, title):
        words += len(text[row.start : row.end].split())
        if words > _MOST_WORDS:
            break
        end = row.end
    return replace(title, end=end)


def tables_of(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """The rows below each header, in order."""
    rows = (c for c in candidates if c.header is not None and not c.is_heading)
    return [list(group) for _, group in groupby(rows, key=lambda c: c.header)]


def _telling(question: Question, found: Found, rows: Sequence[Candidate]) -> list[int]:
    """Numbers of the question's terms that tell rows apart: in some of them, not in all, and not above them, but for
    sentences, which tell of some rows, too ("We lend for insulation and flood doors.").
    """
    there, above = _there(question, found, rows), _above(found, rows, sentences=False)
    numbers = question.numbers(Role.CONTENT, Role.NAME, Role.IDENTIFIER, Role.FRAME)
    return [n for n in numbers if there[:, n].any() and not there[:, n].all() and not above[n]]


def _there(question: Question, found: Found, rows: Sequence[Candidate]) -> np.ndarray:
    """Which terms of the question stand in which row, `(rows, terms)`, or in the title above one whose label the
    question has: what looks like a title may be a row whose value is missing, and says nothing of the next one then. A
    misread word counts, another number not.
    """
    there = found.qualities[[row.order for row in rows]] > 0.5
    asked = {question.plan.terms[n].stem for n in question.numbers(Role.CONTENT, Role.NAME)}
    above = np.zeros_like(there[0])
    goes_on = False
    for number, row in enumerate(rows):
        if title := _is_title(found, row):
            above = there[number] | above if goes_on else there[number]
        elif above.any() and any(stem(token.form) in asked for token in tokens(_label(found, row))):
            there[number] |= above
        goes_on = title
    for number in question.numbers(Role.NAME):
        form = question.plan.terms[number].form
        if form.isdigit() and there[:, number].any():
            keyed = np.array([_is_key(found, row, form, asked) for row in rows])
            there[:, number] &= keyed | ~keyed.any()
    return there


def _is_key(found: Found, row: Candidate, number: str, asked: set[str]) -> bool:
    """Whether a row is called by this number: of "flat 35" the row with 35 below "Flat", and not 35 per cent."""
    if row.header is None or row.is_heading or cells_of(found.text[row.start : row.end])[0] != number:
        return False
    return any(stem(token.form) in asked for token in tokens(cells_of(found.text[slice(*row.header)])[0]))


def _is_title(found: Found, row: Candidate) -> bool:
    """Whether a row has nothing but its first cell: it is the title of those below it ("| Payments | |")."""
    first, *others = found.text[row.start : row.end].strip().strip("|").split("|")
    return bool(others and first.strip()) and not any(cell.strip() for cell in others)


def _above(found: Found, rows: Sequence[Candidate], *, sentences: bool = True) -> np.ndarray:
    """Which terms, `(terms,)`, stand in the header, heading or line above the table, or in its file's name."""
    first = rows[0]
    over = [c.order for c in found.candidates[: first.order] if (c.start, c.end) in {first.header, first.heading}]
    if over:
        line = found.candidates[max(0, over[-1] - 1)]
        over += [line.order] if sentences or not _is_sentence(found, line) else []
    return (found.qualities[over] >= SHAPE_QUALITY).any(axis=0) | (found.in_title >= SHAPE_QUALITY)


def _is_sentence(found: Found, line: Candidate) -> bool:
    return _ENDED.search(found.text, max(line.start, line.end - 5), line.end) is not None


def _says_something(found: Found, line: Candidate) -> bool:
    """Whether a line is no caption: a sentence, also where its stop is missing, or a field, but for "Table 3: ..."."""
    text = found.text[line.start : line.end]
    label = text[: label_end(text)]
    return (
        _is_sentence(found, line) or _SAYS.search(text) is not None or bool(label and not any(map(str.isdigit, label)))
    )


def _is_prose(found: Found, rows: Sequence[Candidate]) -> bool:
    return any(len(cell.split()) >= _PROSE for row in rows for cell in cells_of(found.text[row.start : row.end]))


def _label(found: Found, row: Candidate) -> str:
    """The first cell with more letters than digits: what a row is called."""
    cells = cells_of(found.text[row.start : row.end])
    return next((c for c in cells if sum(map(str.isalpha, c)) > max(1, sum(map(str.isdigit, c)))), " ".join(cells))


def names_another(question: Question, found: Found, candidate: Candidate) -> bool:
    """Whether a sentence has, instead of an identifier that the question has, one of its form: it speaks of that, but
    where it goes on about what the sentence before has ("It replaces P/49/007").
    """
    identifiers = question.numbers(Role.IDENTIFIER)
    goes_on = candidate.order > 0 and _GOES_ON.match(found.text, candidate.start, candidate.end) is not None
    spoken_of = found.qualities[candidate.order - goes_on : candidate.order + 1][:, identifiers]
    if (spoken_of >= SHAPE_QUALITY).any():
        return False
    return any(_has_its_like(found, candidate, question.plan.terms[number].form) for number in identifiers)


def _has_its_like(found: Found, row: Candidate, identifier: str) -> bool:
    """Whether a row holds something of an identifier's form: it asks for B-201, here stands B-202."""
    words = re.findall(r"\w[\w./-]*", found.text[row.start : row.end].lower())
    return any(_shape(word) == _shape(identifier) for word in words)


def _shape(word: str) -> str:
    return re.sub(r"[\W_]+", "", word.lower()).translate(_SHAPE)
