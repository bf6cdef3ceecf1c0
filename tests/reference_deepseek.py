"""DeepSeek-OCR, written once more as plainly as can be: what the engine is compared with.

Everything is float32, one image, one token, one expert at a time; there is no cache and no batch, and nothing of the
engine, of transformers or of safetensors is used. Weights are read from the original files by their original names.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

GREY = (127, 127, 127)
SIZES = {"tiny": 512, "small": 640, "base": 1024, "large": 1280}


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of all files, as float32."""
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        raw = path.read_bytes()
        length = int.from_bytes(raw[:8], "little")
        for name, entry in json.loads(raw[8 : 8 + length]).items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            kind = {"BF16": torch.bfloat16, "F32": torch.float32, "I64": torch.int64}[entry["dtype"]]
            part = bytearray(raw[8 + length + begin : 8 + length + end])
            tensor = torch.frombuffer(part, dtype=kind).reshape(entry["shape"])
            found[name] = tensor.float() if kind != torch.int64 else tensor
    return found


class Reference:
    """The whole model. `mode` is tiny, small, base, large or gundam."""

    def __init__(self, folder: Path):
        self.w = read_weights(folder)
        self.config = json.loads((folder / "config.json").read_text())
        self.language = self.config["language_config"]
        self.widths = self.config["vision_config"]["width"]

    # Pixels.

    def views(self, image: Image.Image, mode: str) -> tuple[np.ndarray, list[np.ndarray], tuple[int, int]]:
        """The page's view, the tiles, the grid (columns, rows)."""
        image = ImageOps.exif_transpose(image).convert("RGB")
        if mode in ("tiny", "small"):
            return np.array(image.resize((SIZES[mode],) * 2, Image.BICUBIC)), [], (0, 0)
        if mode != "gundam":
            return np.array(ImageOps.pad(image, (SIZES[mode],) * 2, color=GREY)), [], (0, 0)
        page = np.array(ImageOps.pad(image, (1024, 1024), color=GREY))
        width, height = image.size
        if width <= 640 and height <= 640:
            return page, [], (0, 0)
        grids = {(i, j) for i in range(1, 10) for j in range(1, 10) if 2 <= i * j <= 9}
        best, distance = (1, 1), math.inf
        for i, j in sorted(grids, key=lambda grid: grid[0] * grid[1]):
            off = abs(width / height - i / j)
            if off < distance or (off == distance and width * height > 0.5 * 640 * 640 * i * j):
                best, distance = (i, j), min(off, distance)
        columns, rows = best
        large = image.resize((640 * columns, 640 * rows), Image.BICUBIC)
        tiles = [
            np.array(large.crop((640 * x, 640 * y, 640 * x + 640, 640 * y + 640)))
            for y in range(rows)
            for x in range(columns)
        ]
        return page, tiles, best

    # Vision.

    def encode_view(self, pixels: np.ndarray) -> torch.Tensor:
        """One square view to its content tokens, (n, D)."""
        x = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]
        found = self.sam((x - 0.5) / 0.5)
        clip = self.clip(found)
        flat = found[0].flatten(1).t()
        return self.linear("model.projector.layers", torch.cat([clip, flat], dim=1))

    def sam(self, x: torch.Tensor) -> torch.Tensor:
        w, p, heads = self.w, "model.sam_model.", self.widths["sam_vit_b"]["heads"]
        x = torch.nn.functional.conv2d(x, w[p + "patch_embed.proj.weight"], w[p + "patch_embed.proj.bias"], stride=16)
        x = x[0].permute(1, 2, 0)  # (H, W, C)
        x = x + resized(w[p + "pos_embed"][0], x.shape[0])
        for layer in range(self.widths["sam_vit_b"]["layers"]):
            block = f"{p}blocks.{layer}."
            y = self.norm(block + "norm1", x, 1e-6)
            if layer in self.widths["sam_vit_b"]["global_attn_indexes"]:
                y = self.sam_attention(block + "attn.", y, heads)
            else:
                y = self.windowed(block + "attn.", y, heads)
            x = x + y
            y = torch.nn.functional.gelu(self.linear(block + "mlp.lin1", self.norm(block + "norm2", x, 1e-6)))
            x = x + self.linear(block + "mlp.lin2", y)
        x = x.permute(2, 0, 1)[None]
        for number, padding in ((0, 0), (2, 1)):
            x = torch.nn.functional.conv2d(x, w[f"{p}neck.{number}.weight"], padding=padding)
            x = self.norm(f"{p}neck.{number + 1}", x.permute(0, 2, 3, 1), 1e-6).permute(0, 3, 1, 2)
        x = torch.nn.functional.conv2d(x, w[p + "net_2.weight"], stride=2, padding=1)
        return torch.nn.functional.conv2d(x, w[p + "net_3.weight"], stride=2, padding=1)

    def windowed(self, name: str, x: torch.Tensor, heads: int) -> torch.Tensor:
        side, height = (len(self.w[name + "rel_pos_h"]) + 1) // 2, x.shape[0]
        missing = -height % side
        padded = torch.nn.functional.pad(x, (0, 0, 0, missing, 0, missing))
        seen = torch.zeros_like(padded)
        for top in range(0, height, side):
            for left in range(0, height, side):
                window = padded[top : top + side, left : left + side]
                seen[top : top + side, left : left + side] = self.sam_attention(name, window, heads)
        return seen[:height, :height]

    def sam_attention(self, name: str, x: torch.Tensor, heads: int) -> torch.Tensor:
        side, _, channels = x.shape
        size = channels // heads
        q, k, v = self.linear(name + "qkv", x).reshape(side * side, 3, heads, size).permute(1, 2, 0, 3)
        by_row, by_column = (distances(self.w[name + axis], side) for axis in ("rel_pos_h", "rel_pos_w"))
        out = []
        for head in range(heads):
            grid = q[head].reshape(side, side, size)
            rows = torch.stack([grid[y] @ by_row[y].t() for y in range(side)])  # (y, x, key row)
            columns = torch.stack([grid[:, x] @ by_column[x].t() for x in range(side)], dim=1)
            bias = (rows[:, :, :, None] + columns[:, :, None, :]).reshape(side * side, side * side)
            out.append(torch.softmax(q[head] @ k[head].t() / math.sqrt(size) + bias, dim=1) @ v[head])
        return self.linear(name + "proj", torch.stack(out, dim=1).reshape(side, side, channels))

    def clip(self, found: torch.Tensor) -> torch.Tensor:
        w, p = self.w, "model.vision_model."
        clip = self.widths["clip-l-14-224"]
        side = found.shape[-1]
        x = torch.cat([w[p + "embeddings.class_embedding"][None], found[0].flatten(1).t()])
        places = w[p + "embeddings.position_embedding.weight"]
        old = math.isqrt(len(places) - 1)
        grid = resized(places[1:].reshape(old, old, -1), side).reshape(side * side, -1)
        x = self.norm(p + "pre_layrnorm", x + torch.cat([places[:1], grid]), 1e-5)
        for layer in range(clip["layers"]):
            block = f"{p}transformer.layers.{layer}."
            y = self.linear(block + "self_attn.qkv_proj", self.norm(block + "layer_norm1", x, 1e-5))
            q, k, v = y.reshape(len(x), 3, clip["heads"], -1).permute(1, 2, 0, 3)
            seen = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]), dim=-1) @ v
            x = x + self.linear(block + "self_attn.out_proj", seen.transpose(0, 1).reshape(len(x), -1))
            y = self.linear(block + "mlp.fc1", self.norm(block + "layer_norm2", x, 1e-5))
            x = x + self.linear(block + "mlp.fc2", y * torch.sigmoid(1.702 * y))
        return x[1:]

    def vision(self, image: Image.Image, mode: str) -> torch.Tensor:
        """What the decoder sees of a page: content tokens, newlines, separator."""
        page, tiles, (columns, rows) = self.views(image, mode)
        newline = self.w["model.image_newline"]
        sequence = []
        if tiles:
            done = [self.encode_view(tile).reshape(10, 10, -1) for tile in tiles]
            for row in range(rows):
                for line in range(10):
                    for column in range(columns):
                        sequence += list(done[row * columns + column][line])
                    sequence.append(newline)
        tokens = self.encode_view(page)
        side = math.isqrt(len(tokens))
        for line in range(side):
            sequence += [*tokens[line * side : (line + 1) * side], newline]
        return torch.stack([*sequence, self.w["model.view_seperator"]])

    # Text.

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Of the whole sequence of embeddings (n, D): (n, vocabulary)."""
        heads, layers = self.language["num_attention_heads"], self.language["num_hidden_layers"]
        count = len(x)
        future = torch.triu(torch.full((count, count), -math.inf), diagonal=1)
        for layer in range(layers):
            block = f"model.layers.{layer}."
            y = self.rms(block + "input_layernorm", x)
            q, k, v = (
                (y @ self.w[f"{block}self_attn.{name}_proj.weight"].t()).reshape(count, heads, -1).transpose(0, 1)
                for name in "qkv"
            )
            q, k = rotated(q), rotated(k)
            seen = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]) + future, dim=-1) @ v
            x = x + seen.transpose(0, 1).reshape(count, -1) @ self.w[block + "self_attn.o_proj.weight"].t()
            y = self.rms(block + "post_attention_layernorm", x)
            dense = layer < self.language["first_k_dense_replace"]
            x = x + (self.gated(block + "mlp", y) if dense else self.experts(block + "mlp", y))
        return self.rms("model.norm", x) @ self.w["lm_head.weight"].t()

    def experts(self, name: str, x: torch.Tensor) -> torch.Tensor:
        chances = torch.softmax(x @ self.w[name + ".gate.weight"].t(), dim=-1)
        weights, chosen = chances.topk(self.language["num_experts_per_tok"])  # not renormalised
        out = self.gated(name + ".shared_experts", x)
        for token in range(len(x)):
            for weight, expert in zip(weights[token], chosen[token].tolist(), strict=True):
                out[token] = out[token] + weight * self.gated(f"{name}.experts.{expert}", x[token])
        return out

    def gated(self, name: str, x: torch.Tensor) -> torch.Tensor:
        gate, up, down = (self.w[f"{name}.{part}_proj.weight"] for part in ("gate", "up", "down"))
        return (torch.nn.functional.silu(x @ gate.t()) * (x @ up.t())) @ down.t()

    def embeddings(self, vision: torch.Tensor, prompt: list[int]) -> torch.Tensor:
        table = self.w["model.embed_tokens.weight"]
        return torch.cat([table[[self.language["bos_token_id"]]], vision, table[prompt]])

    def generate(self, vision: torch.Tensor, prompt: list[int], count: int) -> list[int]:
        """Greedy, all of it again for each token; stops after the end token."""
        x, out = self.embeddings(vision, prompt), []
        while len(out) < count:
            out.append(int(self.logits(x)[-1].argmax()))
            if out[-1] == self.language["eos_token_id"]:
                break
            x = torch.cat([x, self.w["model.embed_tokens.weight"][out[-1:]]])
        return out

    # Small parts.

    def linear(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return x @ self.w[name + ".weight"].t() + self.w[name + ".bias"]

    def norm(self, name: str, x: torch.Tensor, epsilon: float) -> torch.Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + epsilon)
        return scaled * self.w[name + ".weight"] + self.w[name + ".bias"]

    def rms(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return x / torch.sqrt((x**2).mean(-1, keepdim=True) + 1e-6) * self.w[name + ".weight"]


def resized(grid: torch.Tensor, side: int) -> torch.Tensor:
    """Learned positions (h, w, C) for another number of patches."""
    if grid.shape[0] == side:
        return grid
    x = grid.permute(2, 0, 1)[None]
    x = torch.nn.functional.interpolate(x, size=(side, side), mode="bicubic", antialias=True, align_corners=False)
    return x[0].permute(1, 2, 0)


def distances(table: torch.Tensor, side: int) -> torch.Tensor:
    """Learned vectors by distance, (side, side, c) for each pair of query and key places."""
    if len(table) != 2 * side - 1:
        table = torch.nn.functional.interpolate(table.t()[None], size=2 * side - 1, mode="linear")[0].t()
    return torch.stack([torch.stack([table[q - k + side - 1] for k in range(side)]) for q in range(side)])


def rotated(x: torch.Tensor) -> torch.Tensor:
    """Rotary positions, base 10,000, halves paired. (heads, n, c)"""
    _, count, size = x.shape
    speeds = 10000.0 ** (-torch.arange(0, size, 2, dtype=torch.float32) / size)
    angles = torch.arange(count, dtype=torch.float32)[:, None] * speeds
    cos, sin = torch.cat([angles, angles], 1).cos(), torch.cat([angles, angles], 1).sin()
    turned = torch.cat([-x[..., size // 2 :], x[..., : size // 2]], dim=-1)
    return x * cos + turned * sin
