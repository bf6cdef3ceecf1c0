"""The decoder of DeepSeek-OCR and its kin as plain functions over flat tokens.

It shares the weights of a loaded native model and knows nothing of sequences: `forward` takes tokens (M, D) with their
rotary factors, and a function that attends. So one code path serves the prefill of several pages, packed, and a step
of all slots. Architecture (transformers' `unlimited_ocr` and `deepseek_ocr2`, text model): RMSNorm, multi-head
attention with rotary positions, dense SwiGLU in the first layer, then softmax-routed experts of which the top k are
used with their own probabilities (not renormalised), plus shared experts as one fused SwiGLU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional

from index.errors import ConfigError
from worker.engine.deepseek.experts import AllExperts, Experts, GroupedExperts, HitExperts, gated, grouped_works
from worker.engine.deepseek.matrices import Matrix, can_pack, matrix

# (layer, q (M, H, d), k (M, G, d), v (M, G, d)) to (M, H * d)
Attend = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]

FULL = "full_attention"
REFERENCE = "reference_sliding_attention"


@dataclass(frozen=True, slots=True)
class Shape:
    """The numbers of a decoder. `window` is that of reference sliding-window attention, 0 for full attention."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    chosen: int
    positions: int
    window: int
    eps: float


@dataclass(slots=True)
class Layer:
    """Weights of one layer. `experts` holds one or more ways to compute the same; none in a dense layer."""

    norm_in: torch.Tensor
    norm_mid: torch.Tensor
    qkv: Matrix
    out: Matrix
    gate_up: Matrix  # dense, or shared experts
    down: Matrix
    router: torch.Tensor | None = None  # (E, D) float32
    scale: float = 1.0
    experts: list[Experts] = field(default_factory=list)


def shape_of(text: Any) -> Shape:
    """Read and check a text configuration. Raises `ConfigError` for what this decoder does not compute."""
    kinds = set(getattr(text, "layer_types", None) or [FULL])
    if len(kinds) != 1 or not kinds <= {FULL, REFERENCE}:
        raise ConfigError(f"decoder with attention {sorted(kinds)} is not supported", code="wrong_architecture")
    if getattr(text, "topk_method", "greedy") != "greedy" or text.hidden_act != "silu":
        raise ConfigError("decoder with other routing or activation is not supported", code="wrong_architecture")
    if text.attention_bias or text.mlp_bias:
        raise ConfigError("decoder with biases is not supported", code="wrong_architecture")
    return Shape(
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        heads=text.num_attention_heads,
        kv_heads=text.num_key_value_heads or text.num_attention_heads,
        head_dim=text.hidden_size // text.num_attention_heads,
        vocab=text.vocab_size,
        chosen=text.num_experts_per_tok or 0,
        positions=text.max_position_embeddings,
        window=text.sliding_window if kinds == {REFERENCE} else 0,
        eps=text.rms_norm_eps,
    )


