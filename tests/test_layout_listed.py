"""Lists side by side, each with numbers of its own."""

from __future__ import annotations

import pytest

from tests.layout_kit import OTHER, PROSE, Page, flat, in_order
from worker.layout import listed
from worker.layout.gutters import find_gutters
from worker.layout.pieces import prepare

ACROSS = (
    (1, "River that parts two counties (5)"), (4, "Old measure of cloth, in short (3)"),
    (7, "Scholar puts the clerk in order (9)"), (9, "Not quite a duke (4)"), (11, "Sailor returns with a rodent (3)"),
    (12, "Where coal was kept, one hears (6)"),
)  # fmt: skip
DOWN = (
    (1, "A bird in the chimney (5)"), (2, "Grow old with the page, partly (3)"), (3, "The lady has a title (4)"),
    (5, "It is read by the meter (3)"), (6, "A poet in prison (8)"), (8, "Given to the poor before noon (4)"),
)  # fmt: skip


def test_clues_across_are_read_before_clues_down() -> None:
    page = Page(jitter=0.3, seed=2)
    page.row(82, [(50, "Across"), (310, "Down")])
    for k, ((a, across), (d, down)) in enumerate(zip(ACROSS, DOWN, strict=True)):
        page.row(100 + 14 * k, [(50, str(a)), (70, across), (310, str(d)), (330, down)])
    text = page.composed(shuffle=3).text.replace("|", " ").replace("-", " ")
    clues = [f"{n} {clue}" for n, clue in (*ACROSS, *DOWN)]
    assert in_order(text, "Across", *clues[:6], "Down", *clues[6:])


def test_exercises_that_count_across_are_read_across() -> None:
    page = Page(jitter=0.3, seed=2)
    texts = [clue for _, clue in ACROSS + DOWN]
    for k in range(6):
        left, right = f"{2 * k + 1}. {texts[2 * k]}", f"{2 * k + 2}. {texts[2 * k + 1]}"
        page.row(100 + 14 * k, [(50, left), (310, right)])
    assert in_order(
        page.composed(shuffle=3).text.replace("|", " "), *(f"{k}. {text}" for k, text in enumerate(texts, 1))
    )


def test_numbered_rows_with_dates_or_sums_that_rise_stay_rows() -> None:
    page = Page(jitter=0.3, seed=2)
    for k, (_, clue) in enumerate(ACROSS):
        page.row(100 + 14 * k, [(50, str(k + 1)), (70, clue), (310, f"{2 + 3 * k} May"), (400, f"{4 + 2 * k} s.")])
    text = page.composed(shuffle=3).text
    for k, (_, clue) in enumerate(ACROSS):
        assert f"{k + 1} | {clue} | {2 + 3 * k} May | {4 + 2 * k} s. |" in text


@pytest.mark.parametrize("beside", ["{house} Mill Lane, Wells", "{house} June, a Monday"])
def test_numbers_of_houses_or_days_that_rise_beside_numbered_rows_make_no_lists(beside: str) -> None:
    """A register between paragraphs, as a reader returns it that knows words."""
    names = [
        "John Smithson, mason", "Ann Leeson, dressmaker", "Peter Holt, joiner", "Ruth Oakes, grocer",
        "Mary Dunn, widow", "Henry Platt, carrier", "Jane Abel, schoolmistress",
    ]  # fmt: skip
    page = Page(jitter=0.2, seed=2)
    y = page.text(50, 60, 500, PROSE) + 20
    for k, name in enumerate(names):
        page.row(y + 14 * k, [(50, str(k + 1)), (80, name), (240, beside.format(house=2 * k + 3))])
    page.text(50, y + 14 * len(names) + 25, 500, OTHER)
    text = page.in_words().composed(shuffle=3).text.replace("|", " ")
    for k, name in enumerate(names):
        assert in_order(text, f"{k + 1} {name} {beside.format(house=2 * k + 3)}"), text


def test_columns_left_of_one_that_has_no_numbers_of_its_own_are_not_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is most of the work on a page of hundreds of lines."""
    page = Page()
    for k in range(20):
        page.row(60 + 14 * k, [(50, f"{k + 1} note of the page"), (310, f"{k % 7 + 3} note of the page")])
    pieces, gathered = prepare(page.lines, 0.75), []
    monkeypatch.setattr(listed, "gather", lambda within: gathered.append(len(within)) or [])
    assert listed.list_goes_on(pieces, find_gutters(pieces)[0], ()) is None
    assert gathered == [20]


ITEMS = (
    ("Lasts for centuries if kept dry", "Takes little room"),
    ("Heavy, and wants much room", "Scratches, fades, and tears"),
    ("Read without a machine", "Needs a reader"),
)


def test_items_with_bullets_side_by_side_are_two_lists() -> None:
    page = Page(jitter=0.3, seed=4)
    page.row(70, [(60, "Paper"), (380, "Film")], 12)
    for k, (left, right) in enumerate(ITEMS):
        page.row(100 + 30 * k, [(60, f"• {left}"), (380, f"• {right}")], 12)
    text = page.composed(shuffle=3).text
    assert in_order(text, "Paper", *(left for left, _ in ITEMS), "Film", *(right for _, right in ITEMS))


def test_a_paragraph_under_lists_side_by_side_is_not_parted_at_their_gutter() -> None:
    """Read word by word, a space of its first line chances to stand where the white between the lists runs."""
    page = Page()
    page.text(50, 60, 500, PROSE)
    left = ("Roof of slate, sound", "Walls of brick", "Two good chimneys", "Dry cellar", "Pump in yard")
    right = ("Stable for four", "Cart shed, new", "Orchard of an acre", "Well, forty feet", "Piggery")
    for k, (a, b) in enumerate(zip(left, right, strict=True)):
        page.row(150 + 14 * k, [(50, f"• {a}"), (300, f"• {b}")])
    page.text(50, 250, 500, OTHER)
    text = flat(page.in_words().composed(shuffle=3).text)
    assert in_order(text, *left, *right)
    assert OTHER.strip() in text
