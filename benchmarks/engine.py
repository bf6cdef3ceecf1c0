"""Speed of the vision-token engine, with full-size random weights: encoding, decoding, whole pages, memory.

On a machine with a GPU, in less than nine minutes, without network and with nothing but torch, transformers and this
repository:

    python -m benchmarks.engine --device cuda

Decoding is measured at a context of `CONTEXT` tokens beside transformers' `generate()`, which gets a cache of the same
length, the same no-repeat rule and each of its experts implementations that fits the device; the two alternate, and
the best of `ROUNDS` counts for either, as other programs only ever slow things down. On CUDA `generate` swaps
"grouped_mm" for an implementation that copies each token's experts; registered under another name it stays.

The roofline is the larger of the time to read the weights of the experts that are hit (expected number, random routing)
and the keys, and the time to compute, at the bandwidth and rate that this run measured. Sections that a run does not
measure are kept in the result.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import re
import resource
import time

import numpy as np
import torch
from PIL import Image

from benchmarks import report
from worker.engine.checkpoint import random_model
from worker.engine.deepseek import layout
from worker.engine.deepseek.encoder import Encoder
from worker.engine.deepseek.generate import DecodeEngine
from worker.engine.deepseek.modes import BASE, DEEPSEEK_OCR, TINY, modes_of
from worker.engine.deepseek.next_token import RUNNING
from worker.engine.deepseek.plan import slot_bytes
from worker.engine.deepseek.requests import DecodeConfig, Prefix

CONTEXT = 780  # a Base page with half of 1,000 tokens written
ROUNDS = 3
BATCHES = {"cpu": (1, 8), "cuda": (1, 8, 32, 128, 256)}
STEPS = {"cpu": 6, "cuda": 64}
NGRAM, WINDOW = 30, 90
NEVER = (-1,)  # an end token that is not in the vocabulary
PARTS = ("encode", "decode", "pages")
NOT_MEASURED = "not measured"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=("cpu", "cuda"))
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--pages", type=int, default=0, help="of the end-to-end run (0: 512 on a GPU, 4 on a CPU)")
    parser.add_argument(
        "--tokens", type=int, default=0, help="that each page gets there (0: 1000 on a GPU, 32 on a CPU)"
    )
    parser.add_argument("--batches", nargs="*", type=int)
    options = parser.parse_args()
    device = options.device
    loaded = random_model("full", device=device)
    sections = kept()
    sections[f"{device}: device"] = f"{name(device)}, torch {torch.__version__}, {loaded.placement}."
    with torch.inference_mode():
        if "encode" in options.only:
            sections[f"{device}: encode"] = encode(loaded, device)
        if "decode" in options.only:
            sections[f"{device}: decode"] = decode(loaded, device, options.batches or BATCHES[device])
    if "pages" in options.only:
        gpu = device == "cuda"
        sections[f"{device}: pages"] = pages(
            loaded, device, options.pages or (512 if gpu else 4), options.tokens or (1000 if gpu else 32)
        )
    for part in ("device", *PARTS):
        for other in ("cpu", "cuda"):
            sections.setdefault(f"{other}: {part}", NOT_MEASURED)
    order = [f"{which}: {part}" for which in ("cuda", "cpu") for part in ("device", *PARTS)]
    report.publish("engine", "The vision-token engine", *(f"## {key}\n\n{sections[key]}" for key in order))


def kept() -> dict[str, str]:
    """Sections of the result that is there."""
    path = report.RESULTS / "engine.md"
    text = path.read_text() if path.exists() else ""
    found = re.findall(r"^## (\w+: \w+)\n\n(.*?)(?=\n\n## |\Z)", text, re.MULTILINE | re.DOTALL)
    return {key: body.strip() for key, body in found}


def name(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else report.machine()


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def ceilings(device: str, dtype: torch.dtype) -> tuple[float, float]:
    """Bytes per second of reading (a sum; on a GPU a copy, both ways counted) and operations per second."""
    big = torch.empty(1 << (31 if device == "cuda" else 28), dtype=torch.uint8, device=device).fill_(1)
    other = torch.empty_like(big) if device == "cuda" else None
    side = 8192 if device == "cuda" else 1024
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))

    def move() -> None:
        if other is None:
            big.view(torch.float32).sum()
        else:
            other.copy_(big)

    moved = len(big) * (2 if device == "cuda" else 1)
    return moved / best(move, device, 5), 2 * side**3 / best(lambda: a @ b, device, 5)


def best(run, device: str, rounds: int) -> float:
    """Seconds of the fastest of `rounds` runs, after one that does not count."""
    run()
    times = []
    for _ in range(rounds):
        wait(device)
        began = time.perf_counter()
        run()
        wait(device)
        times.append(time.perf_counter() - began)
    return min(times)


def scan(size: tuple[int, int], seed: int) -> Image.Image:
    """A page of noise: speed does not depend on what is on it."""
    noise = np.random.default_rng(seed).integers(0, 256, (size[1] // 8, size[0] // 8, 3), np.uint8)
    return Image.fromarray(noise).resize(size)


def encode(loaded, device: str) -> str:
    encoder = Encoder(loaded)
    rows = []
    many = 32 if device == "cuda" else 1
    encoder.encode([scan((1240, 1754), 0)], [TINY])  # what is slow at the first time only
    for mode in modes_of(DEEPSEEK_OCR):
        images = [scan((1240, 1754), seed) for seed in range(many)]
        times = []
        for _ in range(ROUNDS if device == "cuda" else 1):
            wait(device)
            began = time.perf_counter()
            found = encoder.encode(images, [mode] * many)
            wait(device)
            times.append(time.perf_counter() - began)
        seconds, tokens = min(times), len(found[0].array) + (0 if found[0].tiles is None else len(found[0].tiles))
        rows.append([mode.name, tokens, many, many / seconds, seconds / many])
    return report.table(["mode", "tokens of a page", "pages in a batch", "pages/s", "s per page"], rows) + (
        "\n\nA4 at 150 dpi, preprocessing included (one thread); on a CPU one run."
    )


class Ours:
    """Steps of the engine's slots at a given number of running rows, their keys filled with random numbers."""

    def __init__(self, loaded, most: int) -> None:
        config = DecodeConfig(
            slots=most,
            max_context=CONTEXT + 256,
            max_new_tokens=CONTEXT,
            eos=NEVER,
            loop_tail=0,
            loop_bans=0,
            keep_model=True,
        )
        self.engine = DecodeEngine(loaded, config)
        self.device = loaded.device.type
        slots = self.engine._slots
        slots.cache.keys.normal_()
        slots.cache.values.normal_()

    def run(self, batch: int, steps: int) -> float:
        """Tokens per second."""
        slots = self.engine._slots
        wait(self.device)
        with self.engine._on_stream():
            for row in range(batch):
                slots.start(row, CONTEXT - 100, 2 * CONTEXT)
                slots.position[row], slots.count[row] = CONTEXT, 100
                slots.token[row] = (row * 7919 + 17) % self.engine.decoder.shape.vocab
                slots.done[row] = RUNNING
            slots.out[:batch, :100] = torch.arange(100, device=slots.out.device) + 5
            for _ in range(2):
                self.engine._steps.run(batch, CONTEXT + steps)
            wait(self.device)
            began = time.perf_counter()
            for _ in range(steps):
                self.engine._steps.run(batch, CONTEXT + steps)
            wait(self.device)
            return batch * steps / (time.perf_counter() - began)


