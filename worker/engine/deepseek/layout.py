"""Content tokens to the sequence that the decoder sees, and back.

Stored are content tokens only. The decoder sees, in this order (arXiv 2510.18234 and the public code; the order is
that of transformers' `get_image_features`):

* DeepSeek-OCR, Unlimited-OCR: the local tiles stitched to one map of (rows x side) rows, a newline after each of its
  rows; the whole page's view, a newline after each row; the separator.
* DeepSeek-OCR 2: the local tiles one after the other; the whole page's view; the separator. No newlines.

Newline and separator are learned constants of the weights. This module knows shapes only; it computes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from index.errors import Conflict, InvalidRequest
from index.types import VisionTokens
from worker.engine.deepseek.modes import NO_TILES, Grid, Mode, content_tokens, mode_named, placeholder_tokens

if TYPE_CHECKING:
    import torch

    from worker.engine.deepseek.load import LoadedModel


def sequence(loaded: LoadedModel, tokens: VisionTokens) -> torch.Tensor:
    """Stored tokens as the decoder of `loaded` takes them: (placeholder_tokens, D), in its number type, on its device.

    Raises `Conflict` (`wrong_tokens`) where the tokens are not this model's: another kind, another width, another
    count than their mode and tile grid make. Whether they are of the same revision is the engine's to judge.
    """
    import torch

    form = tokens.format
    if form.engine != loaded.kind or tokens.array.ndim != 2 or tokens.array.shape[-1] != loaded.dim:
        raise Conflict(
            f"these vision tokens were made by {form.engine}, which {loaded.kind} cannot decode: read the page again",
            code="wrong_tokens",
        )
    try:
        mode = mode_named(loaded.kind, form.mode)
    except InvalidRequest as error:
        raise Conflict(error.message, code="wrong_tokens") from error
    page, tiles = (
        None if part is None else torch.from_numpy(part.copy()).to(loaded.device).to(loaded.dtype)
        for part in (tokens.array, tokens.tiles)
    )
    return assemble(mode, form.tile_grid, page, tiles, loaded.image_newline, loaded.view_separator)


def assemble(
    mode: Mode,
    grid: Grid,
    page: torch.Tensor,  # (rows^2, D)
    tiles: torch.Tensor | None,  # (columns * rows * tile_rows^2, D), tile by tile
    newline: torch.Tensor | None,  # (D,)
    separator: torch.Tensor,  # (D,)
) -> torch.Tensor:
    """The decoder's sequence, (placeholder_tokens, D). Raises `Conflict` (`wrong_tokens`) for counts that misfit."""
    import torch

    _check(mode, grid, page, tiles)
    parts = []
    if tiles is not None and grid != NO_TILES:
        parts.append(_with_newlines(mode, stitch(mode, grid, tiles), newline) if mode.newlines else tiles)
    dim = page.shape[-1]
    parts.append(_with_newlines(mode, page.reshape(mode.rows, mode.rows, dim), newline) if mode.newlines else page)
    return torch.cat([*parts, separator[None]])


def strip(mode: Mode, grid: Grid, sequence: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The inverse of `assemble`: the page's content tokens and its tiles' (None without tiles)."""
    if len(sequence) != placeholder_tokens(mode, grid):
        raise Conflict(
            f"{len(sequence)} tokens cannot be a page in mode {mode.name} with tiles {grid}", code="wrong_tokens"
        )
    dim = sequence.shape[-1]
    gap = 1 if mode.newlines else 0
    page_length = mode.rows * (mode.rows + gap)
    page = sequence[-1 - page_length : -1].reshape(mode.rows, mode.rows + gap, dim)[:, : mode.rows]
    if grid == NO_TILES:
        return page.reshape(-1, dim), None
    local = sequence[: len(sequence) - 1 - page_length]
    if mode.newlines:
        side, (columns, rows) = mode.tile_rows, grid
        local = local.reshape(rows * side, columns * side + 1, dim)[:, :-1]
        local = local.reshape(rows, side, columns, side, dim).transpose(1, 2)
    return page.reshape(-1, dim), local.reshape(-1, dim)


def stitch(mode: Mode, grid: Grid, tiles: torch.Tensor) -> torch.Tensor:
    """Tiles one after the other to one map, (rows * tile_rows, columns * tile_rows, D)."""
    side, (columns, rows) = mode.tile_rows, grid
    dim = tiles.shape[-1]
    return tiles.reshape(rows, columns, side, side, dim).transpose(1, 2).reshape(rows * side, columns * side, dim)


def _with_newlines(mode: Mode, rows: torch.Tensor, newline: torch.Tensor | None) -> torch.Tensor:
    import torch

    if newline is None:
        raise Conflict(f"these weights have no newline, which mode {mode.name} needs", code="wrong_tokens")
    height, _, dim = rows.shape
    return torch.cat([rows, newline.expand(height, 1, dim)], dim=1).reshape(-1, dim)


def _check(mode: Mode, grid: Grid, page: torch.Tensor, tiles: torch.Tensor | None) -> None:
    found = len(page) + (0 if tiles is None else len(tiles))
    if len(page) != mode.rows**2 or found != content_tokens(mode, grid):
        raise Conflict(
            f"a page in mode {mode.name} with tiles {grid} has {content_tokens(mode, grid)} vision tokens, not {found}",
            code="wrong_tokens",
        )
