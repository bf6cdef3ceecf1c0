"""Figures under each other in one slab. No network is run here: what is read follows from a crop's shape."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from worker.engine.geometry import Levelling, Slab
from worker.engine.lines import read_lines
from worker.engine.recognise import Recognised
from worker.engine.stacks import rows_of

LEVEL = Levelling(0.0, 600, 800)
COMMON = 26.0
LINES = [Slab(300.0, 100.0 + 40 * k, 200.0, COMMON, 0.0) for k in range(7)]


def said(text: str, score: float = 0.98) -> Recognised:
    return Recognised(text, tuple((k + 0.5) / len(text) for k in range(len(text))), score)


def column(figures: Sequence[str], pitch: int = 45) -> tuple[np.ndarray, Slab]:
    """A page with figures under each other, and one slab around all of them."""
    page = np.full((800, 600, 3), 255, np.uint8)
    for k, figure in enumerate(figures):
        cv2.putText(page, figure, (82, 312 + pitch * k), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 0, 0), 2)
    height = pitch * (len(figures) - 1) + COMMON
    return page, Slab(98.0, 304.0 + pitch * (len(figures) - 1) / 2, 38.0, height + 12, 0.0)


def reader(figures: Sequence[str], sideways: Recognised):
    """Reads long crops as lines, the stack on its side as told, and its rows one after the other."""
    rest = iter(figures)

    def read(crops: Sequence[np.ndarray]) -> list[Recognised]:
        found = []
        for part in crops:
            height, width = part.shape[:2]
            if height > width:
                found.append(said("e", 0.3))  # all of it as one level line
            elif width > 5 * height:
                found.append(said("line"))
            else:
                found.append(sideways if width > 2.1 * height else said(next(rest)))
        return found

    return read


@pytest.mark.parametrize("figures", [("52", "14"), ("40", "22", "31"), ("8", "40", "22", "52")])
def test_figures_that_were_taken_for_text_on_its_side_are_read_row_by_row(figures: tuple[str, ...]) -> None:
    """Each becomes a line in its own place, from the top."""
    page, stack = column(figures)
    read = lines_of(page, stack, reader(figures, said("52 4", 0.79)))
    assert [line[0] for line in read] == list(figures)
    for k, (_, y0, y1) in enumerate(read):
        assert y0 < (304 + 45 * k) / 800 < y1
        assert y1 - y0 < 1.4 * COMMON / 800


def lines_of(page: np.ndarray, stack: Slab, read) -> list[tuple[str, float, float]]:
    lines = read_lines(page, [*LINES, stack], LEVEL, read, {})
    return [(line.text, line.box.y0, line.box.y1) for line in lines if line.text != "line"]


def test_text_that_is_surely_read_on_its_side_stays_one_line() -> None:
    page, stack = column(("52", "14", "31"))
    assert [text for text, _, _ in lines_of(page, stack, reader((), said("Total", 0.97)))] == ["Total"]


def test_rows_that_read_worse_than_the_whole_are_not_taken() -> None:
    """Letters of a word that runs up the page part into rows, too."""
    page, stack = column(("52", "14", "31"))

    def read(crops: Sequence[np.ndarray]) -> list[Recognised]:
        long = [part.shape[1] > 5 * part.shape[0] for part in crops]
        turned = [part.shape[1] > 2.1 * part.shape[0] for part in crops]
        return [
            said("line") if a else said("Total", 0.8) if b else said("o", 0.7)
            for a, b in zip(long, turned, strict=True)
        ]

    assert [text for text, _, _ in lines_of(page, stack, read)] == ["Total"]


def test_what_does_not_part_has_no_rows() -> None:
    """Ink without white across it, and a page without ink."""
    page, stack = column(("52", "14"))
    assert len(rows_of(page, stack, COMMON)) == 2
    cv2.line(page, (98, 250), (98, 400), (0, 0, 0), 6)
    assert rows_of(page, stack, COMMON) == []
    assert rows_of(np.full_like(page, 255), stack, COMMON) == []
