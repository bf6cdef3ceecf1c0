"""OpenVINO on the CPU: one network, run by any number of threads, one core each.

Every call runs on a single core, because whole pages are read side by side: that wastes nothing on
waiting for the slowest thread of a layer. `streams` calls run at the same time; more wait their turn.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from openvino import Core, Model, Output


class Network:
    """A compiled model. `run` is thread-safe."""

    def __init__(self, core: Core, model: Model, streams: int, cache_dir: Path | None = None) -> None:
        config: dict[str, object] = {
            "INFERENCE_NUM_THREADS": streams,
            "NUM_STREAMS": streams,
            "ENABLE_CPU_PINNING": False,  # other processes of the machine would fight for the same core
            # bf16 and f16 are slower than f32 on CPUs without AMX (measured), and less exact.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        if cache_dir is not None:
            config["CACHE_DIR"] = str(cache_dir)
        self._compiled = core.compile_model(model, "CPU", config)
        self._local = threading.local()

    def run(self, batch: np.ndarray) -> list[np.ndarray]:
        """All outputs for one input. The arrays belong to the calling thread until its next `run`."""
        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._compiled.create_infer_request()
        results = request.infer({0: batch}, share_inputs=True, share_outputs=True)
        return [results[index] for index in range(len(results))]

    def release(self) -> None:
        """Give back the memory of intermediate results. Not while a `run` is going on."""
        self._compiled.release_memory()


def end_in(model: Model, outputs: Sequence[Output]) -> None:
    """Give `model` these outputs instead of its own."""
    from openvino import opset13 as op

    old = model.get_results()
    model.add_results([op.result(output) for output in outputs])
    for result in old:
        model.remove_result(result)
    model.validate_nodes_and_infer_types()
