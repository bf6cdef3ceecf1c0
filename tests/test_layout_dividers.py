"""Lines across a newspaper's page: between its parts, or only where the paper was folded."""

from __future__ import annotations

import pytest

from index.types import Box
from tests.layout_kit import PROSE, Page, in_order, rule

COLUMNS = [40, 220, 400]
WORDS = PROSE.split()


def article(page: Page, x: float, y: float, name: str, lines: int) -> None:
    """Running text of so many lines in a column, whose first words tell which it is."""
    for k in range(lines):
        text = f"{name}{k:02d} " + " ".join(WORDS[(k + j) % len(WORDS)] for j in range(4))
        page.line(x, y + 13 * k, text[:30])


def newspaper(*, folded: bool) -> tuple[Page, list[Box]]:
    """Two rows of three columns with a line between the rows. Where it is a fold, lines between columns cross it, of
    which one was seen in pieces.
    """
    page = Page()
    for k, x in enumerate(COLUMNS):
        article(page, x, 60, f"u{k}", 20)
        article(page, x, 350 if folded else 376, f"l{k}", 20)
    if not folded:
        page.line(252, 350, "NEWS FROM THE RIVER")
    whole, parts = [(56, 640)], [(56, 322), (372, 640)]
    ends = [(COLUMNS[1], whole if folded else parts), (COLUMNS[2], parts)]
    lines = [rule(x - 10, y0, x - 9.4, y1) for x, pairs in ends for y0, y1 in pairs]
    return page, [*lines, rule(38, 335, 570, 336)]


@pytest.mark.parametrize("shuffle", [1, 2])
def test_what_is_above_a_line_between_parts_of_a_newspaper_is_read_first(shuffle: int) -> None:
    """The heading below it stands over the column in the middle, clear of those beside it."""
    page, rules = newspaper(folded=False)
    text = page.composed(rules, shuffle=shuffle).text
    upper = [f"u{k}{line:02d}" for k in range(3) for line in range(20)]
    lower = [f"l{k}{line:02d}" for k in range(3) for line in range(20)]
    assert in_order(text, *upper, "NEWS FROM THE RIVER", *lower)


def test_columns_run_on_over_a_fold() -> None:
    """Lines between columns go on over it."""
    page, rules = newspaper(folded=True)
    text = page.composed(rules, shuffle=1).text
    assert in_order(text, *(f"{part}{k}{line:02d}" for k in range(3) for part in "ul" for line in range(20)))


def test_a_line_under_the_head_of_a_table_parts_nothing() -> None:
    """Beside the lines between its columns stand names and figures, no running text."""
    page = Page()
    page.row(60, [(40, "Parish"), (250, "Horses"), (420, "Cattle")])
    for k, name in enumerate(("Saltney", "Dunmore", "Highfield", "Brackwater", "Orme", "Tolland")):
        page.row(84 + 16 * k, [(40, name), (250, str(41 + k)), (420, str(212 - k))])
    rules = [rule(38, 76, 470, 77), *(rule(x, 82, x + 0.6, 180) for x in (200, 380))]
    text = page.composed(rules, shuffle=1).text
    assert in_order(text, "| Parish | Horses | Cattle |", "| Saltney | 41 | 212 |", "| Tolland | 46 | 207 |")
