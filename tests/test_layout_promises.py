"""What `compose` promises for any input: each word once, spans, no dependence on the order, robustness, speed."""

from __future__ import annotations

import math
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layout_kit import OTHER, PROSE, Page, check_spans, grid

from index.types import Box
from worker.layout import gutters
from worker.layout.compose import compose
from worker.layout.lines import Composed, Line, LineWord
from worker.layout.pieces import CUT_GAP, Piece, Token, canonical, join_near
from worker.layout.rows import Row
from worker.layout.tables import find_tables

WORDS = st.text(st.sampled_from("abcdeXYZ019.,:;-|#*•é文"), min_size=1, max_size=9)
COORD = st.floats(-0.1, 1.1, allow_nan=False)


@st.composite
def some_lines(draw: st.DrawFn) -> list[Line]:
    lines = []
    for _ in range(draw(st.integers(0, 25))):
        words = draw(st.lists(WORDS, min_size=1, max_size=6))
        x0, y0 = draw(COORD), draw(COORD)
        box = Box(x0, y0, x0 + draw(st.floats(0, 0.6)), y0 + draw(st.sampled_from([0.0, 0.01, 0.02, 0.05])))
        step = (box.x1 - box.x0) / len(words)
        boxes = [Box(box.x0 + step * k, box.y0, box.x0 + step * (k + 0.9), box.y1) for k in range(len(words))]
        given_words = tuple(LineWord(w, b) for w, b in zip(words, boxes, strict=True)) if draw(st.booleans()) else ()
        size = draw(st.sampled_from([0.0, 0.01, 0.02, math.nan]))
        lines.append(Line(" ".join(words), box, box, given_words, 0.9, size, draw(st.booleans())))
    return lines


def letters(text: str) -> list[str]:
    """All characters but white, and but those that markup or divided words may add or take away."""
    return sorted(c for c in text if not c.isspace() and c not in "|-#•*·–\\")


def words_of(result: Composed) -> str:
    return "".join(result.text[w.start : w.end] for w in result.words)


@settings(max_examples=300, deadline=None)
@given(some_lines(), st.randoms(use_true_random=False))
def test_any_lines_each_word_once_in_any_order(lines: list[Line], rng: random.Random) -> None:
    """Whatever the lines: spans are right, each word is there once, and the order of the input does not matter."""
    result = compose(lines, width=600, height=800)
    check_spans(result)
    assert letters(words_of(result)) == letters(" ".join(line.text for line in lines))
    assert letters(result.text) == letters(words_of(result))
    shuffled = list(lines)
    rng.shuffle(shuffled)
    assert compose(shuffled, width=600, height=800) == result


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 3), st.booleans())
def test_set_pages_each_word_once_in_any_order(seed: int, jitter: int, ruled: bool) -> None:
    """The same on pages with columns, a table and fragments."""
    page = full_page(jitter)
    rules = grid([50, 200, 350, 550], [600, 620, 640, 660]) if ruled else []
    straight = page.composed(rules)
    assert page.composed(rules, shuffle=seed) == straight
    assert letters(words_of(straight)) == letters(" ".join(line.text for line in page.lines))


def full_page(jitter: float = 0.5) -> Page:
    page = Page(jitter=jitter, seed=11)
    page.line(50, 30, "The harbour in spring", 20)
    page.text(50, 70, 240, PROSE * 3)
    page.text(310, 70, 240, OTHER * 3)
    for k in range(3):
        page.row(604 + 20 * k, [(55, f"Row {k}"), (205, f"{k}.50"), (355, f"{k * 7}")])
    return page


def test_nothing_in_nothing_out() -> None:
    """No lines, or lines without text, give an empty text."""
    box = Box(0, 0, 1, 1)
    assert compose([], width=600, height=800) == Composed("", (), ())
    assert compose([Line("  ", box, box, (), 1.0, 0.1)], width=0, height=0) == Composed("", (), ())


def test_one_line() -> None:
    """One line is one paragraph; its words are cut out of its text where the reader gave none."""
    box = Box(0.1, 0.1, 0.5, 0.12)
    result = compose([Line("Only this line", box, box, (), 1.0, 0.02)], width=600, height=800)
    assert result.text == "Only this line"
    assert [result.text[w.start : w.end] for w in result.words] == ["Only", "this", "line"]
    assert result.words[0].box.x0 == 0.1
    assert math.isclose(result.words[2].box.x1, 0.5)


