"""Geometry, weights and ruling lines of the OCR engine: no network is run here."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from PIL import Image, ImageDraw

from worker.engine import orient
from worker.engine.geometry import Levelling, crop, skew, slab, turn_pixels, turn_slab
from worker.engine.pixels import is_blank, rgb_pixels
from worker.engine.recognise import Recognised, fitted
from worker.engine.rest import Rest
from worker.engine.rules import ruling_lines
from worker.engine.weights import DETECTOR, RECOGNISER, alphabet, onnx_metadata, weights


@pytest.mark.parametrize("slope", [-1.2, -0.4, 0.0, 0.7, 1.3])
def test_skew_of_a_page_of_short_pieces_follows_from_how_they_stand(slope: float) -> None:
    """Contents, forms and tables have no long line: pieces on one line and under one margin tell, their own angles
    (level rectangles around few letters) do not.
    """
    print("seed 4")
    draw = np.random.default_rng(4)
    level = [(150.0, 90 + 8 * int(draw.integers(3, 9)), 200 + 40.0 * k) for k in range(12)]
    level += [(900.0, 40.0, 200 + 40.0 * k) for k in range(12)]
    radians = np.radians(slope)
    pieces = []
    for x, width, y in level:
        centre = x + width / 2
        turned = (centre * np.cos(radians) - y * np.sin(radians), centre * np.sin(radians) + y * np.cos(radians))
        pieces.append(
            slab(turned, (float(width), 20 + float(draw.uniform(-3, 3))), float(draw.choice([0.0, 0.0, 0.4])))
        )
    assert skew(pieces) == pytest.approx(slope, abs=0.16)


@pytest.mark.parametrize("slope", [-9.4, 12.8])
def test_skew_of_an_invoice_that_lies_slantwise_follows_from_how_its_pieces_stand(slope: float) -> None:
    """Sums far from their items are a long way above or below them, though on one line."""
    radians = np.radians(slope)
    pieces = []
    for x, width in ((150.0, 200.0), (900.0, 60.0), (1300.0, 60.0)):
        for k in range(12):
            centre, y = x + width / 2, 200 + 40.0 * k
            turned = (centre * np.cos(radians) - y * np.sin(radians), centre * np.sin(radians) + y * np.cos(radians))
            pieces.append(slab(turned, (width, 20.0), slope + (1.3 if slope < 0 else -1.3)))
    assert skew(pieces) == pytest.approx(slope, abs=0.16)


def test_boxes_and_tables_set_in_by_a_little_make_no_margin_that_slopes() -> None:
    """A box's text is set in, a table's less, and what follows not at all: its lines tell how a form lies."""
    print("seed 7")
    draw = np.random.default_rng(7)
    radians = np.radians(-0.9)
    pieces = []
    for k in range(12):
        y = 200 + 40.0 * k
        for x in (180.0 - 0.031 * (y - 200), draw.uniform(500, 800), draw.uniform(1000, 1500)):
            centre = x + 40
            turned = (centre * np.cos(radians) - y * np.sin(radians), centre * np.sin(radians) + y * np.cos(radians))
            pieces.append(slab(turned, (80.0, 20.0), 0.0))
    pieces.append(slab((1000.0, 100.0), (150.0, 20.0), -0.7))
    assert skew(pieces) == pytest.approx(-0.9, abs=0.16)


def test_pieces_that_stand_anyhow_tell_no_slope() -> None:
    """Labels on a map keep the slope that their own lines have."""
    print("seed 5")
    draw = np.random.default_rng(5)
    pieces = [slab((float(x), float(y)), (130.0, 20.0), 0.0) for x, y in draw.uniform(100, 1500, (5, 2))]
    assert skew(pieces) == 0.0


@pytest.mark.parametrize("slope", [-0.7, 0.5])
def test_skew_of_narrow_columns_is_not_lost_in_level_rectangles(slope: float) -> None:
    """Of lines that slope a little more than half come with the angle 0.0: rectangles snap to the pixels."""
    print("seed 6")
    draw = np.random.default_rng(6)
    radians = np.radians(slope)
    lines = []
    for column in range(3):
        for row in range(24):
            x, y = 250.0 + 420 * column, 200 + 40.0 * row + 11 * column
            turned = (x * np.cos(radians) - y * np.sin(radians), x * np.sin(radians) + y * np.cos(radians))
            lines.append(slab(turned, (400.0, 28.0), slope if draw.random() < 0.4 else 0.0))
    assert skew(lines) == pytest.approx(slope, abs=0.16)


def test_slab_angles_are_brought_home() -> None:
    """A standing rectangle is one with height over width, not one at 90 degrees."""
    assert slab((5, 5), (20, 4), 90.0).width == 4
    assert slab((5, 5), (20, 4), 90.0).angle == 0
    assert slab((5, 5), (4, 20), -90.0).width == 20
    assert slab((5, 5), (20, 4), 30.0).angle == 30
    assert slab((5, 5), (20, 4), 170.0).angle == pytest.approx(-10)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_turning_a_slab_follows_the_pixels(turn: int) -> None:
    """The turned slab covers the same ink on the turned page."""
    pixels = np.full((60, 100, 3), 255, np.uint8)
    pixels[10:18, 20:50] = 0
    item = slab((35, 14), (30, 8), 0.0)
    turned = turn_slab(item, turn, 100, 60)
    assert crop(turn_pixels(pixels, turn), turned).max() == 0


def test_crop_levels_a_sloping_line() -> None:
    """A dark bar at 12 degrees comes out as a level, dark rectangle; off the page is white."""
    image = Image.new("RGB", (300, 300), "white")
    item = slab((150, 150), (180, 20), 12.0)
    ImageDraw.Draw(image).polygon([tuple(point) for point in item.corners()], fill="black")
    part = crop(np.asarray(image), item.part(0.02, 0.98, 0.1, 0.9))
    assert part.mean() < 10
    assert crop(np.zeros((40, 40, 3), np.uint8), slab((0, 20), (20, 10), 0.0))[:, :8].min() == 255


def test_skew_is_the_angle_of_the_long_lines() -> None:
    """Short pieces at odd angles do not sway the page."""
    lines = [slab((500, y), (800, 30), 4.0) for y in range(100, 900, 100)]
    odd = [slab((500, y), (40, 30), -20.0) for y in range(100, 900, 50)]
    assert skew([*lines, *odd]) == pytest.approx(4.0)
    assert skew(odd) == 0.0
    assert skew([]) == 0.0


def test_levelling_makes_lines_level_and_keeps_them_on_the_canvas() -> None:
    """A sloping line on the page is level on the deskewed canvas, where the pixels show it too."""
    image = Image.new("L", (400, 600), 255)
    item = slab((200, 300), (300, 12), 10.0)
    ImageDraw.Draw(image).polygon([tuple(point) for point in item.corners()], fill=0)
    level = Levelling(10.0, 400, 600)
    there = level.slab(item)
    assert there.angle == pytest.approx(0.0)
    assert 0 < there.x < level.width
    canvas = level.pixels(np.asarray(image))
    assert canvas.shape == (level.height, level.width)
    assert crop(np.dstack([canvas] * 3), there.part(0.02, 0.98, 0.15, 0.85)).mean() < 25


def test_finds_the_lines_of_a_table() -> None:
    """Ruling lines are thin boxes along both axes; letters and filled areas are none."""
    image = Image.new("RGB", (1600, 1200), "white")
    draw = ImageDraw.Draw(image)
    for y in (200, 400, 600):
        draw.line((200, y, 1400, y), "black", 3)
    for x in (200, 800, 1400):
        draw.line((x, 200, x, 600), "black", 3)
    draw.rectangle((300, 800, 700, 1100), fill="black")
    rules = ruling_lines(np.asarray(image), Levelling(0.0, 1600, 1200))
    level = [rule for rule in rules if rule.x1 - rule.x0 > 0.5 and rule.y1 - rule.y0 < 0.01]
    upright = [rule for rule in rules if rule.y1 - rule.y0 > 0.3 and rule.x1 - rule.x0 < 0.01]
    assert sorted(round((rule.y0 + rule.y1) / 2, 2) for rule in level) == [0.17, 0.33, 0.5]
    assert sorted(round((rule.x0 + rule.x1) / 2, 2) for rule in upright) == [0.12, 0.5, 0.88] or len(upright) == 3


def test_the_short_sides_of_boxes_are_ruling_lines() -> None:
    """An upright as high as a line of type counts where it runs from one level line to another; a letter does not."""
    image = Image.new("RGB", (1600, 2260), "white")
    draw = ImageDraw.Draw(image)
    for y in (300, 370, 440):
        draw.line((200, y, 1400, y), "black", 3)
    draw.line((700, 300, 700, 370), "black", 3)  # between the first two
    draw.line((900, 382, 900, 430), "black", 4)  # an "l" in large type
    uprights = [
        rule for rule in ruling_lines(np.asarray(image), Levelling(0.0, 1600, 2260)) if rule.y1 - rule.y0 > 0.02
    ]
    assert [round(rule.x0 * 1600, -1) for rule in uprights] == [700]


def test_light_letters_on_a_dark_page_are_no_ruling_lines() -> None:
    """Light on dark is looked at as its negative: lines are found in it, and none between letters."""
    text = Image.new("RGB", (1240, 1754), "black")
    draw = ImageDraw.Draw(text)
    for row in range(4):
        draw.text((100, 120 + row * 44), "Comet Brassfield was seen at 02:14 near Vega.", "white", font_size=26)
    level = Levelling(0.0, 1240, 1754)
    assert ruling_lines(np.asarray(text), level) == []
    draw.line((100, 1000, 1100, 1000), "white", 3)
    (rule,) = ruling_lines(np.asarray(text), level)
    assert rule.y0 < 1000 / 1754 < rule.y1 + 0.002 and rule.x1 - rule.x0 > 0.75


def test_blank_is_blank_and_a_dot_is_not() -> None:
    """Paper of one shade is blank; a single dark pixel makes a page that must be looked at."""
    paper = np.full((500, 400, 3), 230, np.uint8)
    assert is_blank(paper)
    paper[250, 200] = 0
    assert not is_blank(paper)


def test_transparent_is_white() -> None:
    """Text on a transparent ground stands on white."""
    image = Image.new("RGBA", (10, 10), (0, 0, 0, 0))
    image.putpixel((5, 5), (0, 0, 0, 255))
    pixels = rgb_pixels(image)
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[5, 5].tolist() == [0, 0, 0]


def test_crops_keep_their_shape_on_the_canvas() -> None:
    """What is read is as high as the network wants; the share says how much of the width is text."""
    canvas, share = fitted(np.zeros((20, 200, 3), np.uint8))
    assert canvas.shape[0] == 48
    assert canvas.shape[1] % 32 == 0
    assert 0 < share <= 1


def test_a_sure_reading_ends_the_search_for_the_upside() -> None:
    """Upright pages pay nothing for orientation: no line is read a second time, and the samples are kept."""
    calls = []

    def read(crops: list[np.ndarray]) -> list[Recognised]:
        calls.append(len(crops))
        return [Recognised("plain words here", tuple([0.5] * 16), 0.99) for _ in crops]

    slabs = [slab((500, 100 * n), (400, 40), 0.0) for n in range(1, 9)]
    turn, known = orient.rotation(np.zeros((900, 1000, 3), np.uint8), slabs, read)
    assert turn == 0
    assert len(calls) == 1
    assert len(known) == calls[0]


def test_digits_alone_do_not_settle_the_upside() -> None:
    """Figures can look as good upside down, so the other way up is tried too."""
    answers = iter([("1961 8008", 0.95), ("two words", 0.99)])

    def read(crops: list[np.ndarray]) -> list[Recognised]:
        text, score = next(answers)
        return [Recognised(text, tuple([0.5] * len(text)), score) for _ in crops]

    slabs = [slab((500, 100 * n), (400, 40), 0.0) for n in range(1, 5)]
    assert orient.rotation(np.zeros((900, 1000, 3), np.uint8), slabs, read)[0] == 180


def test_a_table_on_its_side_does_not_tell_which_way_up_the_page_is() -> None:
    """Its cells are of the length that is cheap to read, the lines around it too long: the page was turned over."""

    def read(crops: list[np.ndarray]) -> list[Recognised]:
        lying = [crop.shape[1] > crop.shape[0] for crop in crops]
        return [Recognised("plain words here", (0.5,) * 16, 0.99 if each else 0.1) for each in lying]

    lines = [slab((500, 40 * n), (800, 20), 0.0) for n in range(1, 9)]
    cells = [slab((100 + 60 * n, 600), (20, 120), 0.0) for n in range(12)]
    turn, known = orient.rotation(np.zeros((900, 1000, 3), np.uint8), [*lines, *cells], read)
    assert turn == 0
    assert known and all(index < len(lines) for index in known)


def test_lone_figures_do_not_lay_a_page_on_its_side() -> None:
    """Each 1 of a register is far higher than wide; the names beside them tell how the page lies."""

    def read(crops: list[np.ndarray]) -> list[Recognised]:
        lying = [crop.shape[1] > crop.shape[0] for crop in crops]
        return [Recognised("plain words here", (0.5,) * 16, 0.99 if each else 0.1) for each in lying]

    names = [slab((100, 100 + 80 * n), (60, 20), 0.0) for n in range(5)]
    widths = (8, 13, 13, 8, 13)
    figures = [slab((200 + 40 * k, 100 + 40 * n), (widths[k], 19), 0.0) for n in range(10) for k in range(5)]
    assert orient.rotation(np.zeros((900, 1000, 3), np.uint8), [*names, *figures], read)[0] == 0


def test_memory_is_given_back_after_work_and_not_during_it() -> None:
    """The release comes once when the last of several workers has been away long enough."""
    released = threading.Event()
    calls = []

    def release() -> None:
        calls.append(1)
        released.set()

    rest = Rest(release, after_s=0.05)
    with rest.working():
        with rest.working():
            pass
        assert not released.wait(0.2)
    assert released.wait(60)
    assert calls == [1]


def test_the_wheel_carries_both_networks() -> None:
    """The weights are found in the installed wheel, and the alphabet in the weights."""
    assert len(weights(DETECTOR).sha256) == 64
    characters = alphabet(weights(RECOGNISER).path)
    assert characters[0] == ""
    assert characters[-1] == " "
    assert {"A", "z", "é", "€", "中"} <= set(characters)
    assert len(characters) == 18710


def test_metadata_of_an_onnx_file_without_any() -> None:
    """Other fields of the message are stepped over; no metadata is an empty mapping."""
    assert onnx_metadata(bytes([0x08, 0x07, 0x12, 0x02, 0x61, 0x62])) == {}
    entry = b"\x0a\x01k\x12\x01v"
    assert onnx_metadata(bytes([0x08, 0x07, 0x72, len(entry)]) + entry) == {"k": "v"}
