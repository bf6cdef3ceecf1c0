"""Accounts: what was received and what was paid, or what is owned and what is owed, side by side without ruling lines.

Each side has names and their sums, as has a table of four columns; but an account's sides end with the same sum, or say
what they are, and no line of one goes with a line of the other. Knows pieces and no page.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from worker.layout.kinds import is_all_caps, is_numeric
from worker.layout.pieces import Piece
from worker.layout.rows import Row, gather

_FEWEST = 3  # entries on either side
_ENTRIES = 0.5  # of a side's lines
_MONEY = 2  # letters
_SIDES = (
    ("receipts", "payments"), ("income", "expenditure"), ("liabilities", "assets"), ("dr", "cr"), ("debit", "credit"),
    ("debtor", "creditor"), ("soll", "haben"), ("aktiva", "passiva"), ("einnahmen", "ausgaben"), ("actif", "passif"),
    ("recettes", "dépenses"), ("doit", "avoir"), ("débit", "crédit"),
)  # fmt: skip


def are_accounts(pieces: Sequence[Piece], middle: float) -> bool:
    """Do the pieces left and right of `middle` make two sides of an account? Each has entries, names before sums."""
    left, right = [p for p in pieces if p.x1 <= middle], [p for p in pieces if p.x0 >= middle]
    if any(sum(is_numeric(p.text) for p in side) < _FEWEST for side in (left, right)):
        return False
    sides = [gather(side) for side in (left, right)]
    if any(sum(map(_is_entry, rows)) < max(_FEWEST, _ENTRIES * len(rows)) for rows in sides):
        return False
    return _come_to_the_same(*sides) or _are_named(*sides) or _are_headed(*sides)


def _come_to_the_same(left: Sequence[Row], right: Sequence[Row]) -> bool:
    """Is the largest sum of either side the same, on one line, and below others? Columns of a table may have the same
    largest figure, too, but hardly there.
    """
    (k, a), (m, b) = (max(enumerate(rows), key=lambda told: (_sum(told[1]), told[0])) for rows in (left, right))
    level = abs(a.yc - b.yc) < 0.5 * min(a.size, b.size)
    return level and min(k, m) > 1 and _sum(a) == _sum(b) and len("".join(map(str, _sum(a)))) > 2


def _is_entry(row: Row) -> bool:
    return len(row.cells) > 1 and not _is_figure(row.cells[0].text) and _is_figure(row.cells[-1].text)


def _is_figure(text: str) -> bool:
    """A sum, with signs of its money maybe ("3s. 6d."), and no date, which may stand before an entry."""
    return is_numeric(text) and sum(map(str.isalpha, text)) <= _MONEY


def _sum(row: Row) -> tuple[int, ...]:
    """The pounds, shillings and pence, or whatever they are, with which a line ends."""
    figures: list[str] = []
    for cell in row.cells[::-1]:
        if not _is_figure(cell.text):
            break
        figures[:0] = re.findall(r"\d+", re.sub(r"(?<=\d)[,'](?=\d{3})", "", cell.text))
    return tuple(int(figure[:12]) for figure in figures)


def _are_named(left: Sequence[Row], right: Sequence[Row]) -> bool:
    """Is each side headed by what it is, or has "To" before the entries on the left, and "By" on the right?"""
    first, second = ({row.cells[0].text.casefold().strip(" .:,") for row in rows} for rows in (left, right))
    if any({a, b} <= first | second and not {a, b} <= first and not {a, b} <= second for a, b in _SIDES):
        return True
    return _begin(left, "To ") and _begin(right, "By ")


def _are_headed(left: Sequence[Row], right: Sequence[Row]) -> bool:
    """Has each side headings in capitals among its entries, one of them level with an entry of the other? The parts of
    a menu or a price list are no rows of each other.
    """
    heads = [[row for row in rows if len(row.cells) == 1 and is_all_caps(row.text)] for rows in (left, right)]
    crossed = any(
        abs(head.yc - row.yc) < 0.5 * row.size and _is_entry(row)
        for own, other in zip(heads, (right, left), strict=True)
        for head in own
        for row in other
    )
    return all(heads) and crossed


def _begin(rows: Sequence[Row], word: str) -> bool:
    return sum(row.text.startswith(word) for row in rows) > max(2, _ENTRIES * sum(map(_is_entry, rows)))
