"""Makes the judge's OpenVINO graph, once, in a process of its own (why: `index/embedder_convert.py`).

    python -m index.judge_convert TARGET_DIRECTORY

Writes `judge.xml`, `judge.bin`, `tokenizer.json` and `judge.json` (which change, how far int8 products are from
float32), all or nothing. Prints one line of JSON; exit status 0 or 1.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from index import embedder_int8, graphs
from index.judge_weights import CHANGE, NAME, verified

GRAPH = "v2"
META = "judge.json"
FOLDER = "judge"
"""Where the graph is in a folder of prepared models (`index/embedder_prepared.py`)."""
FILES = ("judge.xml", "judge.bin", "tokenizer.json", META)
HIDDEN = 256
MOST_DIFFERENCE = 0.02
"""A graph whose log-odds differ more from torch's than this is not used."""
_WIDTH = 48


def build(directory: Path, changes: dict[str, Any]) -> Any:
    """The judge as a torch module: token ids, mask and types `(B, T)`, and float masks of the question's own tokens
    `(B, T)` and of each piece's `(B, P, T)`, to log-odds `(B, P)`. The encoder's layers see the question and the whole
    window; the head sees the mean vector of a piece, that of the question, and [CLS].
    """
    import torch
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(
        str(directory), device="cpu", local_files_only=True, trust_remote_code=False, backend="torch"
    )[0].auto_model

    class Pair(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = encoder.float()
            dim = self.bert.config.hidden_size
            self.head = torch.nn.Sequential(
                torch.nn.Linear(3 * dim, HIDDEN), torch.nn.GELU(), torch.nn.Linear(HIDDEN, 1)
            )

        def forward(
            self,
            input_ids: torch.Tensor,
            attention_mask: torch.Tensor,
            token_type_ids: torch.Tensor,
            asked: torch.Tensor,
            said: torch.Tensor,
        ) -> torch.Tensor:
            seen = self.bert(
                input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            ).last_hidden_state
            return self.weigh(seen, asked, said)

        def weigh(self, seen: torch.Tensor, asked: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
            """The head alone, over what the encoder saw `(B, T, dim)`."""

            def mean(mask: torch.Tensor) -> torch.Tensor:
                return mask @ seen / mask.sum(2, keepdim=True).clamp(min=1)

            pieces = mean(said)
            beside = [one.expand(-1, pieces.shape[1], -1) for one in (mean(asked[:, None]), seen[:, :1])]
            rows = torch.cat([pieces, *beside], -1).flatten(0, 1)
            return self.head(rows).reshape(said.shape[0], said.shape[1])

    pair = Pair().eval()
    with torch.no_grad():
        for name, parameter in pair.bert.named_parameters():
            if name in changes:
                parameter.add_(changes[name].float())
        pair.head.load_state_dict(
            {key.removeprefix("head."): value.float() for key, value in changes.items() if key.startswith("head.")}
        )
    return pair


def convert(target: Path) -> dict[str, object]:
    """Make the graph and check it; returns what `judge.json` holds."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import numpy as np
    import openvino as ov
    import torch
    from safetensors.torch import load_file

    files = verified()
    pair = build(files.directory, load_file(CHANGE))
    drawn = np.random.default_rng(0).integers(1000, 20_000, (2, _WIDTH))
    place = np.arange(_WIDTH)[None].repeat(2, 0)
    inputs = {
        "input_ids": drawn,
        "attention_mask": np.ones_like(drawn),
        "token_type_ids": (place > 12).astype(np.int64),
        "asked": ((place > 0) & (place < 12)).astype(np.float32),
        "said": np.stack([place // 10 == piece for piece in (2, 3, 4)], 1).astype(np.float32),
    }
    example = {name: torch.from_numpy(value) for name, value in inputs.items()}
    with torch.no_grad():
        graph = ov.convert_model(pair, example_input=example)
        theirs = pair(**example).numpy()

    def difference(graph: ov.Model, **properties: str) -> float:
        compiled = ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32", **properties})
        return float(np.abs(compiled(inputs)[0] - theirs).max())

    exact = difference(graph)
    if exact > MOST_DIFFERENCE:
        raise RuntimeError(f"the graph's log-odds differ from torch's by {exact:.4f}")
    narrowed = graph.clone()
    embedder_int8.quantise(narrowed)
    meta = {"name": NAME, "graph": GRAPH, "difference": round(exact, 5)}
    meta["difference_int8"] = round(difference(narrowed, **embedder_int8.PROPERTIES), 5)
    with graphs.whole(target, META) as staging:
        ov.save_model(graph, staging / "judge.xml", compress_to_fp16=False)
        shutil.copyfile(files.directory / "tokenizer.json", staging / "tokenizer.json")
        (staging / META).write_text(json.dumps(meta))
    return meta


def main() -> int:
    try:
        print(json.dumps(convert(Path(sys.argv[1]))))
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
