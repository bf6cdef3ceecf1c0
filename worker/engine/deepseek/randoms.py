"""Which tensors, which configuration and which tokenizer a checkpoint of given dimensions has, in the original layout.

Names and shapes are those of the public checkpoints (`deepseek-ai/DeepSeek-OCR`, `deepseek-ai/DeepSeek-OCR-2`,
`baidu/Unlimited-OCR`), the tensors that the model never uses included. Used by `worker.engine.checkpoint` to make
random weights; the scales are those under which activations keep their size.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from worker.engine.deepseek.modes import DEEPSEEK_OCR_2, MINI, UNLIMITED_OCR

SPECIAL_FIRST = 128815  # in the real vocabulary; small ones have them at their end
SPECIALS = (
    "<image>",
    "<|ref|>",
    "<|/ref|>",
    "<|det|>",
    "<|/det|>",
    "<|grounding|>",
    "<td>",
    "</td>",
    "<tr>",
    "</tr>",
    "<|User|>",
    "<|Assistant|>",
)
_BOS, _EOS, _PAD = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"
_UNLIMITED_WINDOW = 128
_SMALL_WINDOW = 16


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Sizes of all parts. `qwen_*` are the second encoder of DeepSeek-OCR 2; its width is `down[1]` there."""

    sam: int
    sam_layers: int
    sam_heads: int
    sam_global: tuple[int, ...]
    neck: int
    down: tuple[int, int]
    down_2: tuple[int, int]
    clip_layers: int
    clip_heads: int
    clip_mlp: int
    qwen_layers: int
    qwen_head: int
    qwen_kv_heads: int
    qwen_mlp: int
    hidden: int
    layers: int
    heads: int
    dense: int
    experts: int
    chosen: int
    shared: int
    expert: int
    vocabulary: int
    positions: int
    window: int = 14
    sharpness: float = 1.0  # of the encoders' attention: 1 is neutral, at 2.5 pages differ clearly
    query_gain: float = 1.0  # of the decoder's: at 6 each step looks at few tokens, and so at others than the last
    value_gain: float = 1.0  # how much of what is looked at gets into the text
    embedding: float = 1.0  # small, and a token does not simply follow from the one before


