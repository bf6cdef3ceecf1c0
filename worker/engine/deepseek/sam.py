"""SAM's image encoder over the native modules' weights, with its attention computed so that no bias map is stored.

SAM adds to each attention score a term for the row distance and one for the column distance (decomposed relative
positions, arXiv 2112.01526). The native class writes them out as a map of (heads, tokens, tokens), 403 MB per image and
layer at 1024 pixels, and adds it in a separate pass. Two exact ways around it are used here:

* On a GPU the terms are folded into the product: `q' = [q * s, rows(q), columns(q)]`, `k' = [k, 1(row), 1(column)]`
  with one-hot vectors, so that `q' . k'` is the whole score and a fused attention without mask does the rest.
* On a CPU the scores of a few rows of queries at a time are made, completed and used while they are in the cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_BLOCK = 64  # queries at a time on a CPU: their scores, 12 heads x 64 x 4096, stay near the cache


class SamNetwork:
    """Callable: pixels (B, 3, S, S) to the compressed map (B, C, S / 64, S / 64), as the native encoder gives it."""

    def __init__(self, native: Any) -> None:
        self._native = native

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        native = self._native
        hidden = native.patch_embed(pixels)  # (B, H, W, C)
        if native.pos_embed is not None:
            hidden = hidden + native.interpolate_pos_encoding(hidden.shape[1], hidden.shape[2])
        for layer in native.layers:
            normed = layer.layer_norm1(hidden)
            if layer.window_size:
                height, width = normed.shape[1:3]
                windows, padded = layer.window_partition(normed, layer.window_size)
                seen = layer.window_unpartition(attend(layer.attn, windows), layer.window_size, padded, (height, width))
            else:
                seen = attend(layer.attn, normed)
            hidden = hidden + seen
            hidden = hidden + layer.mlp(layer.layer_norm2(hidden))
        return native.proj(native.neck(hidden))


def attend(module: Any, hidden: torch.Tensor) -> torch.Tensor:
    """The native attention module's result for (B, H, W, C), to within rounding."""
    batch, height, width, channels = hidden.shape
    heads = module.num_attention_heads
    qkv = module.qkv(hidden).reshape(batch, height * width, 3, heads, channels // heads).permute(2, 0, 3, 1, 4)
    q, k, v = qkv.unbind(0)  # (B, h, N, c)
    if not module.use_rel_pos:
        import torch

        seen = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    else:
        rows, columns = _relative(module, q, height, width)
        scores = folded if hidden.is_cuda or height * width <= _BLOCK * 4 else blocked
        seen = scores(q * module.scale, k, v, rows, columns)
    return module.proj(seen.transpose(1, 2).reshape(batch, height, width, channels))


def _relative(module: Any, q: torch.Tensor, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What each query adds to the score of each row, (B, h, N, H), and of each column, (B, h, N, W)."""
    import torch

    batch, heads, count, channels = q.shape
    grid = q.reshape(batch * heads, height, width, channels)
    by_row = module.get_rel_pos(height, height, module.rel_pos_h).to(q.dtype)  # (H, H, c)
    by_column = module.get_rel_pos(width, width, module.rel_pos_w).to(q.dtype)
    rows = torch.einsum("bhwc,hkc->bhwk", grid, by_row).reshape(batch, heads, count, height)
    columns = torch.einsum("bhwc,wkc->bhwk", grid, by_column).reshape(batch, heads, count, width)
    return rows, columns


def folded(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor
) -> torch.Tensor:
    """Attention with the relative terms as further channels of q and k; `q` is scaled. (B, h, N, c)"""
    import torch

    batch, heads, count, channels = k.shape
    height, width = rows.shape[-1], columns.shape[-1]
    row = torch.eye(height, dtype=k.dtype, device=k.device).repeat_interleave(width, 0)
    column = torch.eye(width, dtype=k.dtype, device=k.device).repeat(height, 1)
    places = torch.cat([row, column], dim=-1).expand(batch, heads, count, height + width)
    queries = torch.cat([q, rows, columns], dim=-1)
    keys = torch.cat([k, places], dim=-1)
    # Fused kernels want one width for all three and, on GPUs, a multiple of eight.
    pad = -queries.shape[-1] % 8
    queries, keys = (torch.nn.functional.pad(x, (0, pad)) for x in (queries, keys))
    values = torch.nn.functional.pad(v, (0, queries.shape[-1] - channels))
    seen = torch.nn.functional.scaled_dot_product_attention(queries, keys, values, scale=1.0)
    return seen[..., :channels]


def blocked(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor
) -> torch.Tensor:
    """The same, a block of queries at a time, for processors; in float32, in which they compute softmax best."""
    import torch

    kept = v.dtype
    q, k, v, rows, columns = (x.to(torch.float32) for x in (q, k, v, rows, columns))
    batch, heads, count, _ = k.shape
    height, width = rows.shape[-1], columns.shape[-1]
    q, k, v, rows, columns = (x.reshape(batch * heads, count, -1) for x in (q, k, v, rows, columns))
    keys = k.transpose(1, 2)
    seen = torch.empty_like(v)
    for start in range(0, count, _BLOCK):
        part = slice(start, start + _BLOCK)
        scores = torch.bmm(q[:, part], keys).view(batch * heads, -1, height, width)
        scores += rows[:, part, :, None]
        scores += columns[:, part, None, :]
        seen[:, part] = torch.softmax(scores.view(batch * heads, -1, count), dim=-1) @ v
    return seen.view(batch, heads, count, -1).to(kept)
