"""Text that stands on its side on an upright page. No network is run here: what is read follows from a crop's shape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worker.engine.geometry import Levelling, Slab
from worker.engine.lines import read_lines
from worker.engine.recognise import NOTHING, Recognised

PAGE = np.full((800, 600, 3), 255, np.uint8)
LEVEL = Levelling(0.0, 600, 800)


def said(text: str, score: float = 0.98) -> Recognised:
    places = tuple((k + 0.5) / len(text) for k in range(len(text)))
    return Recognised(text, places, score)


def test_a_short_word_on_its_side_is_read_that_way_where_it_reads_badly_as_it_lies() -> None:
    """The head "Total" over a narrow column is hardly higher than two lines: its shape alone does not tell."""

    def read(crops: Sequence[np.ndarray]) -> list[Recognised]:
        return [said("Total") if crop.shape[1] > crop.shape[0] else said("e", 0.6) for crop in crops]

    slabs = [Slab(300.0, 100.0 + 30 * k, 200.0, 20.0, 0.0) for k in range(5)]
    lines = read_lines(PAGE, [*slabs, Slab(100.0, 300.0, 22.0, 44.0, 0.0)], LEVEL, read, {})
    assert [line.text for line in lines] == ["Total"] * 6
    (word,) = lines[-1].words
    assert 270 / 800 < word.box.y0 < word.box.y1 < 330 / 800


def test_a_tall_figure_that_reads_well_is_not_turned() -> None:
    def read(crops: Sequence[np.ndarray]) -> list[Recognised]:
        return [said("line") if crop.shape[1] > 3 * crop.shape[0] else said("1") for crop in crops]

    slabs = [Slab(300.0, 100.0 + 30 * k, 200.0, 20.0, 0.0) for k in range(5)]
    lines = read_lines(PAGE, [*slabs, Slab(100.0, 300.0, 22.0, 44.0, 0.0)], LEVEL, read, {})
    assert lines[-1].text == "1"


def test_marks_that_read_neither_way_are_no_text() -> None:
    def read(crops: Sequence[np.ndarray]) -> list[Recognised]:
        return [said("line") if crop.shape[1] > 3 * crop.shape[0] else NOTHING for crop in crops]

    slabs = [Slab(300.0, 100.0 + 30 * k, 200.0, 20.0, 0.0) for k in range(5)]
    lines = read_lines(PAGE, [*slabs, Slab(100.0, 300.0, 22.0, 44.0, 0.0)], LEVEL, read, {})
    assert [line.text for line in lines] == ["line"] * 5
