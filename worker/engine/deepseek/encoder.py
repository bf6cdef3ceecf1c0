"""Page images to vision tokens: views of many pages in one batch, whatever their modes.

Views of equal size (whole pages, tiles of different pages) go through the network together, in batches bounded by
pixels. Pixels travel to the device as bytes and are normalised there. What comes back is float16, content tokens
only; a value beyond its range is an error, not an infinity.

Thread-safe: one batch runs at a time, preprocessing runs in the caller's thread.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from index.errors import InternalError, Unavailable
from index.types import VisionFormat, VisionTokens
from worker.engine.deepseek.faults import gone, is_gone
from worker.engine.deepseek.load import LoadedModel
from worker.engine.deepseek.modes import Mode
from worker.engine.deepseek.plan import is_out_of_memory
from worker.engine.deepseek.preprocess import Views, preprocess
from worker.engine.deepseek.vision import VisionNetwork

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

FLOAT16_MAX = 65504.0
_BATCH_PIXELS = {"cpu": 1 << 20, "cuda": 1 << 25}  # one Base page on a CPU, 32 on a GPU


class Encoder:
    """Encodes with a loaded model.

    `batch_pixels` bounds what goes through the network at once; it only ever shrinks, when the GPU is too small.
    """

    def __init__(self, loaded: LoadedModel, *, batch_pixels: int | None = None) -> None:
        self._loaded = loaded
        self._network = VisionNetwork(loaded)
        self._batch_pixels = batch_pixels or _BATCH_PIXELS[loaded.device.type]
        self._lock = threading.Lock()

    def encode(self, images: Sequence[Image], modes: Sequence[Mode]) -> list[VisionTokens]:
        """One result for each image, in order. Raises `Unavailable`: `gpu_memory` where not even one view fits,
        `gpu_failed` where the GPU computes nothing any more.
        """
        return self.encode_views([preprocess(image, mode) for image, mode in zip(images, modes, strict=True)], modes)

    def encode_views(self, views: Sequence[Views], modes: Sequence[Mode]) -> list[VisionTokens]:
        """The same for pages that are preprocessed already (in another process, for instance)."""
        jobs: defaultdict[int, list[tuple[int, int, np.ndarray]]] = defaultdict(list)
        for page, view in enumerate(views):
            jobs[view.page.shape[0]].append((page, -1, view.page))
            for number, tile in enumerate(view.tiles if view.tiles is not None else ()):
                jobs[tile.shape[0]].append((page, number, tile))
        done: dict[tuple[int, int], np.ndarray] = {}
        for group in jobs.values():
            features = self._run([pixels for _, _, pixels in group])
            done |= {(page, number): found for (page, number, _), found in zip(group, features, strict=True)}
        return [
            self._tokens(page, view, mode, done) for page, (view, mode) in enumerate(zip(views, modes, strict=True))
        ]

    def _tokens(self, page: int, view: Views, mode: Mode, done: dict[tuple[int, int], np.ndarray]) -> VisionTokens:
        form = VisionFormat(self._loaded.kind, self._loaded.revision, mode.name, view.grid, view.page_size)
        if view.tiles is None:
            return VisionTokens(form, done[page, -1])
        return VisionTokens(form, done[page, -1], np.concatenate([done[page, n] for n in range(len(view.tiles))]))

    def _run(self, pixels: list[np.ndarray]) -> list[np.ndarray]:
        """Views of one size, (S, S, 3) uint8 each, to content tokens, (n, D) float16 each."""
        import torch

        found: list[np.ndarray] = []
        with self._lock, torch.inference_mode():
            while len(found) < len(pixels):
                count = max(1, self._batch_pixels // (pixels[0].shape[0] * pixels[0].shape[1]))
                batch = np.stack(pixels[len(found) : len(found) + count])
                try:
                    features = self._network(torch.from_numpy(batch))
                    found += list(_half(features))
                except (RuntimeError, MemoryError) as error:
                    if is_gone(error, self._loaded.device):
                        raise gone(error) from error
                    if not is_out_of_memory(error):
                        raise
                    self._shrink(len(batch), batch[0].shape[0], error)
        return found

    def _shrink(self, count: int, side: int, error: Exception) -> None:
        import torch

        if self._loaded.device.type == "cuda":
            torch.cuda.empty_cache()
        if count == 1:
            raise Unavailable(
                f"{self._loaded.device} has not enough free memory for one page view of {side} pixels: stop other "
                "programs on it, or choose a coarser mode",
                code="gpu_memory",
            ) from error
        self._batch_pixels = (count // 2) * side * side


def _half(features: torch.Tensor) -> np.ndarray:
    """(B, n, D) to float16. Raises `InternalError` (`token_range`) for numbers that float16 cannot hold."""
    import torch

    largest = float(features.abs().amax())
    if not largest <= FLOAT16_MAX:  # also where it is no number
        raise InternalError(
            f"a vision token has the value {largest:g}, which float16 cannot hold: use float32 or bfloat16 weights "
            "from the publisher, these look damaged",
            code="token_range",
        )
    return features.to(torch.float16).cpu().numpy()
