"""The encoder's network: SAM, the 16-fold compressor, the second encoder, the projector.

The weights and most modules are those of transformers' native classes; SAM's attention is computed here (`sam`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.engine.deepseek.sam import SamNetwork

if TYPE_CHECKING:
    import torch

    from worker.engine.deepseek.load import LoadedModel


class VisionNetwork:
    """Callable: uint8 views (B, S, S, 3) on the host to content tokens (B, (S / 64)^2, D) on the device.

    For DeepSeek-OCR and Unlimited-OCR a token is the projection of CLIP's output beside SAM's map; for DeepSeek-OCR 2
    it is what learned queries find in SAM's map. Call it under `torch.inference_mode()`.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        inner: Any = loaded.model.model
        self._tower = inner.vision_tower
        self._projector = inner.multi_modal_projector
        self._sam = SamNetwork(self._tower.sam_encoder)
        self._device = loaded.device
        self._queries = not hasattr(inner, "image_newline")

    def __call__(self, views: torch.Tensor) -> torch.Tensor:
        import torch

        pixels = views.to(self._device, non_blocking=True)
        dtype = self._projector.weight.dtype
        # 2 * value / 255 - 1, in float32 as the reference does it, whatever the weights' type is.
        pixels = (pixels.to(torch.float32) / 255 - 0.5) / 0.5
        found = self._sam(pixels.permute(0, 3, 1, 2).to(dtype))  # (B, C, s, s)
        if self._queries:
            return self._projector(self._queried(found))
        clip = self._tower.vision_encoder(found).last_hidden_state[:, 1:]
        return self._projector(torch.cat([clip, found.flatten(2).transpose(1, 2)], dim=-1))

    def _queried(self, found: torch.Tensor) -> torch.Tensor:
        """DeepSeek-OCR 2: the map's tokens see each other; as many learned queries see them, one after the other."""
        import torch

        patches = found.flatten(2).transpose(1, 2)
        count = patches.shape[1]
        tower = self._tower
        queries = tower.query_768_resolution if count == tower.query_768_resolution.num_embeddings else None
        queries = tower.query_1024_resolution if queries is None else queries
        both = torch.cat([patches, queries.weight.expand(len(patches), -1, -1)], dim=1)
        return tower.vision_encoder(inputs_embeds=both, num_patches=count).last_hidden_state[:, count:]
