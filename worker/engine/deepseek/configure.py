"""config.json of a checkpoint, in its original shape or transformers' own, to the configuration of the native class.

The original files (`model_type` "deepseek_vl_v2", with `language_config`, `projector_config`, `vision_config`) say
only part of the dimensions; the rest is read off the tensors' shapes, so that a checkpoint of any size loads. What
is in neither are the architecture's constants, set here: see the docstrings.

THE TRAP: transformers' `unlimited_ocr` class is the same network as DeepSeek-OCR except for its attention, which
by default sees the prompt and the last 128 tokens only. Loaded so, DeepSeek-OCR writes other text from there on, and no
error appears. `DEEPSEEK_OCR` and `MINI` therefore always get full attention, whatever their files say.

Errors are `ConfigError`s with code `wrong_architecture` or `weights_mismatch`.
"""

from __future__ import annotations

from typing import Any

from index.errors import ConfigError
from worker.engine.deepseek.modes import DEEPSEEK_OCR, DEEPSEEK_OCR_2, MINI, UNLIMITED_OCR
from worker.engine.deepseek.weights import WeightFolder

IMAGE_TOKEN = 128815
_ORIGINAL_TYPES = {"deepseek_vl_v2", "deepseekocr", "deepseek_ocr", "unlimited-ocr", "unlimitedocr"}
_CLIP = "clip-l-14-224"
_QWEN = ("qwen2-0-5b", "qwen2-0.5b", "qwen2")
_WINDOW = 128  # what Unlimited-OCR was trained with
_TEXT_FIELDS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "max_position_embeddings",
    "moe_intermediate_size",
    "n_routed_experts",
    "n_shared_experts",
    "num_experts_per_tok",
    "n_group",
    "topk_group",
    "topk_method",
    "routed_scaling_factor",
    "rms_norm_eps",
    "hidden_act",
    "bos_token_id",
    "eos_token_id",
)


def kind_of(folder: WeightFolder) -> str:
    """Which of `modes.KINDS` (or `MINI`) the folder holds, by its config.json and its tensors' names."""
    declared = str(folder.config.get("model_type", "")).lower()
    architectures = str(folder.config.get("architectures", "")).lower()
    native = {"deepseek_ocr2": DEEPSEEK_OCR_2, "unlimited_ocr": UNLIMITED_OCR}
    if declared in native and "language_config" not in folder.config:
        return native[declared]
    prefixes = {name.split(".")[1] for name in folder.tensors if name.startswith("model.") and name.count(".") > 1}
    known = declared in _ORIGINAL_TYPES or declared in native
    if not known or "sam_model" not in prefixes or not isinstance(folder.config.get("language_config"), dict):
        raise ConfigError(
            f"{folder.path} holds a model of type {declared or 'unknown'!r}, which is none of DeepSeek-OCR, "
            "DeepSeek-OCR 2 and Unlimited-OCR: check the engine's weights setting",
            code="wrong_architecture",
        )
    if "qwen2_model" in prefixes:
        return DEEPSEEK_OCR_2
    if "vision_model" not in prefixes:
        raise ConfigError(f"{folder.path} has no CLIP part (model.vision_model)", code="wrong_architecture")
    if "unlimited" in architectures or "unlimited" in declared:
        return UNLIMITED_OCR
    if "folioscopemini" in architectures:
        return MINI
    return DEEPSEEK_OCR


def configuration(folder: WeightFolder, kind: str) -> Any:
    """The native class's configuration object."""
    from transformers import DeepseekOcr2Config, UnlimitedOcrConfig

    made = DeepseekOcr2Config if kind == DEEPSEEK_OCR_2 else UnlimitedOcrConfig
    try:
        if "language_config" not in folder.config:
            return made.from_dict({key: value for key, value in folder.config.items() if key != "auto_map"})
        text = _text(folder, kind)
        return made(
            text_config=text,
            vision_config=_vision_2(folder) if kind == DEEPSEEK_OCR_2 else _vision(folder),
            image_token_id=IMAGE_TOKEN if text["vocab_size"] > IMAGE_TOKEN else text["vocab_size"] - 1,
        )
    except ConfigError:
        raise
    except Exception as error:  # strict configuration classes raise their own kinds of errors
        raise ConfigError(
            f"config.json of {folder.path} describes no {kind} model: {error}", code="wrong_architecture"
        ) from error


