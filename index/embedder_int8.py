"""Eight-bit products for a converted embedding model, on processors that have them.

The weights of linear layers become int8 with one scale for `GROUP` of an output's inputs, and OpenVINO makes int8 of
what meets them, with one scale for `GROUP` numbers of a token, so that other texts of a batch change nothing. All else
stays float32: attention, norms, embeddings, and the layers that make attention's values, which cost little and do half
of the harm. On two cores this takes 0.5 to 0.6 of float32's time, at a cosine of .9997 to it, of .999 for single words
(docs/lab.md).

Done when a graph is loaded and not when it is converted: the file stays good for every machine.
"""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

GROUP = 64

MIN_COSINE = 0.99
"""A model whose vectors differ more than this from torch's, on the samples of the conversion, stays float32."""

PROPERTIES = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": str(GROUP)}

_CPUINFO = Path("/proc/cpuinfo")
_INSTRUCTIONS = {"avx512_vnni", "avx_vnni"}
_ATTENTION_VALUES = 2  # the third input of ScaledDotProductAttention
_OF_TOKENS = 3
"""Dimensions of what a layer that sees every token multiplies: (texts, tokens, numbers). Layers that see one vector for
a text, such as the judge's head, cost nothing, and in int8 OpenVINO 2026.4 computed noise for them in every third load.
"""
_SHAPING = {"Reshape", "Transpose", "Add", "Unsqueeze", "Squeeze"}


@cache
def pays() -> bool:
    """Whether this processor multiplies int8 natively. Without that, or where it cannot be seen, float32 is as fast."""
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return False
    try:
        cpu = _CPUINFO.read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    flags = next((line for line in cpu.splitlines() if line.startswith("flags")), "")
    return not _INSTRUCTIONS.isdisjoint(flags.split())


def quantise(model: Any) -> int:
    """Replace the weights of an `openvino.Model`'s linear layers in place; returns of how many."""
    operations = model.get_ordered_ops()
    exact = {_values_of(node) for node in operations if node.get_type_name() == "ScaledDotProductAttention"}
    replaced = 0
    for node in operations:
        weights = _weights_of(node)
        if weights is not None and node.get_friendly_name() not in exact:
            node.input(1).replace_source_output(_narrow(weights))
            replaced += 1
    return replaced


def _weights_of(node: Any) -> np.ndarray | None:
    """float32 `(outputs, inputs)` of a linear layer over tokens; None for any other operation."""
    if node.get_type_name() != "MatMul" or not node.get_attributes()["transpose_b"]:
        return None
    if len(node.input(0).get_partial_shape()) < _OF_TOKENS:
        return None
    source = node.input(1).get_source_output().get_node()
    if source.get_type_name() != "Constant":
        return None
    weights = source.get_data()
    return weights if weights.ndim == 2 and weights.dtype == np.float32 else None


def _values_of(attention: Any) -> str | None:
    """The name of the linear layer that makes an attention's values, where there is one of its own."""
    node = attention.input(_ATTENTION_VALUES).get_source_output().get_node()
    while node.get_type_name() in _SHAPING:
        node = node.input(0).get_source_output().get_node()
    return node.get_friendly_name() if node.get_type_name() == "MatMul" else None


def _narrow(weights: np.ndarray) -> Any:
    """An output that is the weights, as int8 times their scales: a pattern that OpenVINO computes with as it is."""
    from openvino import opset13 as ops

    outputs, inputs = weights.shape
    group = GROUP if inputs % GROUP == 0 else inputs
    grouped = weights.reshape(outputs, inputs // group, group)
    scales = np.maximum(np.abs(grouped).max(axis=2, keepdims=True), np.finfo(np.float32).tiny) / 127
    whole = ops.constant(np.round(grouped / scales).astype(np.int8), dtype=np.int8)
    near = ops.multiply(ops.convert(whole, "f32"), ops.constant(scales))
    return ops.reshape(near, ops.constant(np.array(weights.shape, np.int64)), False).output(0)
