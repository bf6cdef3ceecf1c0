"""Two parts of the network computed in another way, with the same result, for training on a GPU.

* `folded_layer`: SAM's attention over a whole page adds a bias for each pair of patches, (heads, n, n) numbers to be
  written and read for each page and layer, and rules out fused attention. The bias is a sum of two inner products, with
  the query's row and column table; written behind query and key (as one-hot vectors there) it becomes part of the
  usual product.
* `every_expert`: all experts for all tokens as two batched products, weighted with 0 where the router did not choose
  them. For eight small experts that is faster than picking tokens apart, and its shapes do not depend on the data.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def folded_layer(layer: Any, hidden: Tensor) -> Tensor:
    """A SAM layer without windows: (B, H, W, C) to the same."""
    hidden = hidden + _folded_attention(layer.attn, layer.layer_norm1(hidden))
    return hidden + layer.mlp(layer.layer_norm2(hidden))


def _folded_attention(attention: Any, hidden: Tensor) -> Tensor:
    count, height, width, _ = hidden.shape
    heads = attention.num_attention_heads
    qkv = attention.qkv(hidden).unflatten(-1, (3, heads, -1)).permute(3, 0, 4, 1, 2, 5)  # (3, B, heads, H, W, d)
    query, key, value = qkv
    rows = attention.get_rel_pos(height, height, attention.rel_pos_h)  # (H, H, d)
    columns = attention.get_rel_pos(width, width, attention.rel_pos_w)
    by_row = torch.einsum("bnhwd,hkd->bnhwk", query, rows)
    by_column = torch.einsum("bnhwd,wkd->bnhwk", query, columns)
    query = torch.cat([query * attention.scale, by_row, by_column], dim=-1).flatten(2, 3)
    place = torch.cat(
        [
            torch.eye(height, device=key.device, dtype=key.dtype)[:, None].expand(height, width, height),
            torch.eye(width, device=key.device, dtype=key.dtype)[None].expand(height, width, width),
        ],
        dim=-1,
    )
    key = torch.cat([key, place.expand(count, heads, -1, -1, -1)], dim=-1).flatten(2, 3)
    value = value.flatten(2, 3)
    spare = query.shape[-1] - value.shape[-1]  # fused attention wants equal widths
    seen = functional.scaled_dot_product_attention(query, key, functional.pad(value, (0, spare)), scale=1.0)
    seen = seen[..., : value.shape[-1]].transpose(1, 2).reshape(count, height, width, -1)
    return attention.proj(seen)


def every_expert(mlp: Any, normed: Tensor) -> Tensor:
    """A mixture-of-experts block: (B, T, D) to the same."""
    flat = normed.flatten(0, 1)
    logits, weights, chosen = mlp.gate(flat)
    share = torch.zeros(logits.shape, dtype=weights.dtype, device=weights.device).scatter(1, chosen, weights)  # (N, E)
    experts = mlp.experts
    gate, up = torch.einsum("nd,eid->eni", flat, experts.gate_up_proj).chunk(2, dim=-1)
    inner = experts.act_fn(gate) * up * share.t()[..., None].to(gate.dtype)
    mixed = torch.einsum("eni,edi->nd", inner, experts.down_proj)
    return mixed.view_as(normed) + mlp.shared_experts(normed)
