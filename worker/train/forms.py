"""Sizes of the small models, and the native class built in them.

The network is DeepSeek-OCR's own (transformers' `unlimited_ocr` with full attention everywhere), only narrower and
shallower. Initial weights are drawn by fan-in, which transformers' defaults are not: its SAM begins with 1e-10 and
relies on pretrained weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from index.errors import InvalidRequest
from worker.engine.deepseek.randoms import Dimensions

PATCH = 16


@dataclass(frozen=True, slots=True)
class Form:
    """`side` is the largest view in pixels, for which position embeddings are learned."""

    name: str
    side: int
    dimensions: Dimensions


# What one CPU core can train in hours: 256-pixel cards.
CARD = Form(
    "card",
    256,
    Dimensions(
        sam=128, sam_layers=4, sam_heads=4, sam_global=(1, 3), neck=128, down=(160, 256), down_2=(0, 0),
        clip_layers=2, clip_heads=4, clip_mlp=768, qwen_layers=0, qwen_head=0, qwen_kv_heads=0, qwen_mlp=0,
        hidden=256, layers=7, heads=4, dense=512, experts=8, chosen=2, shared=1, expert=128,
        vocabulary=272, positions=1024, window=8,
    ),
)  # fmt: skip
# What a GPU can train in half an hour: whole pages. Only two SAM layers see the whole page: at 1024 pixels each of them
# costs several windowed ones.
PAGE = Form(
    "page",
    1024,
    Dimensions(
        sam=224, sam_layers=5, sam_heads=4, sam_global=(2, 4), neck=128, down=(160, 256), down_2=(0, 0),
        clip_layers=2, clip_heads=4, clip_mlp=768, qwen_layers=0, qwen_head=0, qwen_kv_heads=0, qwen_mlp=0,
        hidden=320, layers=7, heads=10, dense=896, experts=8, chosen=2, shared=1, expert=128,
        vocabulary=1024, positions=4096, window=16,
    ),
)  # fmt: skip
# For tests: seconds on anything.
TINY = Form(
    "tiny",
    128,
    Dimensions(
        sam=32, sam_layers=2, sam_heads=2, sam_global=(1,), neck=16, down=(32, 64), down_2=(0, 0),
        clip_layers=1, clip_heads=2, clip_mlp=96, qwen_layers=0, qwen_head=0, qwen_kv_heads=0, qwen_mlp=0,
        hidden=64, layers=3, heads=2, dense=96, experts=4, chosen=2, shared=1, expert=32,
        vocabulary=320, positions=256, window=4,
    ),
)  # fmt: skip
FORMS = {form.name: form for form in (CARD, PAGE, TINY)}


def form_named(name: str) -> Form:
    if name not in FORMS:
        raise InvalidRequest(f"there is no form {name!r}: choose one of {', '.join(FORMS)}", code="unknown_form")
    return FORMS[name]


def configuration(form: Form) -> Any:
    """What `worker.engine.deepseek.configure` makes of the files that `store` writes for this form."""
    from transformers import UnlimitedOcrConfig

    size = form.dimensions
    grid = form.side // (4 * PATCH)
    return UnlimitedOcrConfig(
        text_config={
            "vocab_size": size.vocabulary, "hidden_size": size.hidden, "intermediate_size": size.dense,
            "num_hidden_layers": size.layers, "num_attention_heads": size.heads, "num_key_value_heads": size.heads,
            "max_position_embeddings": size.positions, "moe_intermediate_size": size.expert,
            "n_routed_experts": size.experts, "n_shared_experts": size.shared, "num_experts_per_tok": size.chosen,
            "layer_types": ["full_attention"] * size.layers, "sliding_window": size.positions,
            "bos_token_id": 0, "eos_token_id": 1,
        },
        vision_config={
            "sam_config": {
                "hidden_size": size.sam, "num_hidden_layers": size.sam_layers, "num_attention_heads": size.sam_heads,
                "mlp_dim": 4 * size.sam, "window_size": size.window, "global_attn_indexes": list(size.sam_global),
                "image_size": form.side, "patch_size": PATCH, "output_channels": size.neck,
                "downsample_channels": list(size.down),
            },
            "encoder_config": {
                "hidden_size": size.down[1], "intermediate_size": size.clip_mlp,
                "num_hidden_layers": size.clip_layers, "num_attention_heads": size.clip_heads,
                "patch_size": 14, "image_size": 14 * grid,
            },
        },
        image_token_id=size.vocabulary - 1,
    )  # fmt: skip


def new_model(form: Form, seed: int) -> Any:
    """An untrained model in float32."""
    from transformers import UnlimitedOcrForConditionalGeneration

    model = UnlimitedOcrForConditionalGeneration._from_config(configuration(form), attn_implementation="sdpa")
    generator = torch.Generator().manual_seed(seed)
    blocks = {"sam_encoder": form.dimensions.sam_layers, "vision_encoder": form.dimensions.clip_layers}
    with torch.no_grad():
        for name, weight in model.named_parameters():
            depth = next((count for part, count in blocks.items() if part in name), form.dimensions.layers)
            _initial(name, weight, depth, generator)
    return model


_RESIDUAL = ("attn.proj.", "mlp.lin2", "out_proj", "fc2", "o_proj", "down_proj")


def _initial(name: str, weight: nn.Parameter, depth: int, generator: torch.Generator) -> None:
    """Normal numbers by fan-in; what is added to a residual stream is smaller, the deeper the stack."""
    if "norm" in name:
        weight.fill_(0.0 if name.endswith("bias") else 1.0)
    elif name.endswith("bias") or "rel_pos" in name:
        weight.zero_()
    elif name.endswith(("pos_embed", "position_embedding.weight", "class_embedding")):
        weight.normal_(0, 0.1, generator=generator)
    elif name.endswith(("embed_tokens.weight", "view_separator", "image_newline")):
        weight.normal_(0, 0.5, generator=generator)
    elif name.endswith("mlp.gate.weight"):
        weight.normal_(0, 0.02, generator=generator)
    elif name.endswith("patch_embed.projection.weight"):
        weight.normal_(0, 3 * weight[0].numel() ** -0.5, generator=generator)  # ink is rare: see docs/lab.md
    else:
        fan_in = weight[0].numel() if weight.dim() in (2, 4) else weight.shape[-1]
        scale = fan_in**-0.5
        if any(part in name for part in _RESIDUAL):
            scale *= (2 * depth) ** -0.5
        weight.normal_(0, scale, generator=generator)
