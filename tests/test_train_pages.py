"""Training pages: reproducible, and labels lie where the ink is."""

from __future__ import annotations

import random

import cv2
import numpy as np
import pytest

from worker.train.fonts import collect, faces
from worker.train.layouts import broken
from worker.train.pages import CELL, Wanted, cells, make_page
from worker.train.scanner import Wear, scan
from worker.train.sheet import Sheet, type_at
from worker.train.text import ALPHABET, Said, Texts, is_held_out, paragraphs, strange

CARD = Wanted(256, 120, (18, 32), 0.3, 1.0)
CLEAN = Wanted(256, 80, (20, 30), 0.3, 0.0)
PAGE = Wanted(640, 700, (13, 18), 0.2, 0.8, "page")


@pytest.fixture(scope="module")
def texts():
    return Texts()


@pytest.fixture(scope="module")
def known():
    return faces()


@pytest.mark.parametrize("wanted", [CARD, PAGE], ids=["card", "page"])
def test_same_seed_same_bytes(wanted, texts, known):
    """A page is a function of its seed: twice the same bytes and labels, and another seed another page."""
    one, two, other = (make_page(wanted, seed, texts, known) for seed in (5, 5, 6))
    assert one.pixels.tobytes() == two.pixels.tobytes()
    assert one.text == two.text
    np.testing.assert_array_equal(one.boxes, two.boxes)
    assert one.pixels.tobytes() != other.pixels.tobytes()


@pytest.mark.parametrize("wanted", [CARD, PAGE], ids=["card", "page"])
def test_every_character_has_a_row(wanted, texts, known):
    """Text, places, boxes and flags run parallel, and only white space and separators leave no ink on the sheet."""
    for seed in range(20):
        page = make_page(wanted, seed, texts, known)
        assert page.pixels.shape == (wanted.side, wanted.side)
        assert page.pixels.dtype == np.uint8
        assert len(page.text) == len(page.places) == len(page.boxes) == len(page.guessable)
        assert np.isfinite(page.places).all()
        inked = ~np.isnan(page.boxes[:, 0])
        assert not any(char.isspace() for char, ink in zip(page.text, inked, strict=True) if ink)
        assert inked.sum() > 0.6 * len(page.text)


def test_no_more_characters_than_wanted(texts, known):
    """A page never has more characters than were asked for; line ends and separators are counted."""
    for seed in range(60):
        for wanted in (CARD, PAGE):
            assert len(make_page(wanted, seed, texts, known).text) <= wanted.chars + 8


def test_ink_lies_in_the_boxes(texts, known):
    """On clean cards each box holds ink, and nearly all ink lies in the boxes."""
    for seed in range(30):
        page = make_page(CLEAN, seed, texts, known)
        ink = 255 - page.pixels.astype(int)
        covered = np.zeros_like(ink, bool)
        for box in page.boxes[~np.isnan(page.boxes[:, 0])]:
            left, top, right, bottom = (int(value) for value in box)
            assert ink[top:bottom, left:right].max() > 30  # hairlines are faint
            covered[top:bottom, left:right] = True
        assert ink[~covered].sum() <= 0.12 * ink.sum()  # underlines are no characters


def test_labels_follow_the_skew():
    """After skew, scaling and shift a box still lies around its ink: a mark is found where its box has moved to."""
    ink = np.zeros((200, 200), np.uint8)
    ink[40:52, 150:158] = 255
    moved = 0
    for seed in range(20):
        grey, matrix = scan(ink, random.Random(seed), Wear(0.6, max_skew=4.0))
        middle = matrix[:, :2] @ (153.5, 45.5) + matrix[:, 2]
        moved += not np.array_equal(matrix, np.eye(3)[:2])
        column, row = (int(round(value)) for value in middle)
        around = cv2.GaussianBlur(grey, (5, 5), 1.5).astype(int)
        rest = np.median(around)
        assert abs(around[row, column] - rest) > 40, f"seed {seed}"
    assert moved >= 3


