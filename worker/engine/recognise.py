"""What a line says: the PP-OCRv6 recogniser and its CTC decoding.

`Recogniser.read` takes crops of level lines and returns, for each, its characters with the place of each
along the crop. Lines run through the network one by one at their own width: on a CPU a batch is no faster
than its members, and padding is wasted work.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from worker.engine.detect import accept_pixels
from worker.engine.network import Network
from worker.engine.weights import RECOGNISER, alphabet, weights

if TYPE_CHECKING:
    from openvino import Core, Model

HEIGHT = 48  # of a crop as the network sees it
_WIDTH_STEP = 32  # widths are rounded up to this, so that few different shapes occur
_MIN_WIDTH = 32
MAX_WIDTH = 3200  # the widest line the network was trained on
_GREY = 127  # padding: zero after normalisation


@dataclass(frozen=True, slots=True)
class Recognised:
    """A line's text. `places[i]` is the centre of `text[i]` as a fraction of the crop's width; `score` is the
    mean probability of its characters (0.0 where there is none)."""

    text: str
    places: tuple[float, ...]
    score: float


NOTHING = Recognised("", (), 0.0)


class Recogniser:
    """Thread-safe."""

    def __init__(self, core: Core, streams: int, cache_dir: Path | None) -> None:
        from openvino.preprocess import PrePostProcessor

        path = weights(RECOGNISER).path
        self._alphabet = [_plain(character) for character in alphabet(path)]
        model = core.read_model(path)
        _end_in_best_class(model)
        steps = PrePostProcessor(model)
        accept_pixels(steps)
        self._network = Network(core, steps.build(), streams, cache_dir)

    def read(self, crops: Sequence[np.ndarray]) -> list[Recognised]:
        """Read level lines `(height, width, 3)` uint8, each upright."""
        return [self._read(crop) for crop in crops]

    def _read(self, crop: np.ndarray) -> Recognised:
        height, width = crop.shape[:2]
        if height < 2 or width < 2:
            return NOTHING
        inner = min(MAX_WIDTH, max(8, math.ceil(width * HEIGHT / height)))
        outer = max(_MIN_WIDTH, -(-inner // _WIDTH_STEP) * _WIDTH_STEP)
        canvas = np.full((1, HEIGHT, outer, 3), _GREY, np.uint8)
        shrinking = cv2.INTER_AREA if height > HEIGHT else cv2.INTER_LINEAR
        canvas[0, :, :inner] = cv2.resize(crop, (inner, HEIGHT), interpolation=shrinking)
        classes, probabilities = self._network.run(canvas)
        return self._decode(classes.reshape(-1), probabilities.reshape(-1), outer / inner)

    def _decode(self, classes: np.ndarray, probabilities: np.ndarray, stretch: float) -> Recognised:
        """Greedy CTC: repeated classes are one character, blanks none. `classes`, `probabilities`: (steps,)."""
        steps = len(classes)
        starts = np.flatnonzero(np.diff(classes, prepend=-1))
        ends = np.append(starts[1:], steps)
        text: list[str] = []
        places: list[float] = []
        scores: list[float] = []
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            character = self._alphabet[classes[start]]
            if not character:
                continue
            place = min(1.0, (start + end) / 2 / steps * stretch)
            text.append(character)
            places.extend([place] * len(character))
            scores.append(float(probabilities[start:end].max()))
        if not text:
            return NOTHING
        return Recognised("".join(text), tuple(places), sum(scores) / len(scores))


def _plain(character: str) -> str:
    """Full-width forms and wide spaces as the ASCII that a person would type; ligatures in letters."""
    if character == "\u3000":
        return " "
    if "\uff01" <= character <= "\uff5e" or "\ufb00" <= character <= "\ufb06":
        return unicodedata.normalize("NFKC", character)
    return character


def _end_in_best_class(model: Model) -> None:
    """Let the network answer with the best class of each step and its probability: `(batch, steps)` each,
    instead of 18,710 probabilities a step."""
    from openvino import opset13 as op

    probabilities = model.output(0).get_node().input_value(0)
    best = op.topk(probabilities, np.int32(1), axis=2, mode="max", sort="none", index_element_type="i32")
    results = [op.result(best.output(1)), op.result(best.output(0))]
    old = model.get_results()
    model.add_results(results)
    for result in old:
        model.remove_result(result)
    model.validate_nodes_and_infer_types()
