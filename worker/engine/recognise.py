"""What a line says: the PP-OCRv6 recogniser and its CTC decoding.

`Recogniser.read` takes crops of level lines and returns, for each, its characters with the place of each
along the crop. Lines run through the network one by one at their own width: on a CPU a batch is no faster
than its members, and padding is wasted work. A third of that work would be judging each step against 18,710
characters, of which Latin pages use a hundred: the network judges the common ones, and only steps that
none of these fits are judged against all.
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
from worker.engine.network import Network, end_in
from worker.engine.quantise import quantise, ranges_of
from worker.engine.weights import RECOGNISER, alphabet, weights

if TYPE_CHECKING:
    from openvino import Core, Model, Node, Output

HEIGHT = 48  # of what the network sees
# Of the line in it. A fifth smaller than it would fit, and so a fifth less to compute: measured on scans this
# costs no letter, and 0.7 of the height hardly any.
TYPE_HEIGHT = 38
_WIDTH_STEP = 32  # widths are rounded up to this, so that few different shapes occur
_MIN_WIDTH = 32
MAX_WIDTH = 3200  # the widest line the network was trained on
_GREY = 127  # padding: zero after normalisation
_FIRST_HAN = 0x2E80  # Unicode: what lies below are alphabets and signs
# Below this logit of the best common class a step is judged over the whole alphabet. Measured: a common
# character has 22 in the median and 99 % have more than 14; under a Chinese one none exceeds 11.5.
_SURE_LOGIT = 12.5


@dataclass(frozen=True, slots=True)
class Recognised:
    """A line's text. `places[i]` is the centre of `text[i]` as a fraction of the crop's width; `score` is the
    mean probability of its characters (0.0 where there is none).
    """

    text: str
    places: tuple[float, ...]
    score: float


NOTHING = Recognised("", (), 0.0)


def fitted(crop: np.ndarray) -> tuple[np.ndarray, float]:
    """`crop` on the network's canvas `(HEIGHT, width, 3)`, and the share of that width that it takes."""
    height, width = crop.shape[:2]
    inner = min(MAX_WIDTH, max(8, math.ceil(width * TYPE_HEIGHT / height)))
    outer = max(_MIN_WIDTH, -(-inner // _WIDTH_STEP) * _WIDTH_STEP)
    shrinking = cv2.INTER_AREA if height > TYPE_HEIGHT else cv2.INTER_LINEAR
    canvas = np.full((HEIGHT, outer, 3), _GREY, np.uint8)
    line = cv2.resize(crop, (inner, TYPE_HEIGHT), interpolation=shrinking)
    above = (HEIGHT - TYPE_HEIGHT) // 2
    below = HEIGHT - TYPE_HEIGHT - above
    canvas[:, :inner] = cv2.copyMakeBorder(line, above, below, 0, 0, cv2.BORDER_REPLICATE)
    return canvas, inner / outer


class Recogniser:
    """Thread-safe."""

    def __init__(self, core: Core, streams: int, cache_dir: Path | None) -> None:
        from openvino.preprocess import PrePostProcessor

        found = weights(RECOGNISER)
        characters = alphabet(found.path)
        self._alphabet = [_plain(character) for character in characters]
        self._letters = frozenset("".join(self._alphabet))
        self._common = np.array([index for index, text in enumerate(characters) if _is_common(text)])
        model = core.read_model(found.path)
        self._head = Network(core, _narrow_head(model, self._common), streams, cache_dir)
        quantise(model, ranges_of(found.sha256))
        steps = PrePostProcessor(model)
        accept_pixels(steps)
        self._network = Network(core, steps.build(), streams, cache_dir)

    def knows(self, text: str) -> bool:
        """Whether nine in ten letters of `text` are in the alphabet. Accents apart count as their letters."""
        letters = [character for character in unicodedata.normalize("NFC", text) if character.isalnum()]
        return 10 * sum(character in self._letters for character in letters) >= 9 * len(letters)

    def read(self, crops: Sequence[np.ndarray]) -> list[Recognised]:
        """Read level lines `(height, width, 3)` uint8, each upright."""
        canvases = [fitted(crop) if min(crop.shape[:2]) >= 2 else None for crop in crops]
        found = [NOTHING] * len(crops)
        # By width: the network prepares itself anew for each change of shape.
        widths = {index: canvas[0].shape[1] for index, canvas in enumerate(canvases) if canvas is not None}
        for index in sorted(widths, key=widths.__getitem__):
            found[index] = self._read(*canvases[index])
        return found

    def release(self) -> None:
        """Give back memory that only work needs."""
        self._network.release()
        self._head.release()

    def _read(self, canvas: np.ndarray, share: float) -> Recognised:
        classes, probabilities, logits, features = self._network.run(canvas[None])
        classes = self._common[classes.reshape(-1)]
        probabilities = probabilities.reshape(-1).copy()
        unsure = np.flatnonzero(logits.reshape(-1) < _SURE_LOGIT)
        if len(unsure):
            best, probability = self._head.run(np.ascontiguousarray(features[:, unsure]))
            classes[unsure], probabilities[unsure] = best.reshape(-1), probability.reshape(-1)
        return self._decode(classes, probabilities, share)

    def _decode(self, classes: np.ndarray, probabilities: np.ndarray, share: float) -> Recognised:
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
            place = min(1.0, (start + end) / 2 / steps / share)
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


def _is_common(character: str) -> bool:
    """Blank, space, Latin, Greek, digits, punctuation and signs; not the 16,000 of Chinese and Japanese."""
    return len(character) <= 1 and (not character or ord(character) < _FIRST_HAN)


def _narrow_head(model: Model, common: np.ndarray) -> Model:
    """Let the network judge only the classes `common`; gives back the head that judges all of them.

    The network's outputs then are, for each of the steps: the best of the common classes (its index in
    `common`), its probability among them, its logit, and the features `(1, steps, 120)` that a head judges.
    The head's, for such features: the best class and its probability.
    """
    from openvino import Model, Type
    from openvino import opset13 as op

    softmax = model.output(0).get_node().input_value(0).get_node()
    add = _through_identities(softmax)
    bias = _constant(add, 1)
    matmul = _through_identities(add)
    weight = _constant(matmul, 1)  # (120, classes)
    features = matmul.input_value(0)

    def judge(features: Output, classes: np.ndarray | slice) -> tuple[Node, Node]:
        product = op.matmul(features, op.constant(np.ascontiguousarray(weight[:, classes])), False, False)
        logits = op.add(product, op.constant(bias[classes]))
        shares = op.softmax(logits, 2)
        return logits, op.topk(shares, np.int32(1), axis=2, mode="max", sort="none", index_element_type="i32")

    logits, best = judge(features, common)
    peak = op.reduce_max(logits, np.array([2]), False)
    end_in(model, [best.output(1), best.output(0), peak.output(0), features])
    given = op.parameter([1, -1, weight.shape[0]], Type.f32)
    _, best = judge(given.output(0), slice(None))
    return Model([op.result(best.output(1)), op.result(best.output(0))], [given], "head")


def _through_identities(node: Node) -> Node:
    """The operation that feeds `node`."""
    source = node.input_value(0).get_node()
    while source.get_type_name() == "Identity":
        source = source.input_value(0).get_node()
    return source


def _constant(node: Node, index: int) -> np.ndarray:
    source = node.input_value(index).get_node()
    while source.get_type_name() == "Identity":
        source = source.input_value(0).get_node()
    return np.array(source.data, dtype=np.float32)
