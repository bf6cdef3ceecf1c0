"""Where the lines of text are: the PP-OCRv6 detector (differentiable binarisation).

`Detector.find` takes a page of any size and returns slabs in its pixels. The network sees the page at a
bounded number of pixels, because its cost grows with them while the place of a line needs few.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from worker.engine.geometry import Slab, slab
from worker.engine.network import Network, end_in
from worker.engine.quantise import quantise, ranges_of
from worker.engine.weights import DETECTOR, weights

if TYPE_CHECKING:
    from openvino import Core, Model

_STRIDE = 32  # the network's coarsest feature map
_MARGIN = 16  # white around the page: letters that touch the edge are found too
_MIN_PROBABILITY = 0.3  # of a pixel; the three thresholds are the model's published post-processing
_MIN_SCORE = 0.5  # mean probability over a box
_UNCLIP = 1.6  # the network marks the core of a line; how far the box is grown again
_REDUCTION = 2  # pixels of the page that the network sees to one of its answer
_MIN_SIDE = 1.0  # of a core, in pixels of the answer; that of a lone figure is hardly more
_SMALL_PRINT = 11.5  # height of a line, in pixels that the network sees, below which it overlooks neighbours
_EASY_PRINT = 16.0  # height that it finds reliably
_LINE_SHAPE = 4.0  # a line is at least so many times as long as high; shorter things may be specks
_PIXEL_BUDGET = 1_000_000
_MAX_GAIN = 3.0  # times the pixel budget for small print


class Detector:
    """Thread-safe. The network sees `_PIXEL_BUDGET` pixels at first; a page with small print is looked at again more
    closely, at up to `_MAX_GAIN` times as many.
    """

    def __init__(self, core: Core, streams: int, cache_dir: Path | None) -> None:
        from openvino.preprocess import PrePostProcessor

        found = weights(DETECTOR)
        model = core.read_model(found.path)
        _halve_output(model)
        quantise(model, ranges_of(found.sha256))
        steps = PrePostProcessor(model)
        accept_pixels(steps)
        self._network = Network(core, steps.build(), streams, cache_dir)

    def find(self, pixels: np.ndarray) -> list[Slab]:
        """Text on `pixels` (height, width, 3), in no particular order."""
        height, width = pixels.shape[:2]
        scale = min(1.0, math.sqrt(_PIXEL_BUDGET / (width * height)))
        found = self._look(pixels, scale)
        heights = [
            scale * min(item.width, item.height)
            for item in found
            if max(item.width, item.height) > _LINE_SHAPE * min(item.width, item.height)
        ]
        if scale < 1.0 and heights and min(heights) < _SMALL_PRINT:
            # What was found tells how small the print is; what was not found is next to it.
            gain = min(_EASY_PRINT / min(heights), math.sqrt(_MAX_GAIN))
            found = self._look(pixels, min(1.0, scale * gain))
        return found

    def _look(self, pixels: np.ndarray, scale: float) -> list[Slab]:
        height, width = pixels.shape[:2]
        seen_width, seen_height = max(1, round(width * scale)), max(1, round(height * scale))
        seen = pixels
        if (seen_width, seen_height) != (width, height):
            seen = cv2.resize(pixels, (seen_width, seen_height), interpolation=cv2.INTER_AREA)
        right = -(seen_width + 2 * _MARGIN) % _STRIDE + _MARGIN
        bottom = -(seen_height + 2 * _MARGIN) % _STRIDE + _MARGIN
        seen = cv2.copyMakeBorder(seen, _MARGIN, bottom, _MARGIN, right, cv2.BORDER_REPLICATE)
        probability = self._network.run(seen[None])[0][0, 0]
        found = []
        for core in _cores(probability):
            x = (core.x * _REDUCTION - _MARGIN) * width / seen_width
            y = (core.y * _REDUCTION - _MARGIN) * height / seen_height
            grown = _UNCLIP * core.width * core.height / (core.width + core.height)
            factor = _REDUCTION * width / seen_width
            size = ((core.width + grown) * factor, (core.height + grown) * factor)
            found.append(slab((x, y), size, core.angle, core.score))
        return found

    def release(self) -> None:
        """Give back memory that only work needs."""
        self._network.release()


def _cores(probability: np.ndarray) -> list[Slab]:
    """Rectangles around the connected pieces of a probability map."""
    mask = (probability > _MIN_PROBABILITY).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cores = []
    for contour in contours:
        centre, size, angle = cv2.minAreaRect(contour)
        if min(size) < _MIN_SIDE:
            continue
        score = _mean_inside(probability, contour)
        if score >= _MIN_SCORE:
            cores.append(slab(centre, size, angle, score))
    return cores


def _halve_output(model: Model) -> None:
    """End the network one step early, at half the resolution of its input.

    Its last layer doubles the resolution with one 2x2 kernel, whose four values lie close together; their
    mean at the half resolution places a line as well, and saves the most expensive activations.
    """
    from openvino import opset13 as op

    sigmoid = model.output(0).get_node().input_value(0).get_node()
    node = sigmoid
    while node.get_type_name() != "ConvolutionBackpropData":
        node = node.input_value(0).get_node()
        if node.get_type_name() == "Add":
            bias = node.input_value(1)
    kernel = node.input_value(1).get_node()
    while kernel.get_type_name() == "Identity":
        kernel = kernel.input_value(0).get_node()
    mean = np.asarray(kernel.data, dtype=np.float32).mean(axis=(2, 3), keepdims=True)  # (24, 1, 1, 1)
    logits = op.convolution(
        node.input_value(0), op.constant(mean.transpose(1, 0, 2, 3)), [1, 1], [0, 0], [0, 0], [1, 1]
    )
    end_in(model, [op.sigmoid(op.add(logits, bias)).output(0)])


def _mean_inside(probability: np.ndarray, contour: np.ndarray) -> float:
    x, y, width, height = cv2.boundingRect(contour)
    inside = np.zeros((height, width), np.uint8)
    cv2.fillPoly(inside, [contour - (x, y)], 1)
    return cv2.mean(probability[y : y + height, x : x + width], inside)[0]


def accept_pixels(steps: object) -> None:
    """Let a network that wants normalised float planes take `(1, height, width, 3)` uint8 in RGB."""
    from openvino import Layout, Type
    from openvino.preprocess import ColorFormat

    source = steps.input()
    source.tensor().set_element_type(Type.u8).set_layout(Layout("NHWC")).set_color_format(ColorFormat.RGB)
    source.model().set_layout(Layout("NCHW"))
    source.preprocess().convert_color(ColorFormat.BGR).convert_element_type(Type.f32).mean(127.5).scale(127.5)
