"""Tensors of the native class under the names of the original checkpoints, as `load_model` expects them in files.

The original keeps CLIP's query, key and value in one matrix and every expert apart; transformers does the opposite. The
way back is transformers' own conversion, which `worker.engine.deepseek.load` uses and refuses to do by halves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

_RULES = (
    (r"model\.vision_tower\.sam_encoder\.layers\.(\d+)\.layer_norm([12])", r"model.sam_model.blocks.\1.norm\2"),
    (r"model\.vision_tower\.sam_encoder\.layers\.", "model.sam_model.blocks."),
    (r"model\.vision_tower\.sam_encoder\.patch_embed\.projection", "model.sam_model.patch_embed.proj"),
    (r"model\.vision_tower\.sam_encoder\.neck\.conv1", "model.sam_model.neck.0"),
    (r"model\.vision_tower\.sam_encoder\.neck\.layer_norm1", "model.sam_model.neck.1"),
    (r"model\.vision_tower\.sam_encoder\.neck\.conv2", "model.sam_model.neck.2"),
    (r"model\.vision_tower\.sam_encoder\.neck\.layer_norm2", "model.sam_model.neck.3"),
    (r"model\.vision_tower\.sam_encoder\.proj\.conv1", "model.sam_model.net_2"),
    (r"model\.vision_tower\.sam_encoder\.proj\.conv2", "model.sam_model.net_3"),
    (r"model\.vision_tower\.sam_encoder\.", "model.sam_model."),
    (r"model\.vision_tower\.vision_encoder\.encoder\.layers\.", "model.vision_model.transformer.layers."),
    (r"model\.vision_tower\.vision_encoder\.", "model.vision_model."),
    (r"model\.multi_modal_projector\.", "model.projector.layers."),
    (r"model\.language_model\.", "model."),
    (r"model\.view_separator$", "model.view_seperator"),  # the original's spelling
)
_CLIP_QUERY = re.compile(r"(model\.vision_model\.transformer\.layers\.\d+\.self_attn)\.q_proj\.(weight|bias)$")
_CLIP_OTHER = re.compile(r"model\.vision_model\.transformer\.layers\.\d+\.self_attn\.[kv]_proj\.")
_EXPERTS = re.compile(r"(model\.layers\.\d+\.mlp\.experts)\.(gate_up_proj|down_proj)$")


def original(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A native state dict in the original layout. Tensors are contiguous copies on the CPU."""
    renamed = {_renamed(name): weight.detach().cpu() for name, weight in state.items()}
    made: dict[str, Tensor] = {}
    for name, weight in renamed.items():
        if match := _CLIP_QUERY.match(name):
            parts = [renamed[name.replace(".q_proj.", f".{letter}_proj.")] for letter in "qkv"]
            made[f"{match[1]}.qkv_proj.{match[2]}"] = torch.cat(parts)
        elif match := _EXPERTS.match(name):
            made |= _experts(match[1], match[2], weight)
        elif not _CLIP_OTHER.match(name):
            made[name] = weight
    return {name: weight.clone().contiguous() for name, weight in made.items()}


def _experts(prefix: str, which: str, weight: Tensor) -> dict[str, Tensor]:
    made = {}
    for number, one in enumerate(weight):
        if which == "down_proj":
            made[f"{prefix}.{number}.down_proj.weight"] = one
        else:
            gate, up = one.chunk(2)
            made[f"{prefix}.{number}.gate_proj.weight"] = gate
            made[f"{prefix}.{number}.up_proj.weight"] = up
    return made


def _renamed(name: str) -> str:
    for pattern, replacement in _RULES:
        name, count = re.subn(f"^{pattern}", replacement, name)
        if count:
            return name
    return name
