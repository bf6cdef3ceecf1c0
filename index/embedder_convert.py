"""Turns a sentence-transformers model into an OpenVINO graph, once, in a process of its own.

    python -m index.embedder_convert MODEL_DIRECTORY TARGET_DIRECTORY

A process of its own, because converting needs torch and transformers, which would stay in the
service's memory (about 450 MB) for nothing. Writes `model.xml`, `model.bin`, `tokenizer.json`
and `meta.json` (dim, max_tokens, the least cosine to torch on sample texts, the same with int8
products, whether the model averages its tokens), all or nothing.
Prints one line of JSON; exit status 0 or 1. Knows nothing of the index.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from index import embedder_int8, graphs

GRAPH = "v3"
"""Version of what is made here: older graphs in a cache are left alone, older prepared ones refused."""

MIN_COSINE = 0.999
"""A graph whose vectors differ more from torch's than this is not used."""

_SAMPLES = (
    "The annual general meeting of the society was held on 4 March 1923 in the town hall.",
    "Invoice INV-2024-0117: 12 reams of paper, 80 g/m², at £4.20, total £50.40 excluding VAT.",
    "Der Ausschuß beschloß, die Brücke über die Ilm im Frühjahr instand zu setzen.",
    "boiler pressure, feed water, and the coal used during the trial of the 11th",
    "x",
)


def averages_tokens(model: Sequence[object]) -> bool:
    """Whether the model's vector is the mean of its token vectors, so that parts of a text have vectors too."""
    modules = [type(module).__name__ for module in model]
    if modules not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        return False
    mode = getattr(model[1], "pooling_mode", None) or model[1].get_config_dict().get("pooling_mode")
    return mode == "mean" or bool(getattr(model[1], "pooling_mode_mean_tokens", False))


def convert(model_directory: Path, target: Path) -> dict[str, object]:
    """Convert and check; returns what `meta.json` holds."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import numpy as np
    import openvino as ov
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(
        str(model_directory), device="cpu", local_files_only=True, trust_remote_code=False, backend="torch"
    ).eval()
    max_tokens = int(model.max_seq_length or 512)
    fast = getattr(model.tokenizer, "backend_tokenizer", None)
    if fast is None:
        raise RuntimeError("the model has no fast tokenizer")

    class Graph(torch.nn.Module):
        """Token ids and mask (B, T) to unit vectors (B, dim) and token vectors (B, T, dim): the whole model in one
        graph.
        """

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            features = self.model({"input_ids": input_ids, "attention_mask": attention_mask})
            vectors = torch.nn.functional.normalize(features["sentence_embedding"], dim=1)
            return vectors, features["token_embeddings"]

    example = {
        "input_ids": torch.ones(2, 8, dtype=torch.long),
        "attention_mask": torch.ones(2, 8, dtype=torch.long),
    }
    with torch.no_grad():
        graph = ov.convert_model(Graph(), example_input=example)
    encoded = model.tokenizer(list(_SAMPLES), padding=True, truncation=True, max_length=max_tokens)
    inputs = {k: np.array(encoded[k], np.int64) for k in ("input_ids", "attention_mask")}
    theirs = model.encode(list(_SAMPLES), normalize_embeddings=True)

    def cosine_to_torch(graph: ov.Model, **properties: str) -> float:
        compiled = ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32", **properties})
        return float((compiled(inputs)[0] * theirs).sum(axis=1).min())

    cosine = cosine_to_torch(graph)
    if cosine < MIN_COSINE:
        raise RuntimeError(f"the graph's vectors differ from torch's: cosine {cosine:.5f}")
    narrowed = graph.clone()
    embedder_int8.quantise(narrowed)
    meta = {
        "dim": int(theirs.shape[1]),
        "max_tokens": max_tokens,
        "cosine": round(cosine, 6),
        "cosine_int8": round(cosine_to_torch(narrowed, **embedder_int8.PROPERTIES), 6),
        "averages": averages_tokens(model),
    }
    with graphs.whole(target, "meta.json") as staging:
        ov.save_model(graph, staging / "model.xml", compress_to_fp16=False)
        fast.no_padding()
        fast.no_truncation()
        fast.save(str(staging / "tokenizer.json"))
        (staging / "meta.json").write_text(json.dumps(meta))
    return meta


def main() -> int:
    model_directory, target = map(Path, sys.argv[1:3])
    try:
        print(json.dumps(convert(model_directory, target)))
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
