"""Numbers of lines are taken out of what the lines say; numbers that count things stay with them."""

from __future__ import annotations

import pytest

from index.types import RegionKind
from tests.layout_kit import OTHER, PROSE, Page, flat, wrap

THINGS = (
    "oak table with two leaves", "six chairs, one of them broken in the seat and mended with a plate of iron", "lamp",
    "clock that stood in the hall over the door to the kitchen and that no longer goes", "box of letters", "iron bed",
    "three brass candlesticks from the chapel, and the snuffers that belong to two of them", "two rugs", "coal scuttle",
    "mirror in a gilt frame, the glass cracked across a corner, that hung over the mantelpiece", "churn", "a spade",
)  # fmt: skip


def numbered(lines: list[str], *, misread: dict[int, str] | None = None, jitter: float = 0.0) -> Page:
    """A page whose lines have their numbers on the left, also the empty ones."""
    page = Page(jitter=jitter, seed=3)
    for k, line in enumerate(lines):
        number = (misread or {}).get(k + 1, str(k + 1))
        page.line(62 - 5 * len(number), 60 + 24 * k, number)
        if line:
            page.line(80, 60 + 24 * k, line)
    return page


@pytest.mark.parametrize("jitter", [0.0, 0.6])
def test_numbers_of_lines_cut_no_sentence(jitter: float) -> None:
    """A pleading: paragraphs are whole, and the numbers stand behind them. Two were misread."""
    lines = [*wrap(PROSE, 440, 10, indent=40), "", *wrap(OTHER, 440, 10, indent=40)]
    assert len(lines) > 9
    page = numbered(lines, misread={4: "A", 7: "7."}, jitter=jitter)
    page.line(250, 780, "- 4 -")
    made = page.composed(shuffle=5)
    paragraphs = [made.text[r.start : r.end] for r in made.regions if r.kind is RegionKind.PARAGRAPH]
    assert paragraphs == [flat(PROSE), flat(OTHER)]
    feet = [made.text[r.start : r.end] for r in made.regions if r.kind is RegionKind.FOOTER]
    assert feet == ["1 2 3 A 5 6 7. " + " ".join(str(n) for n in range(8, len(lines) + 1)), "- 4 -"]


def test_also_where_hardly_a_line_begins_with_a_capital() -> None:
    """As it may be in running text by chance, and is in an inventory."""
    lines = wrap(PROSE + OTHER, 350, 10)
    assert sum(line[0].islower() for line in lines) >= 0.85 * len(lines)
    assert numbered(lines).composed().text.split("\n\n")[0] == flat(PROSE + OTHER)


def test_questions_and_answers_are_paragraphs() -> None:
    """A transcript: each question and each answer by itself, whole, also beside a page's number far out."""
    speeches = [f"{'QA'[k % 2]}. {text}" for k, text in enumerate((PROSE + OTHER).strip().split(". "))]
    speeches = [speech.rstrip(".") + "." for speech in speeches]
    lines = [line for speech in speeches for line in wrap(speech, 400, 10, indent=40)]
    page = numbered(lines)
    page.line(560, 20, "112")
    assert page.composed().text.split("\n\n")[1:-1] == speeches


@pytest.mark.parametrize("things", [THINGS, [thing.capitalize() for thing in THINGS]])
def test_numbers_of_things_stay_with_them(things: list[str]) -> None:
    """An inventory, a register: each line is a thing of its own, however full."""
    text = numbered(list(things)).composed().text
    assert all(f"{k + 1} | {thing}" in text or f"{k + 1} {thing}" in text for k, thing in enumerate(things))


@pytest.mark.parametrize("number", ["{}", "[{}]", "Art. {}", "Clause {}", "§ {}"])
@pytest.mark.parametrize("white", [0, 6])
def test_numbered_paragraphs_are_no_table(number: str, white: int) -> None:
    """A statement, a judgment, a contract: each number begins a paragraph, most of them of several lines."""
    sentences = [f"{sentence.rstrip('.')}." for sentence in (PROSE + OTHER).strip().split(". ")]
    page, y = Page(), 90.0
    page.line(50, 40, "STATEMENT OF A WITNESS", 12)
    for k, sentence in enumerate(sentences, 11):
        page.line(50, y, number.format(k))
        y = page.text(110, y, 400, sentence) + white
    text = page.composed(shuffle=2).text
    assert "|" not in text
    lines = [line for line in text.split("\n") if line][1:]
    assert lines == [f"{number.format(k)} {sentence}" for k, sentence in enumerate(sentences, 11)]


def test_numbered_things_of_two_lines_are_a_table() -> None:
    """What is told of each is no sentence."""
    page, y = Page(), 60.0
    for k, thing in enumerate(THINGS):
        page.line(50, y, str(k + 1))
        y = page.text(110, y, 220, thing)
    text = page.composed().text
    assert all(f"| {k + 1} | {thing} |" in text for k, thing in enumerate(THINGS))
