"""The forward pass of training: the native modules, called so that the dense losses can see what is between them.

Five losses go beside the text's cross-entropy. All labels come from the renderer's own glyph boxes:

* patches: which characters stand in the four cells of a patch, from SAM's last layer;
* tokens: which characters stand in the 64 cells of a vision token, from the projector's output;
* pointer: some heads of the decoder's early layers should look, when a character is to be written, at the vision token
  that it stands in. Only the vision tokens compete, the rest of the sequence is left to the text's loss;
* place: column and row of that character on the page, from the hidden state after those layers;
* window: a vision token holds many characters, and attention brings all of it or nothing. Each head of the next layers
  has a window of its own in every token, and should look at the token only if the character stands in that
  window, at the sequence's first place otherwise. So what a head brings is about one character.

The first two teach to see, the next two order, which otherwise lags far behind, the last to pick. What they need beyond
the model lies in `Heads` and is thrown away at the end. Routing is kept even by the Switch loss (arXiv 2101.03961).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.train.dense import every_expert, folded_layer
from worker.train.forms import PATCH, Form
from worker.train.pages import CELL
from worker.train.text import ALPHABET

TOKEN = 4 * PATCH  # pixels
IGNORED = -100
_CLASSES = len(ALPHABET)
_PATCH_CELLS = (PATCH // CELL) ** 2
_TOKEN_CELLS = (TOKEN // CELL) ** 2
_BLANK_WEIGHT = 0.15  # nine in ten cells are blank


@dataclass(frozen=True, slots=True)
class Batch:
    """`pixels` (B, S, S) uint8. `prefix` (P,) ids before the text, B times the same: beginning, images, prompt.

    `inputs` (B, T) ids of the text as the decoder is given it, `labels` (B, T + 1) what it should write, the end
    included. `places` (B, T + 1, 2) float32 pixels, NaN where there is nothing to point at. `cells` (B, S/8, S/8).
    """

    pixels: Tensor
    prefix: Tensor
    inputs: Tensor
    labels: Tensor
    places: Tensor
    cells: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(getattr(self, name).to(device, non_blocking=True) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Losses:
    """Scalars, each a mean; the accuracies are shares of inked cells and of text tokens."""

    text: Tensor
    patches: Tensor
    tokens: Tensor
    pointer: Tensor
    place: Tensor
    window: Tensor
    balance: Tensor
    patch_accuracy: Tensor
    token_accuracy: Tensor
    text_accuracy: Tensor


class Heads(nn.Module):
    """What only training needs."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        size = form.dimensions
        self.patches = nn.Linear(size.sam, _PATCH_CELLS * _CLASSES)
        self.tokens = nn.Linear(size.hidden, _TOKEN_CELLS * _CLASSES)
        self.place = nn.Linear(size.hidden, 2 * (form.side // CELL))


class Trainee(nn.Module):
    """A native model with its training heads. `forward` gives the losses of a batch.

    `fused` takes other ways to the same numbers, which a GPU prefers (`dense`).
    """

    def __init__(self, form: Form, native: Any, *, fused: bool = False) -> None:
        super().__init__()
        self.fused = fused
        self.form = form
        self.native = native
        self.heads = Heads(form)
        layers = form.dimensions.layers
        # Looking comes before knowing the place, and what stands there is taken from the tokens after that.
        self._placing = (layers - 1) // 2
        self._pointing = range(1, self._placing + 1)
        self._picking = range(self._placing + 1, min(layers, self._placing + 3))
        self._grid = window_grid(form.dimensions.heads * len(self._picking))

    def forward(self, batch: Batch, *, reading: bool = True) -> Losses:
        """Without `reading` the decoder is left alone; its losses are 0 then."""
        patches, tokens = self.see(batch.pixels)
        patch = _cells_loss(self.heads.patches(patches), batch.cells, PATCH // CELL)
        token = _cells_loss(self.heads.tokens(tokens), batch.cells, TOKEN // CELL)
        text = pointer = place = window = balance = text_accuracy = tokens.new_zeros(())
        if reading:
            logits, pointer, place, window, balance = self._read(tokens, batch)
            known = batch.labels != IGNORED
            text = functional.cross_entropy(
                logits.float().flatten(0, 1), batch.labels.flatten(), ignore_index=IGNORED
            )  # fmt: skip
            text_accuracy = ((logits.argmax(-1) == batch.labels) & known).sum() / known.sum()
        return Losses(text, patch[0], token[0], pointer, place, window, balance, patch[1], token[1], text_accuracy)

    def see(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """SAM's patches (B, S/16, S/16, C) and the vision tokens (B, S/64, S/64, D) of grey pixels."""
        tower, projector = self.native.model.vision_tower, self.native.model.multi_modal_projector
        sam, clip = tower.sam_encoder, tower.vision_encoder
        grey = pixels[:, None].to(torch.float32) * (2 / 255) - 1
        hidden = sam.patch_embed(grey.expand(-1, 3, -1, -1))
        hidden = hidden + sam.interpolate_pos_encoding(hidden.shape[1], hidden.shape[2])
        for layer in sam.layers:
            hidden = folded_layer(layer, hidden) if self.fused and not layer.window_size else layer(hidden)
        compressed = sam.proj(sam.neck(hidden))  # (B, C, h, w)
        seen = clip(compressed).last_hidden_state[:, 1:]
        side = compressed.shape[-1]
        tokens = projector(torch.cat([seen, compressed.flatten(2).transpose(1, 2)], dim=-1))
        return hidden, tokens.unflatten(1, (side, side))

    def sequence(self, tokens: Tensor) -> Tensor:
        """Vision tokens (B, h, w, D) as the decoder sees them: a newline after each row, a separator at the end."""
        model = self.native.model
        count, rows, _, dim = tokens.shape
        newline = model.image_newline.to(tokens.dtype).expand(count, rows, 1, dim)
        flat = torch.cat([tokens, newline], dim=2).flatten(1, 2)
        return torch.cat([flat, model.view_separator.to(tokens.dtype).expand(count, 1, dim)], dim=1)

    def _read(self, tokens: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        decoder = self.native.model.language_model
        seen = self.sequence(tokens)  # (B, V, D)
        count, vision, _ = seen.shape
        embedded = decoder.embed_tokens(torch.cat([batch.prefix.expand(count, -1), batch.inputs], dim=1))
        hidden = torch.cat([embedded[:, :1], seen.to(embedded.dtype), embedded[:, 1 + vision :]], dim=1)
        first = len(batch.prefix) - 1  # the last place of the prefix writes the first token of the text
        positions = decoder.rotary_emb(hidden, position_ids=torch.arange(hidden.shape[1], device=hidden.device)[None])
        places, side = batch.places, tokens.shape[1]
        pointer = place = window = balance = hidden.new_zeros(())
        for number, layer in enumerate(decoder.layers):
            normed = layer.input_layernorm(hidden)
            if number in self._pointing:
                loss = _pointer_loss(layer.self_attn, normed, positions, places, first, side)
                pointer = pointer + loss / len(self._pointing)
            if number in self._picking:
                before = (number - self._picking[0]) * layer.self_attn.config.num_attention_heads
                window = window + _window_loss(
                    layer.self_attn, normed, positions, places, first, side, self._grid, before
                )
            hidden = hidden + layer.self_attn(normed, position_embeddings=positions, attention_mask=None)[0]
            normed = layer.post_attention_layernorm(hidden)
            if hasattr(layer.mlp, "gate"):
                balance = balance + _balance_loss(layer.mlp.gate, normed)
            sparse = self.fused and hasattr(layer.mlp, "gate")
            hidden = hidden + (every_expert(layer.mlp, normed) if sparse else layer.mlp(normed))
            if number == self._placing:
                place = _place_loss(self.heads.place(hidden[:, first:]), places)
        return self.native.lm_head(decoder.norm(hidden[:, first:])), pointer, place, window, balance


def _cells_loss(logits: Tensor, labels: Tensor, per_side: int) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the cells of each square of `per_side` x `per_side`, and the accuracy where there is ink."""
    count, rows, columns = logits.shape[:3]
    grouped = labels.unflatten(1, (rows, per_side)).unflatten(3, (columns, per_side))  # (B, h, p, w, p)
    wanted = grouped.transpose(2, 3).reshape(-1)
    flat = logits.reshape(count * rows * columns * per_side**2, _CLASSES)
    loss = functional.cross_entropy(flat.float(), wanted, reduction="none")
    inked = wanted > 0
    weight = torch.where(inked, 1.0, _BLANK_WEIGHT)
    right = (flat.argmax(-1) == wanted) & inked
    return (loss * weight).sum() / weight.sum(), right.sum() / inked.sum().clamp(min=1)


def _pointer_loss(
    attention: Any, normed: Tensor, positions: tuple[Tensor, Tensor], places: Tensor, first: int, side: int
) -> Tensor:
    """Half of the heads should look at the vision token that holds the character to be written next."""
    heads = max(1, attention.config.num_attention_heads // 2)
    scores = _scores(attention, normed, positions, first, range(1, 1 + side * (side + 1)), heads)
    inside, token, _ = _stands(places, side)
    wanted = torch.where(inside, token, IGNORED)[:, None].expand(-1, heads, -1)
    return functional.cross_entropy(scores.flatten(0, 2), wanted.flatten(), ignore_index=IGNORED)


def window_grid(heads: int) -> tuple[int, int]:
    """Rows and columns of windows in a token, at most one for each of `heads`: powers of two, at most 4 x 4."""
    rows = columns = 1
    while rows < 4 and 2 * rows * columns <= heads:
        rows *= 2
        if columns < 4 and 2 * rows * columns <= heads:
            columns *= 2
    return rows, columns


def _window_loss(
    attention: Any,
    normed: Tensor,
    positions: tuple[Tensor, Tensor],
    places: Tensor,
    first: int,
    side: int,
    grid: tuple[int, int],
    before: int,
) -> Tensor:
    """Head h should look at the token of the next character if that stands in its window, number `before` + h, else at
    the sequence's first place. The sum over the heads that have a window, of means over characters.
    """
    rows, columns = grid
    heads = min(attention.config.num_attention_heads, rows * columns - before)
    if heads <= 0:
        return normed.new_zeros(())
    scores = _scores(attention, normed, positions, first, range(1 + side * (side + 1)), heads)
    inside, token, within = _stands(places, side)
    window = (within[..., 1] * rows).long() * columns + (within[..., 0] * columns).long()  # (B, T + 1)
    own = window[:, None] == torch.arange(before, before + heads, device=window.device)[:, None]  # (B, heads, T + 1)
    wanted = torch.where(inside[:, None], torch.where(own, 1 + token[:, None], 0), IGNORED)
    return heads * functional.cross_entropy(scores.flatten(0, 2), wanted.flatten(), ignore_index=IGNORED)


def _scores(
    attention: Any, normed: Tensor, positions: tuple[Tensor, Tensor], first: int, seen: range, heads: int
) -> Tensor:
    """(B, heads, T + 1, seen): what the first `heads` heads give the places `seen`, asked where text is written."""
    from transformers.models.unlimited_ocr.modeling_unlimited_ocr import apply_rotary_pos_emb

    dim, start, stop = attention.head_dim, seen.start, seen.stop
    weight_q, weight_k = attention.q_proj.weight[: heads * dim], attention.k_proj.weight[: heads * dim]
    query = functional.linear(normed[:, first:], weight_q).unflatten(-1, (heads, dim)).transpose(1, 2)
    key = functional.linear(normed[:, start:stop], weight_k).unflatten(-1, (heads, dim)).transpose(1, 2)
    cos, sin = positions
    query, _ = apply_rotary_pos_emb(query, query, cos[:, first:], sin[:, first:])
    key, _ = apply_rotary_pos_emb(key, key, cos[:, start:stop], sin[:, start:stop])
    return (query.float() @ key.float().transpose(-1, -2)) * dim**-0.5


def _stands(places: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of each character (B, T + 1): whether it stands in a token, that token's number among `side` rows of `side` and a
    newline each, and where in the token, (B, T + 1, 2) shares of its width and height.
    """
    cell = torch.nan_to_num(places, nan=-1.0) / TOKEN
    column, row = cell[..., 0].floor().long(), cell[..., 1].floor().long()
    inside = (column >= 0) & (row >= 0) & (column < side) & (row < side)
    return inside, row * (side + 1) + column, cell - cell.floor()


def _place_loss(logits: Tensor, places: Tensor) -> Tensor:
    """Column and row of the cell, as two classifications."""
    bins = logits.shape[-1] // 2
    cell = (torch.nan_to_num(places, nan=-1.0) / CELL).floor().long()
    wanted = torch.where((cell >= 0) & (cell < bins), cell, IGNORED)  # (B, T + 1, 2)
    return functional.cross_entropy(
        logits.unflatten(-1, (2, bins)).float().flatten(0, 2), wanted.flatten(), ignore_index=IGNORED
    )


def _balance_loss(gate: Any, normed: Tensor) -> Tensor:
    """1 where all experts are used alike, more where they are not."""
    logits, _, chosen = gate(normed)
    share = functional.one_hot(chosen.flatten(), gate.num_experts).float().mean(0)
    return gate.num_experts * (share * logits.float().softmax(-1).mean(0)).sum()
