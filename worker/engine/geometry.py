"""Rectangles of text on a page: turning, levelling, cutting out.

A `Slab` is a line of text as a rectangle at an angle, in pixels. Angles are degrees, clockwise on the
screen (y points down); a slab's angle lies in (-45, 45], so `width` runs along the page's x axis and a
tall slab is a vertical line (or a narrow character). Arrays are images `(height, width, 3)` of uint8.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from index.types import Box

_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}

_END_ROOM = 0.2  # of a line's height
_LONG_LINE, _ENOUGH_LINES = 12.0, 8  # width over height of lines, so many of which tell the slope of a page
_SEARCH = 1.6  # degrees
_MIXED = 0.2  # of the lines' length is level, and so much slopes
_MOST_PIECES, _FEWEST_PIECES = 150, 6
_APART, _LEVEL = 4.0, 0.2  # in heights of a line: pairs that tell something, and what counts as level


@dataclass(frozen=True, slots=True)
class Slab:
    """A rectangle with its centre, its size and its angle; `score` is the detector's."""

    x: float
    y: float
    width: float
    height: float
    angle: float
    score: float = 1.0

    @property
    def long_side(self) -> float:
        return max(self.width, self.height)

    @property
    def short_side(self) -> float:
        return min(self.width, self.height)

    def point(self, along: float, down: float) -> tuple[float, float]:
        """The pixel at the fractions `along` its width and `down` its height (0..1 each)."""
        radians = math.radians(self.angle)
        dx, dy = (along - 0.5) * self.width, (down - 0.5) * self.height
        return (
            self.x + dx * math.cos(radians) - dy * math.sin(radians),
            self.y + dx * math.sin(radians) + dy * math.cos(radians),
        )

    def part(self, start: float, end: float, top: float = 0.0, bottom: float = 1.0) -> Slab:
        """The piece between the fractions `start` and `end` of its width, `top` and `bottom` of its height."""
        x, y = self.point((start + end) / 2, (top + bottom) / 2)
        return Slab(x, y, (end - start) * self.width, (bottom - top) * self.height, self.angle, self.score)

    def with_end_room(self, sideways: bool = False) -> Slab:
        """What to cut out to read this line: a little more at either end of its width (or of its height, for a
        line that runs up or down): commas and quotes at the ends are easily left out by a detector.
        """
        room = 2 * _END_ROOM * (self.width if sideways else self.height)
        width, height = (self.width, self.height + room) if sideways else (self.width + room, self.height)
        return Slab(self.x, self.y, width, height, self.angle, self.score)

    def corners(self) -> np.ndarray:
        """`(4, 2)` pixels, clockwise from the top left."""
        return np.array([self.point(0, 0), self.point(1, 0), self.point(1, 1), self.point(0, 1)])


def slab(centre: tuple[float, float], size: tuple[float, float], angle: float, score: float = 1.0) -> Slab:
    """A slab with its angle brought into (-45, 45], exchanging width and height where it must."""
    width, height = size
    angle = (angle + 90.0) % 180.0 - 90.0
    if angle > 45.0 or angle <= -45.0:
        width, height = height, width
        angle += -90.0 if angle > 45.0 else 90.0
    return Slab(centre[0], centre[1], width, height, angle, score)


def turn_pixels(pixels: np.ndarray, rotation: int) -> np.ndarray:
    """`pixels` turned clockwise by 0, 90, 180 or 270 degrees."""
    return cv2.rotate(pixels, _TURNS[rotation]) if rotation else pixels


def turn_slab(item: Slab, rotation: int, width: int, height: int) -> Slab:
    """Where `item` of a `width` x `height` page stands after the page was turned clockwise by `rotation`."""
    if rotation == 0:
        return item
    if rotation == 180:
        return Slab(width - item.x, height - item.y, item.width, item.height, item.angle, item.score)
    x, y = (height - item.y, item.x) if rotation == 90 else (item.y, width - item.x)
    return slab((x, y), (item.width, item.height), item.angle + rotation, item.score)


def bounding_box(points: np.ndarray, width: float, height: float) -> Box:
    """The upright box around `points` `(n, 2)`, as fractions of the page, kept inside it."""
    x0, y0 = points.min(axis=0)
    x1, y1 = points.max(axis=0)
    return Box(_unit(x0 / width), _unit(y0 / height), _unit(x1 / width), _unit(y1 / height))


