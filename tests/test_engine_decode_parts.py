"""Parts of the decode engine: ways to compute experts, attention over slots, packed weights, a step's fixed shape."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from engine_decode_kit import engine, prefixes
from engine_deepseek_kit import checkpoint, model

from worker.engine.deepseek.attention import Exact, Masked, attend_prefix
from worker.engine.deepseek.decoder import Decoder
from worker.engine.deepseek.experts import AllExperts, GroupedExperts, HitExperts
from worker.engine.deepseek.load import load_model
from worker.engine.deepseek.matrices import can_pack

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("tokens", [1, 2, 9, 64])
def test_all_ways_to_compute_experts_agree(tokens):
    """With each other and with the native module, which weights by the probabilities as they are."""
    native = model().model.model.language_model.layers[1].mlp
    torch.manual_seed(tokens)
    with torch.inference_mode():
        x = torch.randn(tokens, model().dim)
        _, weight, index = native.gate(x)
        gate_up, down = native.experts.gate_up_proj, native.experts.down_proj
        expected = native(x[None])[0] - native.shared_experts(x)
        for way in (HitExperts(gate_up, down, pack=False), GroupedExperts(gate_up, down), AllExperts(gate_up, down)):
            assert (way(x, index, weight) - expected).abs().max() < 1e-4 * expected.abs().max()


@pytest.mark.parametrize("kv_heads", [4, 2])
def test_attention_over_slots_sees_what_is_filled_and_no_more(kv_heads):
    """Masked and exact attention equal a softmax over the filled keys; what lies behind them does not matter."""
    torch.manual_seed(0)
    q, keys, values = torch.randn(3, 4, 16), torch.randn(3, 41, kv_heads, 16), torch.randn(3, 41, kv_heads, 16)
    length = torch.tensor([1, 40, 13])
    for slot, filled in enumerate(length.tolist()):
        keys[slot, filled:], values[slot, filled:] = 1e4, 1e4
    for attend in (Masked(), Exact()):
        got = attend(q, keys, values, length, 40)
        for slot, filled in enumerate(length.tolist()):
            for head in range(4):
                group = head * kv_heads // 4
                weight = (keys[slot, :filled, group] @ q[slot, head] / 4).softmax(0)
                assert torch.allclose(got[slot, head], weight @ values[slot, :filled, group], atol=1e-5)


def test_attention_of_a_piece_equals_that_of_the_whole():
    """The last tokens of a prefix, computed alone, see all of it up to themselves."""
    torch.manual_seed(1)
    q, keys, values = torch.randn(3, 30, 4, 16).unbind(0)
    whole = attend_prefix(q, keys, values)
    assert torch.allclose(attend_prefix(q[18:], keys, values), whole[18:], atol=1e-5)


def test_a_step_leaves_rows_alone_that_do_not_run():
    """Nothing of their state moves and none of their keys: graphs may cover more rows than are running."""
    loaded = model()
    pages = prefixes(loaded, (20, 30, 25))
    running = engine(loaded, max_new_tokens=8)
    running.generate(pages)
    running.close()
    slots = running._slots
    with torch.inference_mode():
        before = [tensor.clone() for tensor in slots._state]
        keys = slots.cache.keys[:, :, : slots.capacity].clone()
        slots.step(slots.count_of_rows, 0)
        assert all(
            torch.equal(one, other) for one, other in zip(before[:-1], slots._state[:-1], strict=True) if one.ndim == 1
        )
        assert torch.equal(before[6][:, :-1], slots.out[:, :-1])
        assert torch.equal(keys.nan_to_num(), slots.cache.keys[:, :, : slots.capacity].nan_to_num())


def test_a_step_over_more_rows_than_run_writes_the_same():
    """Two pages in rows 0 and 1, steps over all four rows and with masked attention."""
    loaded = model()
    pages = prefixes(loaded, (20, 30))
    running = engine(loaded, slots=4, max_new_tokens=20)
    try:
        expected = [one.tokens for one in running.generate(pages)]
        running._slots.attention = Masked()
        with torch.inference_mode():  # as on CUDA, where the keys begin as zeros
            running._slots.cache.values.zero_()
            running._slots.cache.keys.zero_()
        step = running._slots.step
        running._slots.step = lambda rows, bound: step(4, 64)
        assert [one.tokens for one in running.generate(pages)] == expected
    finally:
        running.close()


def test_packed_weights_compute_the_same():
    """bfloat16 in oneDNN's order and as rows: equal to rounding. The packed one lets go of the model's own weights."""
    if not can_pack(torch.device("cpu"), torch.bfloat16):
        pytest.skip("this processor's torch has no packed bfloat16 weights")
    rows = Decoder(load_model(checkpoint(), device="cpu", dtype="bfloat16").model, pack=False)
    loaded = load_model(checkpoint(), device="cpu", dtype="bfloat16")
    packed = Decoder(loaded.model)
    torch.manual_seed(2)
    with torch.inference_mode():
        x = torch.randn(12, loaded.dim).bfloat16()
        cos, sin = rows.rotary(12)
        hidden = [
            one.forward(x, cos, sin, lambda _, q, k, v: attend_prefix(q, k, v).flatten(1)) for one in (rows, packed)
        ]
        one, other = (decoder.logits(state) for decoder, state in zip((rows, packed), hidden, strict=True))
    assert torch.linalg.vector_norm(one - other) < 0.05 * torch.linalg.vector_norm(one)
    assert loaded.model.lm_head.weight.numel() == 0
    assert loaded.model.model.language_model.embed_tokens.weight.numel() > 0


def test_rows_share_the_models_weights():
    """Without packing, the native model still generates: its projections are views of the fused ones."""
    loaded = load_model(checkpoint(), device="cpu", dtype="float32")
    decoder = Decoder(loaded.model)
    layer = loaded.model.model.language_model.layers[0].self_attn
    fused = decoder.layers[0].qkv.weight
    assert layer.q_proj.weight.data_ptr() == fused.data_ptr()
    assert torch.equal(torch.cat([layer.q_proj.weight, layer.k_proj.weight, layer.v_proj.weight]), fused)


def test_the_triton_kernel_computes_the_same():
    """Interpreted on the CPU, where Triton is installed: many lengths, grouped heads, keys behind the end are NaN."""
    if importlib.util.find_spec("triton") is None:
        pytest.skip("triton is not installed")
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _TRITON],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "equal" in done.stdout


_TRITON = """
import torch
from worker.engine.deepseek.attention import Masked
from worker.engine.deepseek.triton_attention import SplitKeys
torch.manual_seed(0)
for heads, groups, slots in ((4, 4, 3), (4, 2, 2)):
    q = torch.randn(slots, heads, 32)
    keys, values = torch.randn(2, slots, 301, groups, 32).unbind(0)
    length = torch.tensor([1, 300, 129][:slots])
    expected = Masked()(q, keys, values, length, 300)
    for slot, filled in enumerate(length.tolist()):
        keys[slot, filled:], values[slot, filled:] = float("nan"), float("nan")
    got = SplitKeys()(q, keys, values, length, 0)
    assert (got - expected).abs().max() < 1e-5, (got - expected).abs().max()
print("equal")
"""
