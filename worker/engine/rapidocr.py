"""The CPU engine: PP-OCRv6, as the `rapidocr` wheel carries it, run by OpenVINO.

A page goes: detect lines -> turn the page upright -> measure its skew -> read each line where it stands
-> lines with words and boxes -> `compose` writes them in reading order. `read` may be called by several
threads at once; each call runs on one core.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from index.types import Box, PageReading, Reader
from worker.engine import orient, weights
from worker.engine.geometry import Levelling, Slab, skew, turn_pixels, turn_slab
from worker.engine.initials import without_initials
from worker.engine.lines import read_lines
from worker.engine.pixels import is_blank, rgb_pixels
from worker.engine.rest import Rest, trim_heap
from worker.engine.rules import ruling_lines
from worker.engine.stamps import without_stamps
from worker.engine.turned import parted, read_turned, turned_part
from worker.layout.compose import compose
from worker.layout.inset import inset

if TYPE_CHECKING:
    from PIL.Image import Image

    from worker.engine.detect import Detector
    from worker.engine.recognise import Recognised, Recogniser
    from worker.layout.lines import Composed, Line

_COLUMN = 2.5  # height over width of what may be a column of a table
_REST_AFTER_S = 15.0  # without a page to read


class RapidOcrEngine:
    """Reads page images on the CPU.

    `threads` is how many pages are read at the same time, one core each (by default as many as there are
    cores for this process); `cache_dir` keeps compiled networks, so that the next start is quick.
    """

    name = "rapidocr"

    def __init__(self, threads: int | None = None, cache_dir: Path | None = None) -> None:
        self._threads = max(1, threads or len(os.sched_getaffinity(0)))
        self._cache_dir = cache_dir
        self._loading = threading.Lock()
        self._networks: tuple[Detector, Recogniser] | None = None
        self._rest = Rest(self._release, _REST_AFTER_S)

    @cached_property
    def revision(self) -> str:
        return weights.revision()

    def warm(self) -> None:
        """Load the weights and run each network once."""
        detector, recogniser = self._loaded()
        with self._rest.working():
            detector.find(np.full((64, 64, 3), 255, np.uint8))
            recogniser.read([np.full((48, 320, 3), 255, np.uint8)])

    def read(self, images: Sequence[Image]) -> list[PageReading]:
        """One reading for each image, in order. A blank page gives an empty text and trust 1.0."""
        with self._rest.working():
            return [self._read_page(image) for image in images]

    def read_lines(self, image: Image, boxes: Sequence[Box]) -> list[tuple[str, float]]:
        """What stands in each box of the page, which must hold one level line of text, and how sure it is (0..1)."""
        _, recogniser = self._loaded()
        width, height = image.size
        crops = []
        for box in boxes:
            left, top = max(0, int(box.x0 * width)), max(0, int(box.y0 * height))
            right, bottom = min(width, round(box.x1 * width)), min(height, round(box.y1 * height))
            part = image.crop((left, top, max(left + 1, right), max(top + 1, bottom)))
            crops.append(rgb_pixels(part))
        with self._rest.working():
            return [(line.text, line.score) for line in recogniser.read(crops)]

    def knows(self, text: str) -> bool:
        """Whether nine in ten letters of `text` are in the recogniser's alphabet."""
        return self._loaded()[1].knows(text)

    def rotation(self, image: Image) -> int:
        """How many degrees clockwise (0, 90, 180, 270) the page must be turned to stand upright.

        0 where what was read does not make it plain: handwriting and pictures look alike in all positions.
        """
        pixels = rgb_pixels(image)
        if is_blank(pixels):
            return 0
        detector, recogniser = self._loaded()
        with self._rest.working():
            turn, lines = orient.rotation(pixels, detector.find(pixels), recogniser.read)
        return turn if orient.legible(list(lines.values())) else 0

    def _read_page(self, image: Image) -> PageReading:
        pixels = rgb_pixels(image)
        slabs: list[Slab] = []
        rotation, known = 0, {}
        if not is_blank(pixels):
            detector, recogniser = self._loaded()
            slabs = detector.find(pixels)
            rotation, known = orient.rotation(pixels, slabs, recogniser.read)
        height, width = pixels.shape[:2]
        slabs = [turn_slab(item, rotation, width, height) for item in slabs]
        pixels = turn_pixels(pixels, rotation)
        height, width = pixels.shape[:2]
        if rotation % 180 and any(item.height > _COLUMN * item.width for item in slabs):
            # Seen sideways, figures under each other are a line: the upright page is looked at anew.
            slabs, known = self._loaded()[0].find(pixels), {}
        known = dict(known)
        pixels, slabs = without_stamps(pixels, slabs, known, self._find)
        slabs = without_initials(pixels, slabs, known, self._find)
        if not slabs:
            return self._reading("", (), (), 1.0, width, height, rotation)
        page, lines = self._compose(pixels, slabs, known)
        return self._reading(page.text, page.regions, page.words, _trust(lines), width, height, rotation)

    def _compose(
        self, pixels: np.ndarray, slabs: Sequence[Slab], known: Mapping[int, Recognised], *, whole: bool = True
    ) -> tuple[Composed, Sequence[Line]]:
        """The text of an upright page, or of a part of it, with its slabs, and the lines that it is made of."""
        height, width = pixels.shape[:2]
        level = Levelling(skew(slabs), width, height)
        lines = read_lines(pixels, slabs, level, self._loaded()[1].read, known)
        part = turned_part(slabs, width, height) if whole else None
        turned = None
        if part is not None:
            inside, outside = parted(lines, part, width, height)
            turned = read_turned(pixels, part, inside, lambda cut: self._compose(cut, self._find(cut), {}, whole=False))
            lines = lines if turned is None else outside
        page = compose(lines, width=level.width, height=level.height, rules=ruling_lines(pixels, level))
        return (page, lines) if turned is None else (inset(page, turned[0]), [*lines, *turned[1]])

    def _find(self, pixels: np.ndarray) -> list[Slab]:
        return self._loaded()[0].find(pixels)

    def _reading(self, text, regions, words, trust, width, height, rotation) -> PageReading:  # noqa: ANN001
        reader = Reader(self.name, self.revision, "ocr")
        return PageReading(text, regions, words, trust, width, height, rotation, reader)

    def _loaded(self) -> tuple[Detector, Recogniser]:
        if self._networks is None:
            with self._loading:
                if self._networks is None:
                    self._networks = self._load()
        return self._networks

    def _release(self) -> None:
        for network in self._networks or ():
            network.release()
        trim_heap()

    def _load(self) -> tuple[Detector, Recogniser]:
        import openvino

        from worker.engine.detect import Detector
        from worker.engine.recognise import Recogniser

        cv2.setNumThreads(1)  # pages are the unit of parallelism
        core = openvino.Core()
        return (
            Detector(core, self._threads, self._cache_dir),
            Recogniser(core, self._threads, self._cache_dir),
        )


def _trust(lines: Sequence[Line]) -> float:
    """The mean score of the lines by length of text; 0.0 where there were marks but no text."""
    weight = sum(len(line.text) for line in lines)
    return sum(line.score * len(line.text) for line in lines) / weight if weight else 0.0