def _text(folder: WeightFolder, kind: str) -> dict[str, Any]:
    """The decoder: plain multi-head attention (`use_mla` false) and softmax routing without renormalising."""
    language = folder.config["language_config"]
    if (
        language.get("use_mla")
        or language.get("norm_topk_prob")
        or language.get("scoring_func", "softmax") != "softmax"
    ):
        raise ConfigError(
            f"{folder.path} asks for latent attention or renormalised routing, which these models do not have",
            code="wrong_architecture",
        )
    text = {name: language[name] for name in _TEXT_FIELDS if language.get(name) is not None}
    text.setdefault("rms_norm_eps", 1e-6)
    text.setdefault("bos_token_id", 0)
    text.setdefault("eos_token_id", 1)
    text["vocab_size"], text["hidden_size"] = folder.shape("model.embed_tokens.weight")
    layers = text["num_hidden_layers"]
    dense = language.get("first_k_dense_replace", 1)
    text["mlp_layer_types"] = ["dense" if layer < dense else "sparse" for layer in range(layers)]
    text["rope_parameters"] = {"rope_type": "default", "rope_theta": float(language.get("rope_theta") or 10000.0)}
    if kind in (DEEPSEEK_OCR, MINI):
        text["layer_types"] = ["full_attention"] * layers
        text["sliding_window"] = text["max_position_embeddings"]  # unused, but the class refuses None
    elif kind == UNLIMITED_OCR:
        text["layer_types"] = ["reference_sliding_attention"] * layers
        text["sliding_window"] = _window(folder.config)
    return text


def _window(config: dict[str, Any]) -> int:
    for place in (config, config["language_config"]):
        for name in ("sliding_window", "sliding_window_size"):
            if isinstance(place.get(name), int) and place[name] > 0:
                return place[name]
    return _WINDOW


def _sam(folder: WeightFolder) -> dict[str, Any]:
    """SAM's ViT: sizes from shapes; heads and which layers see everything from config.json."""
    prefix = "model.sam_model."
    width = folder.config.get("vision_config", {}).get("width", {}).get("sam_vit_b", {})
    heads, layers = int(width.get("heads", 12)), int(width.get("layers", 12))
    seeing_all = [int(layer) for layer in width.get("global_attn_indexes", (2, 5, 8, 11))]
    hidden, channels, patch, _ = folder.shape(f"{prefix}patch_embed.proj.weight")
    windowed = next((layer for layer in range(layers) if layer not in seeing_all), None)
    window = 14
    if windowed is not None:
        window = (folder.shape(f"{prefix}blocks.{windowed}.attn.rel_pos_h")[0] + 1) // 2
    return {
        "hidden_size": hidden,
        "num_channels": channels,
        "patch_size": patch,
        "image_size": folder.shape(f"{prefix}pos_embed")[1] * patch,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "global_attn_indexes": seeing_all,
        "window_size": window,
        "mlp_dim": folder.shape(f"{prefix}blocks.0.mlp.lin1.weight")[0],
        "output_channels": folder.shape(f"{prefix}neck.0.weight")[0],
        "downsample_channels": [folder.shape(f"{prefix}net_{n}.weight")[0] for n in (2, 3)],
    }


def _vision(folder: WeightFolder) -> dict[str, Any]:
    prefix = "model.vision_model."
    width = folder.config.get("vision_config", {}).get("width", {}).get(_CLIP, {})
    positions, hidden = folder.shape(f"{prefix}embeddings.position_embedding.weight")
    patch = int(width.get("patch_size", 14))
    return {
        "sam_config": _sam(folder),
        "encoder_config": {
            "hidden_size": hidden,
            "intermediate_size": folder.shape(f"{prefix}transformer.layers.0.mlp.fc1.weight")[0],
            "num_hidden_layers": int(width.get("layers", 24)),
            "num_attention_heads": int(width.get("heads", 16)),
            "patch_size": patch,
            "image_size": round((positions - 1) ** 0.5) * patch,
        },
    }


def _vision_2(folder: WeightFolder) -> dict[str, Any]:
    """DeepSeek-OCR 2: Qwen2-0.5B as the second encoder. Its head size (64) and rope base are in no file."""
    prefix = "model.qwen2_model.model.model.layers."
    widths = folder.config.get("vision_config", {}).get("width", {})
    width = next((widths[name] for name in _QWEN if isinstance(widths.get(name), dict)), {})
    hidden = folder.shape(f"{prefix}0.self_attn.q_proj.weight")[1]
    head = int(width.get("head_dim", 64))
    layers = {name[len(prefix) :].split(".")[0] for name in folder.tensors if name.startswith(prefix)}
    return {
        "sam_config": _sam(folder),
        "encoder_config": {
            "hidden_size": hidden,
            "intermediate_size": folder.shape(f"{prefix}0.mlp.gate_proj.weight")[0],
            "num_hidden_layers": len(layers),
            "num_attention_heads": hidden // head,
            "num_key_value_heads": folder.shape(f"{prefix}0.self_attn.k_proj.weight")[0] // head,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
        },
    }