class Decoder:
    """`model` is a native model in evaluation mode on its device; its weights are shared.

    Where the processor wants them in another order (`matrices`), that is a copy; then the model's own are let go of,
    and the model can encode but not `generate` any more, unless `keep` says to hold both.
    """

    def __init__(self, model: Any, *, keep: bool = False, pack: bool | None = None) -> None:
        text = model.model.language_model
        self.shape = shape_of(text.config)
        self.device, self.dtype = model.lm_head.weight.device, model.lm_head.weight.dtype
        self.packed = can_pack(self.device, self.dtype) if pack is None else pack
        self._release = self.packed and not keep
        self._embed = text.embed_tokens.weight.detach()
        self._norm = text.norm.weight.detach()
        self._rotary = text.rotary_emb
        self.layers = [self._layer(layer) for layer in text.layers]
        self._head = self._matrix(model.lm_head)

    def rotary(self, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines for positions 0..length-1, (length, d) each, computed as the model does."""
        positions = torch.arange(length, device=self.device)[None]
        cos, sin = self._rotary(self._embed[:1], position_ids=positions)
        return cos[0].contiguous(), sin[0].contiguous()

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Token ids (M,) to (M, D)."""
        return functional.embedding(ids, self._embed)

    def forward(
        self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, attend: Attend, way: int = 0
    ) -> torch.Tensor:
        """`x` (M, D) through all layers; `cos`, `sin` (M, d). `way` chooses among `Layer.experts`."""
        shape = self.shape
        both, kv = shape.heads + shape.kv_heads, shape.kv_heads
        cos, sin = cos[:, None], sin[:, None]
        for number, layer in enumerate(self.layers):
            qkv = layer.qkv(_rms(x, layer.norm_in, shape.eps)).view(-1, both + kv, shape.head_dim)
            qk = _rotate(qkv[:, :both], cos, sin)
            x = x + layer.out(attend(number, qk[:, : shape.heads], qk[:, shape.heads :], qkv[:, both:]))
            x = x + self._mlp(layer, _rms(x, layer.norm_mid, shape.eps), way)
        return x

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Hidden states (M, D) to float32 logits (M, V)."""
        return self._head(_rms(x, self._norm, self.shape.eps)).float()

    def _mlp(self, layer: Layer, x: torch.Tensor, way: int) -> torch.Tensor:
        dense = layer.down(gated(layer.gate_up(x)))
        if layer.router is None:
            return dense
        scores = functional.linear(x.float(), layer.router).softmax(-1)
        weight, index = torch.topk(scores, self.shape.chosen, dim=-1, sorted=False)
        return layer.experts[way](x, index, weight * layer.scale) + dense

    def _layer(self, layer: Any) -> Layer:
        attention, mlp = layer.self_attn, layer.mlp
        sparse = hasattr(mlp, "experts")
        dense = mlp.shared_experts if sparse else mlp
        made = Layer(
            norm_in=layer.input_layernorm.weight.detach(),
            norm_mid=layer.post_attention_layernorm.weight.detach(),
            qkv=self._matrix(attention.q_proj, attention.k_proj, attention.v_proj),
            out=self._matrix(attention.o_proj),
            gate_up=self._matrix(dense.gate_proj, dense.up_proj),
            down=self._matrix(dense.down_proj),
        )
        if sparse:
            made.router = mlp.gate.weight.detach().float()
            made.scale = float(mlp.gate.routed_scaling_factor)
            made.experts = self._experts(mlp.experts)
        return made

    def _experts(self, experts: Any) -> list[Experts]:
        gate_up, down = experts.gate_up_proj.detach(), experts.down_proj.detach()
        if self.device.type == "cpu":
            made: list[Experts] = [HitExperts(gate_up, down, pack=self.packed)]
            self._let_go(experts.gate_up_proj, experts.down_proj)
            return made
        ways: list[Experts] = [AllExperts(gate_up, down)]
        return [GroupedExperts(gate_up, down), *ways] if grouped_works(self.device, self.dtype) else ways

    def _matrix(self, *linears: torch.nn.Linear) -> Matrix:
        """One matrix of the linears' rows, one below the other. The linears become views of it, or are let go of."""
        weights = [linear.weight.detach() for linear in linears]
        joined = torch.cat(weights) if len(weights) > 1 else weights[0]
        made = matrix(joined, pack=self.packed)
        if not self.packed and len(weights) > 1:
            for linear, part in zip(linears, joined.split([len(weight) for weight in weights]), strict=True):
                linear.weight.data = part
        self._let_go(*(linear.weight for linear in linears))
        return made

    def _let_go(self, *parameters: torch.nn.Parameter) -> None:
        if self._release:
            for parameter in parameters:
                parameter.data = parameter.data.new_empty(0)


def ways(layers: Sequence[Layer]) -> int:
    """In how many ways the experts can be computed (1 where there are none)."""
    return max([1, *(len(layer.experts) for layer in layers)])


def _rms(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    return functional.rms_norm(x, weight.shape, weight, eps)


def _rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary positions, the halves of a head being the pairs. `x` (M, heads, d), factors (M, 1, d)."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin
