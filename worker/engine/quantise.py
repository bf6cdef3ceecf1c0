"""int8 arithmetic for the convolutions of a network, from ranges measured beforehand.

A CPU with VNNI multiplies bytes three to four times as fast as floats. Weights get one scale for each
output channel; activations one range for each convolution, which `benchmarks/calibrate.py` measured on
rendered text and wrote to `int8_ranges.json`, under the sha256 of the weights it belongs to. Weights
that the file does not know stay in f32.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from openvino import Model, Node

_MIN_CHANNELS = 16  # fewer input channels: the colour stem, where bytes gain nothing and cost accuracy

Ranges = Mapping[str, tuple[float, float]]


@cache
def ranges_of(sha256: str) -> Ranges:
    """Ranges (lowest, highest value at the input) by the name of the operation; empty for unknown weights."""
    file = resources.files(__package__).joinpath("int8_ranges.json")
    return json.loads(file.read_text())["networks"].get(sha256, {})


def quantisable(model: Model) -> list[tuple[Node, np.ndarray]]:
    """The operations that gain from bytes, with their weights `(outputs, inputs, ...)` in f32."""
    found = []
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Convolution":
            continue
        source = node.input_value(1).get_node()
        while source.get_type_name() == "Identity":
            source = source.input_value(0).get_node()
        if source.get_type_name() == "Constant" and source.get_output_shape(0)[1] >= _MIN_CHANNELS:
            found.append((node, np.asarray(source.data, dtype=np.float32)))
    return found


def quantise(model: Model, ranges: Ranges) -> int:
    """Mark the operations that `ranges` knows for int8. Returns how many."""
    from openvino import opset13 as op

    marked = 0
    for node, weight in quantisable(model):
        if node.get_friendly_name() not in ranges:
            continue
        low, high = ranges[node.get_friendly_name()]
        activations = op.fake_quantize(
            node.input_value(0), *(np.float32(bound) for bound in (low, high, low, high)), levels=256
        )
        peak = np.abs(weight).reshape(len(weight), -1).max(axis=1).reshape(-1, *[1] * (weight.ndim - 1))
        peak = np.maximum(peak, 1e-9).astype(np.float32)
        weights = op.fake_quantize(op.constant(weight), -peak, peak, -peak, peak, levels=255)
        node.input(0).replace_source_output(activations.output(0))
        node.input(1).replace_source_output(weights.output(0))
        marked += 1
    model.validate_nodes_and_infer_types()
    return marked