def test_bad_numbers_do_no_harm() -> None:
    """NaN, infinite, reversed and empty boxes are set right; the words are still there."""
    boxes = [Box(math.nan, 0.1, 0.2, 0.1), Box(0.5, 0.5, 0.1, 0.2), Box(-math.inf, 0, math.inf, 2), Box(0, 0, 0, 0)]
    lines = [Line(f"word{k} more", b, b, (), 0.5, math.nan) for k, b in enumerate(boxes)]
    result = compose(lines, width=600, height=800)
    check_spans(result)
    assert sorted(result.text.split()) == sorted(["word0", "more", "word1", "more", "word2", "more", "word3", "more"])


def test_words_beside_their_line_text() -> None:
    """Words of a script without spaces are written without spaces; where text and words disagree, words win."""
    box = Box(0.1, 0.1, 0.5, 0.12)
    characters = tuple(LineWord(c, Box(0.1 + 0.1 * k, 0.1, 0.2 + 0.1 * k, 0.12)) for k, c in enumerate("港湾局"))
    assert compose([Line("港湾局", box, box, characters, 1.0, 0.02)], width=600, height=800).text == "港湾局"
    other = (LineWord("right", box), LineWord("words", box))
    assert compose([Line("wrong text", box, box, other, 1.0, 0.02)], width=600, height=800).text == "right words"


def test_three_thousand_lines() -> None:
    """A page of 3,000 scattered pieces ends in seconds, with every word."""
    rng = random.Random(1)
    lines = []
    for k in range(3000):
        x, y = rng.random() * 0.95, rng.random() * 0.98
        box = Box(x, y, x + 0.04, y + 0.006)
        lines.append(Line(f"w{k}", box, box, (), 1.0, 0.006))
    start = time.process_time()
    result = compose(lines, width=2000, height=2800)
    assert time.process_time() - start < 10
    assert len(result.words) == 3000


def test_dense_page_is_quick() -> None:
    """A dense page of two columns takes milliseconds (the bound leaves room for slow machines)."""
    page = full_page()
    times = []
    for _ in range(5):
        start = time.process_time()
        page.composed()
        times.append(time.process_time() - start)
    assert min(times) < 0.12


def made_piece(text: str, x0: float, y0: float, x1: float, height: float) -> Piece:
    return Piece(x0, y0, x1, y0 + height, height, False, (Token(text, Box(0, 0, 1, 1)),), ((x0, x1),))


def test_rows_set_evenly_that_are_no_table_are_taken_apart_in_time() -> None:
    """1,200 rows of two cells of words, as a printed listing has them, are neither too deep nor too many."""
    height = 1 / 4096
    across = (("left", 0.1, 0.3), ("right", 0.6, 0.8))
    rows = [Row([made_piece(text, a, 2 * k * height, b, height) for text, a, b in across]) for k in range(1200)]
    assert find_tables(rows) == []


def test_a_wide_title_is_one_line_however_many_lines_begin_between_its_words() -> None:
    """How many other lines a page has changes nothing about which words stand together."""
    for lines in (40, 120):
        title = [made_piece("GRAND", 0.1, 0.01, 0.2, 0.04), made_piece("OPENING", 0.25, 0.01, 0.4, 0.04)]
        below = [made_piece("line", 0.245, 0.1 + k * 0.007, 0.5, 0.005) for k in range(lines)]
        joined = join_near(canonical([*title, *below]), CUT_GAP)
        assert joined[0].text == "GRAND OPENING"
        assert len(joined) == lines + 1


def test_no_page_looks_for_gutters_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of words far apart has a gap at each, and the search ends before it has followed them all."""
    row = canonical(made_piece("ab", k / 300, 0.5, k / 300 + 0.001, 0.001) for k in range(300))
    followed = []
    grow = gutters._grow
    monkeypatch.setattr(gutters, "_grow", lambda *given: followed.append(given[1:3]) or grow(*given))
    monkeypatch.setattr(gutters, "_MOST_WORK", 100 * len(row))
    gutters.find_gutters(row)
    assert len(followed) == 100
