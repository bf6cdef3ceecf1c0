"""Measures the ranges of activations that int8 arithmetic needs, on rendered text.

    python -m benchmarks.calibrate

writes `worker/engine/int8_ranges.json`. To be run when the weights of the rapidocr wheel change; the
result depends on nothing but the weights and the seeds.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from benchmarks.rendered import line, page
from worker.engine.network import end_in
from worker.engine.quantise import quantisable
from worker.engine.recognise import fitted
from worker.engine.weights import DETECTOR, RECOGNISER, weights

_LINES, _PAGES = 200, 24
_QUANTILE = 0.9  # over images, of the extreme of each: a single odd image does not widen the range
_OUT = Path(__file__).parents[1] / "worker" / "engine" / "int8_ranges.json"


def measure(name: str, images: list[np.ndarray]) -> dict[str, tuple[float, float]]:
    """Range at the input of each convolution that sees an image (not a single pooled value)."""
    import openvino
    from openvino import opset13 as op
    from openvino.preprocess import PrePostProcessor

    from worker.engine.detect import accept_pixels

    core = openvino.Core()
    model = core.read_model(weights(name).path)
    names, taps = [], []
    for node, _ in quantisable(model):
        names.append(node.get_friendly_name())
        source = node.input_value(0)
        axes = np.array([0, 1, 2, 3])
        taps += [op.reduce_min(source, axes, False).output(0), op.reduce_max(source, axes, False).output(0)]
        taps.append(op.shape_of(source).output(0))
    end_in(model, taps)
    steps = PrePostProcessor(model)
    accept_pixels(steps)
    compiled = core.compile_model(steps.build(), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    extremes = np.empty((len(images), len(names), 2))
    pooled = np.zeros(len(names), bool)
    for row, image in enumerate(images):
        results = compiled({0: image[None]})
        for column in range(len(names)):
            low, high, shape = (results[3 * column + index] for index in range(3))
            extremes[row, column] = float(low), float(high)
            pooled[column] = tuple(shape[2:]) == (1, 1)
    ranges = {}
    for column, name_ in enumerate(names):
        if not pooled[column]:
            low = float(np.quantile(extremes[:, column, 0], 1 - _QUANTILE))
            high = float(np.quantile(extremes[:, column, 1], _QUANTILE))
            ranges[name_] = _with_exact_zero(low, high)
    return ranges


def _with_exact_zero(low: float, high: float) -> tuple[float, float]:
    """The range moved a little so that 0.0 is one of its 256 steps: padding must stay padding."""
    low, high = min(low, 0.0), max(high, 1e-6)
    step = (high - low) / 255
    zero = round(-low / step)
    return round(-zero * step, 6), round((255 - zero) * step, 6)


def main() -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.calibrate", description=__doc__.split("\n")[0]).parse_args()
    lines = [fitted(line(seed))[0] for seed in range(_LINES)]
    pages = [page(seed) for seed in range(_PAGES)]
    networks = {
        weights(RECOGNISER).sha256: measure(RECOGNISER, lines),
        weights(DETECTOR).sha256: measure(DETECTOR, pages),
    }
    text = json.dumps({"made_by": "benchmarks/calibrate.py", "networks": networks}, indent=1)
    _OUT.write_text(text + "\n")
    print(f"{_OUT.name}: {', '.join(str(len(ranges)) for ranges in networks.values())} convolutions")


if __name__ == "__main__":
    main()