def crop(pixels: np.ndarray, item: Slab) -> np.ndarray:
    """What the slab covers, level, at the page's own scale. Outside the page it is white."""
    width, height = max(1, round(item.width)), max(1, round(item.height))
    # A slope that shifts the ends by less than a tenth of the height is not worth resampling for.
    if abs(math.sin(math.radians(item.angle))) * item.width < 0.1 * item.height:
        left, top = round(item.x - item.width / 2), round(item.y - item.height / 2)
        if left >= 0 and top >= 0 and left + width <= pixels.shape[1] and top + height <= pixels.shape[0]:
            return pixels[top : top + height, left : left + width]
    radians = math.radians(item.angle)
    cos, sin = math.cos(radians), math.sin(radians)
    x, y = item.point(0, 0)
    matrix = np.array([[cos, -sin, x], [sin, cos, y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        pixels, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=(255, 255, 255)
    )


@dataclass(frozen=True, slots=True)
class Levelling:
    """The deskewed page: the upright page turned about its centre by `-angle` on a canvas that holds all of it."""

    angle: float
    page_width: int
    page_height: int

    @property
    def width(self) -> int:
        cos, sin = self._cos_sin()
        return math.ceil(self.page_width * cos + self.page_height * abs(sin))

    @property
    def height(self) -> int:
        cos, sin = self._cos_sin()
        return math.ceil(self.page_height * cos + self.page_width * abs(sin))

    def slab(self, item: Slab) -> Slab:
        """`item` of the upright page on the deskewed canvas."""
        if not self.angle:
            return item
        cos, sin = self._cos_sin()
        dx, dy = item.x - self.page_width / 2, item.y - self.page_height / 2
        x = self.width / 2 + dx * cos + dy * sin
        y = self.height / 2 - dx * sin + dy * cos
        return slab((x, y), (item.width, item.height), item.angle - self.angle, item.score)

    def pixels(self, image: np.ndarray) -> np.ndarray:
        """`image` (any scale of the page) deskewed, white around it."""
        if not self.angle:
            return image
        height, width = image.shape[:2]
        small = Levelling(self.angle, width, height)
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), self.angle, 1.0)
        matrix[:, 2] += ((small.width - width) / 2, (small.height - height) / 2)
        white = 255 if image.ndim == 2 else (255, 255, 255)
        return cv2.warpAffine(image, matrix, (small.width, small.height), borderValue=white)

    def _cos_sin(self) -> tuple[float, float]:
        radians = math.radians(self.angle)
        return math.cos(radians), math.sin(radians)


def skew(slabs: Sequence[Slab]) -> float:
    """The page's slope in degrees: the median angle of its lines, by length; of pages of short lines, and of those
    whose lines disagree, by how these stand to each other. 0.0 where neither tells.

    Short pieces are left out of the median, for the angle of a rectangle around three letters says nothing.
    """
    lines = [item for item in slabs if item.width >= 5 * item.height]
    angle = 0.0
    if lines:
        angles = np.array([item.angle for item in lines])
        lengths = np.array([item.width for item in lines])
        order = np.argsort(angles)
        half = np.searchsorted(np.cumsum(lengths[order]), lengths.sum() / 2)
        angle = float(angles[order][min(half, len(angles) - 1)])
    long = sum(item.width >= _LONG_LINE * item.height for item in lines)
    # The rectangle around a short line that slopes a little often comes out as level as the pixels are.
    level = sum(item.width for item in lines if not item.angle)
    unsure = _MIXED < level / max(1.0, sum(item.width for item in lines)) < 1.0 - _MIXED
    if long < _ENOUGH_LINES or unsure:
        angle = _in_rows(slabs, angle)
    return angle if abs(angle) >= 0.1 else 0.0


def _in_rows(slabs: Sequence[Slab], angle: float) -> float:
    """The slope within `_SEARCH` degrees of `angle` at which most pieces stand level with others, or begin below some;
    `angle` where no other is far better.
    """
    items = [item for item in slabs if item.width >= item.height][:_MOST_PIECES]
    if len(items) < _FEWEST_PIECES:
        return angle
    height = float(np.median([item.height for item in items]))
    turns = np.arange(-_SEARCH, _SEARCH + 0.01, 0.05)
    slopes = np.tan(np.radians(turns))  # (slopes,)
    # Seen along `angle`: on a page that slopes much, what stands on one line is far from level.
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    along = np.array([[cos, -sin], [sin, cos]]) / height
    centres = np.array([(item.x, item.y) for item in items]) @ along
    starts = np.array([item.point(0, 0.5) for item in items]) @ along
    first, second = np.triu_indices(len(items), 1)
    beside = centres[second] - centres[first]  # (pairs, 2)
    beside = beside[(np.abs(beside[:, 0]) > _APART) & (np.abs(beside[:, 1]) < 0.05 * np.abs(beside[:, 0]) + 0.5)]
    under = starts[second] - starts[first]
    under = under[(np.abs(under[:, 1]) > _APART) & (np.abs(under[:, 0]) < 0.05 * np.abs(under[:, 1]) + 0.5)]
    off = np.concatenate(
        [beside[:, 1:] - beside[:, :1] * slopes, under[:, :1] + under[:, 1:] * slopes]
    )  # (pairs, slopes): by how many heights a pair misses the same line, or the same margin
    agreement = np.exp(-((off / _LEVEL) ** 2)).sum(axis=0)
    # A line tells more than a margin: what is set in here and there may look like a margin that slopes.
    agreement += np.exp(-((off[: len(beside)] / _LEVEL) ** 2)).sum(axis=0)
    best = int(agreement.argmax())
    known = agreement[len(slopes) // 2]
    if agreement[best] < _FEWEST_PIECES or agreement[best] < 1.05 * known:
        return angle
    return angle + float(turns[best])


def _unit(value: float) -> float:
    return float(min(1.0, max(0.0, value)))