class Theirs:
    """`generate()` of the native model, continuing a filled cache."""

    def __init__(self, loaded) -> None:
        from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS, grouped_mm_experts_forward

        ALL_EXPERTS_FUNCTIONS.register("gmm", grouped_mm_experts_forward)
        self.loaded, self.device = loaded, loaded.device.type
        self.ways = ("gmm", "batched_mm", "eager") if self.device == "cuda" else ("gmm", "eager")
        loaded.model.generation_config.no_repeat_ngram_window_size = WINDOW

    def run(self, way: str, batch: int, steps: int) -> float:
        """Tokens per second, from the first new token to the last."""
        from transformers import DynamicCache

        model, text = self.loaded.model, self.loaded.config.text_config
        model.set_experts_implementation(way)
        heads, dim = text.num_key_value_heads, text.hidden_size // text.num_attention_heads

        cache = DynamicCache(config=text)
        for layer in range(text.num_hidden_layers):
            shape = (batch, heads, CONTEXT, dim)
            keys = torch.randn(shape, device=self.loaded.device, dtype=self.loaded.dtype)
            cache.update(keys, keys.clone(), layer)
        ids = torch.randint(5, text.vocab_size, (batch, CONTEXT + 1), device=self.loaded.device)
        stamps: list[float] = []

        def stamp(_ids: torch.Tensor, _scores: object, **_: object) -> torch.Tensor:
            wait(self.device)
            stamps.append(time.perf_counter())
            return torch.zeros(batch, dtype=torch.bool, device=self.loaded.device)

        model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            past_key_values=cache,
            do_sample=False,
            min_new_tokens=steps + 1,
            max_new_tokens=steps + 1,
            no_repeat_ngram_size=NGRAM,
            pad_token_id=2,
            stopping_criteria=[stamp],
        )
        return batch * steps / (stamps[-1] - stamps[0])