FULL = Dimensions(
    sam=768, sam_layers=12, sam_heads=12, sam_global=(2, 5, 8, 11), neck=256, down=(512, 1024), down_2=(512, 896),
    clip_layers=24, clip_heads=16, clip_mlp=4096, qwen_layers=24, qwen_head=64, qwen_kv_heads=2, qwen_mlp=4864,
    hidden=1280, layers=12, heads=10, dense=6848, experts=64, chosen=6, shared=2, expert=896,
    vocabulary=129280, positions=8192,
)  # fmt: skip
ENCODER = replace(FULL, layers=1, dense=64, experts=2, chosen=1, expert=32, vocabulary=320)
SMALL = Dimensions(
    sam=32, sam_layers=4, sam_heads=2, sam_global=(1, 3), neck=16, down=(24, 48), down_2=(24, 64),
    clip_layers=2, clip_heads=4, clip_mlp=96, qwen_layers=2, qwen_head=64, qwen_kv_heads=1, qwen_mlp=96,
    hidden=64, layers=4, heads=4, dense=128, experts=8, chosen=3, shared=2, expert=32,
    vocabulary=320, positions=4096, sharpness=2.5, query_gain=6.0, value_gain=1.5, embedding=0.5,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RandomTensor:
    """A tensor to be: normal numbers of `mean` and standard deviation `scale`, or 0, 1, 2, ... if `integers`."""

    name: str
    shape: tuple[int, ...]
    scale: float
    mean: float = 0.0
    integers: bool = False

    @property
    def numbers(self) -> int:
        product = 1
        for length in self.shape:
            product *= length
        return product


def original_tensors(size: Dimensions, kind: str) -> Iterator[RandomTensor]:
    """All tensors of a checkpoint, under the names of the public files."""
    yield RandomTensor("lm_head.weight", (size.vocabulary, size.hidden), size.hidden**-0.5)
    yield RandomTensor("model.embed_tokens.weight", (size.vocabulary, size.hidden), size.embedding)
    yield RandomTensor("model.view_seperator", (size.hidden,), 1.0)
    if kind != DEEPSEEK_OCR_2:
        yield RandomTensor("model.image_newline", (size.hidden,), 1.0)
    yield from _sam(size, size.down_2 if kind == DEEPSEEK_OCR_2 else size.down)
    yield from _qwen(size) if kind == DEEPSEEK_OCR_2 else _clip(size)
    features = size.down_2[1] if kind == DEEPSEEK_OCR_2 else 2 * size.down[1]
    yield from _linear("model.projector.layers", features, size.hidden, bias=True)
    yield from _decoder(size)


def original_config(size: Dimensions, kind: str) -> dict[str, Any]:
    """config.json as the public checkpoints have it."""
    language = {
        "architectures": ["DeepseekV2ForCausalLM"], "bos_token_id": 0, "eos_token_id": 1,
        "first_k_dense_replace": 1, "hidden_size": size.hidden, "intermediate_size": size.dense,
        "kv_lora_rank": None, "lm_head": True, "max_position_embeddings": size.positions,
        "moe_intermediate_size": size.expert, "moe_layer_freq": 1, "n_group": 1,
        "n_routed_experts": size.experts, "n_shared_experts": size.shared,
        "num_attention_heads": size.heads, "num_experts_per_tok": size.chosen, "num_hidden_layers": size.layers,
        "num_key_value_heads": size.heads, "q_lora_rank": None, "qk_nope_head_dim": 0, "qk_rope_head_dim": 0,
        "rm_head": False, "topk_group": 1, "topk_method": "greedy", "torch_dtype": "bfloat16", "use_mla": False,
        "v_head_dim": 0, "vocab_size": size.vocabulary,
    }  # fmt: skip
    second = kind == DEEPSEEK_OCR_2
    sam = {
        "downsample_channels": list(size.down_2 if second else size.down),
        "global_attn_indexes": list(size.sam_global),
        "heads": size.sam_heads,
        "layers": size.sam_layers,
        "width": size.sam,
    }
    clip = {
        "heads": size.clip_heads,
        "image_size": 224,
        "layers": size.clip_layers,
        "patch_size": 14,
        "width": size.down[1],
    }
    width = {"sam_vit_b": sam} | ({"qwen2-0-5b": {"dim": size.down_2[1]}} if second else {"clip-l-14-224": clip})
    name = {
        DEEPSEEK_OCR_2: "DeepseekOCR2ForCausalLM",
        UNLIMITED_OCR: "UnlimitedOCRForCausalLM",
        MINI: "FolioscopeMiniForCausalLM",
    }
    config = {
        "architectures": [name.get(kind, "DeepseekOCRForCausalLM")],
        "candidate_resolutions": [[1024, 1024]],
        "global_view_pos": "head",
        "language_config": language,
        "model_type": "unlimited-ocr" if kind == UNLIMITED_OCR else "deepseek_vl_v2",
        "projector_config": {
            "input_dim": size.down_2[1] if second else 2 * size.down[1],
            "model_type": "mlp_projector",
            "n_embed": size.hidden,
            "projector_type": "linear",
        },
        "tile_tag": "2D",
        "torch_dtype": "bfloat16",
        "vision_config": {
            "image_size": 1024,
            "mlp_ratio": 3.7362,
            "model_name": "deepencoderv2" if second else "deeplip_b_l",
            "model_type": "vision",
            "width": width,
        },
    }
    if kind == UNLIMITED_OCR:
        config["sliding_window"] = _UNLIMITED_WINDOW if size == FULL else _SMALL_WINDOW
    return config


def tokenizer_json(size: Dimensions) -> str:
    """A byte-level tokenizer with the model's special tokens: any text, one token for each byte."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    first = SPECIAL_FIRST if size.vocabulary > SPECIAL_FIRST else size.vocabulary - len(SPECIALS)
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [_BOS, _EOS, _PAD, *bytes_]
    words += [f"<unused_{number}>" for number in range(len(words), first)]
    words += SPECIALS
    tokenizer = Tokenizer(models.BPE(vocab={word: number for number, word in enumerate(words)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(word, special=True, normalized=False) for word in (_BOS, _EOS, _PAD)])
    # Not "special" in the library's sense: grounding and table tags must survive decoding.
    tokenizer.add_tokens([AddedToken(word, special=False, normalized=False) for word in SPECIALS])
    return json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False)


def _linear(name: str, fan_in: int, fan_out: int, *, bias: bool = False, gain: float = 1.0) -> Iterator[RandomTensor]:
    yield RandomTensor(f"{name}.weight", (fan_out, fan_in), gain * fan_in**-0.5)
    if bias:
        yield RandomTensor(f"{name}.bias", (fan_out,), 0.1)


def _norm(name: str, width: int, *, bias: bool = True) -> Iterator[RandomTensor]:
    yield RandomTensor(f"{name}.weight", (width,), 0.1, 1.0)
    if bias:
        yield RandomTensor(f"{name}.bias", (width,), 0.1)


def _convolution(name: str, fan_in: int, fan_out: int, kernel: int) -> RandomTensor:
    return RandomTensor(f"{name}.weight", (fan_out, fan_in, kernel, kernel), (fan_in * kernel * kernel) ** -0.5)


def _sam(size: Dimensions, down: tuple[int, int]) -> Iterator[RandomTensor]:
    name, head = "model.sam_model", size.sam // size.sam_heads
    yield RandomTensor(f"{name}.pos_embed", (1, 64, 64, size.sam), 0.5)
    yield _convolution(f"{name}.patch_embed.proj", 3, size.sam, 16)
    yield RandomTensor(f"{name}.patch_embed.proj.bias", (size.sam,), 0.1)
    for layer in range(size.sam_layers):
        block = f"{name}.blocks.{layer}"
        side = 64 if layer in size.sam_global else size.window
        for axis in "hw":
            yield RandomTensor(f"{block}.attn.rel_pos_{axis}", (2 * side - 1, head), 0.3)
        yield from _linear(f"{block}.attn.qkv", size.sam, 3 * size.sam, bias=True, gain=size.sharpness**0.5)
        yield from _linear(f"{block}.attn.proj", size.sam, size.sam, bias=True)
        yield from _linear(f"{block}.mlp.lin1", size.sam, 4 * size.sam, bias=True)
        yield from _linear(f"{block}.mlp.lin2", 4 * size.sam, size.sam, bias=True)
        yield from _norm(f"{block}.norm1", size.sam)
        yield from _norm(f"{block}.norm2", size.sam)
    yield _convolution(f"{name}.neck.0", size.sam, size.neck, 1)
    yield from _norm(f"{name}.neck.1", size.neck)
    yield _convolution(f"{name}.neck.2", size.neck, size.neck, 3)
    yield from _norm(f"{name}.neck.3", size.neck)
    yield _convolution(f"{name}.net_2", size.neck, down[0], 3)
    yield _convolution(f"{name}.net_3", down[0], down[1], 3)


def _clip(size: Dimensions) -> Iterator[RandomTensor]:
    name, width = "model.vision_model", size.down[1]
    yield RandomTensor(f"{name}.embeddings.class_embedding", (width,), 1.0)
    yield _convolution(f"{name}.embeddings.patch_embedding", 3, width, 14)  # in the files, never used
    yield RandomTensor(f"{name}.embeddings.position_embedding.weight", (257, width), 0.5)
    yield RandomTensor(f"{name}.embeddings.position_ids", (1, 257), 0.0, integers=True)  # likewise
    yield from _norm(f"{name}.pre_layrnorm", width)
    for layer in range(size.clip_layers):
        block = f"{name}.transformer.layers.{layer}"
        yield from _norm(f"{block}.layer_norm1", width)
        yield from _norm(f"{block}.layer_norm2", width)
        yield from _linear(f"{block}.mlp.fc1", width, size.clip_mlp, bias=True)
        yield from _linear(f"{block}.mlp.fc2", size.clip_mlp, width, bias=True)
        yield from _linear(f"{block}.self_attn.qkv_proj", width, 3 * width, bias=True, gain=size.sharpness**0.5)
        yield from _linear(f"{block}.self_attn.out_proj", width, width, bias=True)


def _qwen(size: Dimensions) -> Iterator[RandomTensor]:
    name, width = "model.qwen2_model", size.down_2[1]
    keys = size.qwen_kv_heads * size.qwen_head
    yield RandomTensor(f"{name}.query_768.weight", (144, width), 1.0)
    yield RandomTensor(f"{name}.query_1024.weight", (256, width), 1.0)
    for layer in range(size.qwen_layers):
        block = f"{name}.model.model.layers.{layer}"
        yield from _norm(f"{block}.input_layernorm", width, bias=False)
        yield from _norm(f"{block}.post_attention_layernorm", width, bias=False)
        yield from _linear(f"{block}.self_attn.q_proj", width, width, bias=True, gain=size.sharpness)
        yield from _linear(f"{block}.self_attn.k_proj", width, keys, bias=True)
        yield from _linear(f"{block}.self_attn.v_proj", width, keys, bias=True)
        yield from _linear(f"{block}.self_attn.o_proj", width, width)
        yield from _gated(f"{block}.mlp", width, size.qwen_mlp)
    yield from _norm(f"{name}.model.model.norm", width, bias=False)


def _decoder(size: Dimensions) -> Iterator[RandomTensor]:
    hidden = size.hidden
    for layer in range(size.layers):
        block = f"model.layers.{layer}"
        yield from _norm(f"{block}.input_layernorm", hidden, bias=False)
        yield from _norm(f"{block}.post_attention_layernorm", hidden, bias=False)
        yield from _linear(f"{block}.self_attn.q_proj", hidden, hidden, gain=size.query_gain)
        yield from _linear(f"{block}.self_attn.k_proj", hidden, hidden)
        yield from _linear(f"{block}.self_attn.v_proj", hidden, hidden, gain=size.value_gain)
        yield from _linear(f"{block}.self_attn.o_proj", hidden, hidden, gain=size.value_gain)
        if layer == 0:
            yield from _gated(f"{block}.mlp", hidden, size.dense)
            continue
        yield from _linear(f"{block}.mlp.gate", hidden, size.experts)
        for expert in range(size.experts):
            yield from _gated(f"{block}.mlp.experts.{expert}", hidden, size.expert)
        yield from _gated(f"{block}.mlp.shared_experts", hidden, size.shared * size.expert)
    yield from _norm("model.norm", hidden, bias=False)


def _gated(name: str, width: int, inner: int) -> Iterator[RandomTensor]:
    yield from _linear(f"{name}.gate_proj", width, inner)
    yield from _linear(f"{name}.up_proj", width, inner)
    yield from _linear(f"{name}.down_proj", inner, width)