def test_cells_say_the_characters(texts, known):
    """Label cells hold the page's characters at their places: nearly each inked one, and no other."""
    for seed in range(20):
        page = make_page(CLEAN, seed, texts, known)
        labels = cells(page)
        inked = [char for char, box in zip(page.text, page.boxes, strict=True) if not np.isnan(box[0])]
        found = sorted(ALPHABET[label] for label in labels[labels > 0])
        assert labels.shape == (256 // CELL, 256 // CELL)
        assert len(found) >= 0.9 * len(inked)
        left = list(inked)
        for char in found:
            left.remove(char)


def test_reading_order_goes_down_and_right():
    """A sheet's text is in the order of writing, spaces included, with places that move on."""
    sheet, kind = Sheet(200), type_at(faces().paths[0], 20)
    sheet.write(("ab", "c"), (True, False), 10, 40, kind)
    sheet.part("\n")
    sheet.write(("d",), (True,), 10, 80, kind)
    assert sheet.text == "ab c\nd"
    assert sheet.guessable == [True, True, True, False, True, True]
    xs = [x for x, _ in sheet.places[:4]]
    assert xs == sorted(xs)
    assert sheet.places[5][1] > sheet.places[0][1]
    assert sheet.boxes[2] is None
    assert sheet.boxes[3] is not None


def test_ink_beyond_the_edge_is_cut():
    """Text that runs over the edge is cut off there and its boxes end at the edge."""
    sheet, kind = Sheet(64), type_at(faces().paths[0], 30)
    sheet.write(("WWWWWWW",), (True,), 30, 70, kind)
    inside = [box for box in sheet.boxes if box]
    assert inside
    assert all(0 <= box[0] < box[2] <= 64 and 0 <= box[1] < box[3] <= 64 for box in inside)


def test_lines_fit_their_width():
    """Broken lines are no wider than asked for, and no word is lost unless it alone is too wide."""
    kind = type_at(faces().paths[0], 20)
    words = ("one", "two", "three", "incomprehensibilities", "four")
    lines = broken(Said(words, (True,) * 5), kind, 90)
    assert [word for line in lines for word in line.words][:3] == ["one", "two", "three"]
    for line in lines:
        assert sum(map(kind.width, line.words)) + kind.glyph(" ").advance * (len(line.words) - 1) <= 90


def test_held_out_prose_is_never_trained_on():
    """The two halves of the corpus share no paragraph, and the held-out one is a small share of a real corpus."""
    held = [paragraph for paragraph in paragraphs() if is_held_out(paragraph)]
    assert len(paragraphs()) > 1000
    assert 0.02 < len(held) / len(paragraphs()) < 0.1
    assert not set(Texts(held_out=True)._paragraphs) & set(Texts()._paragraphs)


def test_held_out_faces_are_never_trained_on():
    """Training and evaluation share no type face."""
    assert not set(faces().names) & set(faces(held_out=True).names)


def test_unguessable_share(texts):
    """About the wanted share of characters is unguessable, and such strings rarely come twice."""
    rng = random.Random(3)
    said = [texts.say(rng, 200, 0.2) for _ in range(200)]
    unknown = sum(not known for one in said for known in one.guessable)
    total = sum(len(one.words) for one in said)
    assert 0.1 < unknown / total < 0.35
    assert sum(map(len, said[0].words)) + len(said[0].words) - 1 <= 200
    strings = [strange(rng) for _ in range(2000)]
    assert len(set(strings)) > 1700
    assert all(len(text) <= 24 for text in strings)


def test_words_are_in_the_alphabet(texts):
    """Everything that is said can be labelled."""
    rng = random.Random(4)
    for share in (0.0, 0.5, 1.0):
        for _ in range(100):
            assert set("".join(texts.say(rng, 80, share).words)) <= set(ALPHABET)


def test_a_folder_of_faces_gives_the_same_pages(tmp_path, texts, known):
    """Faces that were copied to a folder draw what the packages draw."""
    assert collect(tmp_path) == len(known.paths) + len(faces(held_out=True).paths)
    copied = faces(folder=tmp_path)
    assert copied.names == known.names
    for seed in range(40):
        one, two = make_page(CARD, seed, texts, known), make_page(CARD, seed, texts, copied)
        assert one.pixels.tobytes() == two.pixels.tobytes()