def roofline(engine: DecodeEngine, loaded, batch: int, bandwidth: float, rate: float) -> float:
    """Tokens per second at most."""
    text = loaded.config.text_config
    item = loaded.dtype.itemsize
    sparse = sum(kind == "sparse" for kind in text.mlp_layer_types)
    expert = 3 * text.hidden_size * text.moe_intermediate_size
    hit = text.n_routed_experts * (1 - (1 - text.num_experts_per_tok / text.n_routed_experts) ** batch)
    others = (
        text.num_hidden_layers * 4 * text.hidden_size**2
        + (text.num_hidden_layers - sparse) * 3 * text.hidden_size * text.intermediate_size
        + sparse * text.n_shared_experts * expert
        + text.vocab_size * text.hidden_size
    )
    keys = slot_bytes(engine.decoder.shape, CONTEXT - 1, loaded.dtype)
    moved = (others + sparse * hit * expert) * item + batch * keys
    operations = batch * (2 * (others + sparse * text.num_experts_per_tok * expert) + 2 * keys / item)
    return batch / max(moved / bandwidth, operations / rate)


def decode(loaded, device: str, batches: tuple[int, ...]) -> str:
    bandwidth, rate = ceilings(device, loaded.dtype)
    theirs = Theirs(loaded)
    ours = Ours(loaded, max(batches))
    rows = []
    steps = STEPS[device]
    for batch in batches:
        own, native = 0.0, dict.fromkeys(theirs.ways, 0.0)
        for _ in range(ROUNDS):
            own = max(own, ours.run(batch, steps))
            for way in theirs.ways:
                if way == "batched_mm" and batch > 8:  # copies 59 GB of weights in each step at 128
                    continue
                with contextlib.suppress(torch.OutOfMemoryError):
                    native[way] = max(native[way], theirs.run(way, batch, min(steps, 16)))
        fastest = max(native, key=lambda way: native[way])
        most = roofline(ours.engine, loaded, batch, bandwidth, rate)
        way = ours.engine._steps.way(batch)
        chosen = type(ours.engine.decoder.layers[-1].experts[way or 0]).__name__
        rows.append([batch, own, native[fastest], fastest, own / native[fastest], most, f"{own / most:.0%}", chosen])
        print(rows[-1], flush=True)
    note = (
        f"\n\nContext {CONTEXT}; attention {type(ours.engine.attention).__name__}, weights "
        f"{'in blocks' if ours.engine.decoder.packed else 'as rows'}; measured: {bandwidth / 1e9:.1f} GB/s, "
        f"{rate / 1e9:.0f} GFLOP/s. Peak memory with both: {peak(device):.1f} GiB. The best of {ROUNDS} rounds of "
        f"{steps} steps."
    )
    ours.engine.close()
    del ours
    gc.collect()
    header = ["batch", "tokens/s", "generate()", "its experts", "times", "roofline", "of it", "our experts"]
    return report.table(header, rows) + note


def pages(loaded, device: str, count: int, tokens: int) -> str:
    """Pages in, tokens out: a thread encodes ahead while the engine decodes."""
    gpu = device == "cuda"
    mode = BASE if gpu else TINY
    slots = 256 if gpu else 8
    config = DecodeConfig(
        slots=slots,
        max_context=512 + tokens,
        max_new_tokens=tokens,
        eos=NEVER,
        loop_tail=0,
        loop_bans=0,
        keep_model=True,
    )
    began = time.perf_counter()
    engine = DecodeEngine(loaded, config)
    engine.warm()
    ready = time.perf_counter() - began
    encoder = Encoder(loaded)
    words = tuple(range(200, 212))
    images = [scan((1240, 1754), seed) for seed in range(min(count, 32))]
    began = time.perf_counter()
    futures = []
    ahead = 32 if gpu else 1
    for start in range(0, count, ahead):
        batch = [images[number % len(images)] for number in range(start, min(count, start + ahead))]
        for one in encoder.encode(batch, [mode] * len(batch)):
            rows = layout.sequence(loaded, one)
            futures.append(engine.submit(Prefix((loaded.bos, *[loaded.image_id] * len(rows), *words), rows)))
    written = sum(len(future.result().tokens) for future in futures)
    seconds = time.perf_counter() - began
    engine.close()
    rows = [
        [mode.name, count, tokens, engine.slots, seconds, count / seconds, count / seconds * 86400, written / seconds]
    ]
    header = ["mode", "pages", "tokens each", "slots", "seconds", "pages/s", "pages/day", "tokens/s"]
    return report.table(header, rows) + (
        f"\n\nFrom pixels, start and end of the run included; {ready:.0f} s to set up. Peak memory: "
        f"{peak(device):.1f} GiB."
    )


def peak(device: str) -> float:
    """GiB: of the GPU, or of this process."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
