"""Pages of newspapers without ruling lines: several stories, each under a heading over columns of its own."""

from __future__ import annotations

import pytest
from layout_kit import OTHER, PROSE, Page, in_order

STORIES = ("First story. " + PROSE * 2, "Second story. " + OTHER, "Third story. " + OTHER * 2, "Fourth story. " + PROSE)


@pytest.mark.parametrize("jitter", [0.0, 0.8])
def test_stories_under_headings_over_different_columns(jitter: float) -> None:
    """Two columns go on at the same place above and below, and have nothing to do with each other."""
    page = Page(jitter=jitter, seed=6)
    page.line(120, 30, "THE HARBOUR GAZETTE", 26)
    heads = (
        "Forty pounds voted for the infirmary roof",
        "A map is found again",
        "Of drains",
        "Trustees meet once more in June",
    )
    xs = (30, 215, 400)
    for over, head, story, columns in zip(
        (80, 80, 430, 430), heads, STORIES, (xs[:2], xs[2:], xs[:1], xs[1:]), strict=True
    ):
        page.line(columns[0], over, head, 15)
        y, words = over + 26.0, story.split()
        share = -(-len(words) // len(columns))
        for k, x in enumerate(columns):
            page.text(x, y, 170, " ".join(words[k * share : (k + 1) * share]), 10)
    text = page.composed(shuffle=2).text
    assert in_order(text, *(part for pair in zip(heads, STORIES, strict=True) for part in pair))


def test_columns_go_on_beside_a_heading_over_two_of_them() -> None:
    """There is no white right across, and the columns on both sides are read to their end."""
    page = Page()
    page.text(30, 60, 125, PROSE * 2 + "Left ends.", 9)
    page.text(170, 60, 125, OTHER, 9)
    page.text(310, 60, 125, "Over to the third. " + PROSE, 9)
    page.line(180, 330, "The widow wins her lease", 16)
    page.text(170, 360, 125, "New story. " + OTHER, 9)
    page.text(310, 360, 125, "Goes on there. " + PROSE, 9)
    page.text(450, 60, 125, "Right begins. " + OTHER * 2, 9)
    text = page.composed(shuffle=2).text
    assert in_order(
        text, "Left ends.", "Over to the third.", "The widow", "New story.", "Goes on there.", "Right begins."
    )


def test_a_ragged_column_goes_on_below_the_end_of_its_neighbour() -> None:
    """Its lines there are longer than those beside the other column were, but leave room enough."""
    page = Page()
    for k, line in enumerate(
        ("Left begins with short", "lines, as ragged ones", "may be by chance, and", "goes on") * 3
    ):
        page.line(50, 60 + 13 * k, line)
    page.text(192, 60, 120, "Right stands beside them. " + OTHER[:150])
    y = 60 + 13 * 12.0
    for line in ("and longer below it", "with lines that reach", "further to the right", "than those did above"):
        page.line(50, y, f"{line} here")
        y += 13
    page.text(50, y + 12, 260, "Below both. " + PROSE)
    text = page.composed(shuffle=2).text
    assert in_order(text, "Left begins", "than those did above here", "Right stands beside them.", "Below both.")
