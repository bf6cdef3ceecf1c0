"""Headings: sections whose numbers have no dot, lines within a sentence that begin with a number, titles of tables."""

from __future__ import annotations

import pytest
from layout_kit import OTHER, PROSE, Page, flat, grid

from index.types import RegionKind

TITLES = ("1 Definitions", "2 Rent", "3 Condition of works")


@pytest.mark.parametrize(("white", "far"), [(0.0, False), (6.0, False), (0.0, True), (6.0, True)])
def test_sections_that_count_on_without_a_dot_are_headed(white: float, far: bool) -> None:
    """Close to their text, and also where the number stands apart from its title."""
    page, y = Page(jitter=0.3, seed=2), 90.0
    page.line(180, 60, "AGREEMENT FOR A LEASE")
    for title in TITLES:
        number, rest = title.split(" ", 1)
        page.row(y, [(50, number), (78, rest)] if far else [(50, title)])
        y = page.text(50, y + 13 + white, 480, PROSE + OTHER) + 8
    result = page.composed(shuffle=3)
    heads = [result.text[r.start : r.end].lstrip("# ") for r in result.regions if r.kind is RegionKind.HEADING]
    assert heads == ["AGREEMENT FOR A LEASE", *TITLES]


def test_numbers_at_the_beginning_of_a_line_within_a_sentence_head_nothing() -> None:
    page, y = Page(), 60.0
    lines = [
        "The contractor shall complete the roof and all that is described in section",
        "9 By the end of June",
        "and not later, and shall have finished whatever is left of it, as told in section",
        "10 Of the older agreement",
        "which was made in writing between the parties and their heirs and signed at noon.",
    ]
    for line in lines:
        page.line(50, y, line)
        y += 13
    page.text(50, y + 10, 480, PROSE)
    result = page.composed(shuffle=3)
    assert not [r for r in result.regions if r.kind in (RegionKind.HEADING, RegionKind.TITLE)]


def test_a_list_that_counts_without_dots_is_no_row_of_headings() -> None:
    page = Page()
    y = page.text(50, 60, 480, PROSE) + 8
    for k, thing in enumerate(("Hammer and tongs", "Saw", "Nails, by the pound", "Plane")):
        page.line(50, y + 13 * k, f"{k + 1} {thing}")
    page.text(50, y + 80, 480, OTHER)
    result = page.composed(shuffle=3)
    assert "Hammer and tongs" in flat(result.text)
    assert not [r for r in result.regions if r.kind in (RegionKind.HEADING, RegionKind.TITLE)]


def test_a_title_in_larger_type_over_nothing_but_a_ruled_table_heads_it() -> None:
    page = Page()
    page.line(50, 56, "Schedule of deeds deposited", 13.5)
    xs, ys = [50.0, 120, 360, 460], [80.0 + 16 * k for k in range(5)]
    rows = [
        ("No.", "Description", "Box"),
        ("1", "Conveyance", "A 14"),
        ("2", "Lease", "A 14"),
        ("3", "Mortgage", "B 2"),
    ]
    for k, row in enumerate(rows):
        page.row(83 + 16 * k, [(x + 4, text) for x, text in zip(xs, row, strict=False)])
    kinds = [region.kind for region in page.composed(grid(xs, ys)).regions]
    assert kinds[0] in (RegionKind.TITLE, RegionKind.HEADING) and kinds[1] is RegionKind.TABLE
