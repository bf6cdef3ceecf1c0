"""Loading weights: what is whole loads exactly, everything else is refused with its own code."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from index.errors import ConfigError
from tests.engine_deepseek_kit import checkpoint, model, page
from tests.reference_deepseek import Reference, read_weights
from worker.engine.checkpoint import SIZES, main, random_model
from worker.engine.deepseek import device as device_module
from worker.engine.deepseek.device import place
from worker.engine.deepseek.encoder import Encoder
from worker.engine.deepseek.layout import sequence
from worker.engine.deepseek.load import load_model, locate
from worker.engine.deepseek.memory import host_memory
from worker.engine.deepseek.modes import DEEPSEEK_OCR, DEEPSEEK_OCR_2, KINDS, TINY, UNLIMITED_OCR
from worker.engine.deepseek.randoms import original_tensors

SHARD = "model-00001-of-000001.safetensors"


@pytest.fixture
def folder(tmp_path):
    """A copy that may be spoilt."""
    shutil.copytree(checkpoint(), tmp_path / "weights")
    return tmp_path / "weights"


def refused(folder, **options) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_model(folder, device="cpu", dtype="float32", **options)
    return caught.value


def edit(folder, change) -> None:
    """Rewrite the tensors, and the index with them."""
    tensors = load_file(folder / SHARD)
    change(tensors)
    save_file(tensors, folder / SHARD, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": dict.fromkeys(tensors, SHARD)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def configure(folder, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def test_full_size_matches_the_published_checkpoint():
    """2,711 tensors with 3,336,106,240 weights, as the index of the public checkpoint counts them."""
    tensors = list(original_tensors(SIZES["full"], DEEPSEEK_OCR))
    assert len({tensor.name for tensor in tensors}) == len(tensors) == 2711
    assert sum(tensor.numbers for tensor in tensors if not tensor.integers) == 3_336_106_240


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_loads(kind):
    """From its original layout, with its constants, special tokens and attention."""
    loaded = model(kind)
    assert loaded.kind == kind
    assert (loaded.bos, loaded.eos, loaded.dim) == (0, 1, 64)
    assert loaded.tokenizer.encode("<image>", add_special_tokens=False).ids == [loaded.image_id]
    assert [loaded.tokenizer.id_to_token(number) for number in loaded.table_ids] == ["<td>", "</td>"]
    assert loaded.config.image_token_id == loaded.image_id
    weights = read_weights(checkpoint(kind))
    assert torch.equal(loaded.view_separator, weights["model.view_seperator"])
    if kind == DEEPSEEK_OCR_2:
        assert loaded.image_newline is None
    else:
        assert torch.equal(loaded.image_newline, weights["model.image_newline"])
        wanted = "full_attention" if kind == DEEPSEEK_OCR else "reference_sliding_attention"
        assert set(loaded.config.text_config.layer_types) == {wanted}
    experts = loaded.model.model.language_model.layers[1].mlp.experts
    assert torch.equal(experts.down_proj[5], weights["model.layers.1.mlp.experts.5.down_proj.weight"])


def test_grounding_tags_survive_the_tokenizer():
    """Text goes there and back, tags and bytes of every language included."""
    tokenizer = model().tokenizer
    text = "<|ref|>Straße 北京<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>\n<td>é</td>"
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert tokenizer.decode([0, *ids, 1], skip_special_tokens=True) == text


def greedy(loaded, tokens, prompt, count):
    ids = torch.tensor([[loaded.bos] + [loaded.image_id] * len(tokens) + prompt])
    with torch.inference_mode():
        embeddings = loaded.model.get_input_embeddings()(ids)
        embeddings[ids == loaded.image_id] = tokens
        made = loaded.model.generate(
            inputs_embeds=embeddings,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=count,
            eos_token_id=loaded.eos,
            pad_token_id=2,
        )
    return made[0].tolist()


def test_the_wrong_attention_writes_another_text(folder):
    """DeepSeek-OCR sees all it wrote. Loaded with the native class's default, it errs after 128 tokens, silently.

    The text is compared with the reference, so this fails should the loader ever take that default.
    """
    loaded = model()
    tokens = sequence(loaded, Encoder(loaded).encode([page(1)], [TINY])[0])
    prompt = loaded.tokenizer.encode("\nFree OCR.", add_special_tokens=False).ids
    reference = Reference(checkpoint())
    written = greedy(loaded, tokens, prompt, 180)
    assert len(written) > 150
    with torch.inference_mode():
        full = torch.cat([reference.embeddings(tokens, prompt), reference.w["model.embed_tokens.weight"][written[:-1]]])
        assert reference.logits(full)[-len(written) :].argmax(dim=1).tolist() == written

    configure(folder, model_type="unlimited-ocr", architectures=["UnlimitedOCRForCausalLM"])
    trapped = load_model(folder, device="cpu", dtype="float32")
    assert trapped.kind == UNLIMITED_OCR
    assert trapped.config.text_config.sliding_window == 128
    other = greedy(trapped, tokens, prompt, 180)
    assert other[:120] == written[:120]
    assert other != written


def test_a_native_folder_loads_too(tmp_path):
    """What transformers saves under its own key names gives the same model."""
    loaded = model(UNLIMITED_OCR)
    loaded.model.save_pretrained(tmp_path, save_original_format=False)
    shutil.copy(checkpoint(UNLIMITED_OCR) / "tokenizer.json", tmp_path)
    again = load_model(tmp_path, device="cpu", dtype="float32")
    assert again.kind == UNLIMITED_OCR
    assert again.config.text_config.sliding_window == loaded.config.text_config.sliding_window
    for (name, old), (_, new) in zip(loaded.model.named_parameters(), again.model.named_parameters(), strict=True):
        assert torch.equal(old, new), name


def test_a_missing_tensor(folder):
    """A partly loaded model would write nonsense: it is refused, and the tensor named."""
    edit(folder, lambda tensors: tensors.pop("model.layers.2.self_attn.q_proj.weight"))
    error = refused(folder)
    assert error.code == "weights_mismatch"
    assert "layers.2.self_attn.q_proj" in error.message
    assert "missing" in error.message


def test_a_missing_expert(folder):
    """One of eight experts missing: the merge into one tensor cannot hide it."""
    edit(folder, lambda tensors: tensors.pop("model.layers.2.mlp.experts.7.up_proj.weight"))
    assert refused(folder).code == "weights_mismatch"


def test_a_surplus_tensor(folder):
    """A tensor that has no place says that these are other weights."""
    edit(folder, lambda tensors: tensors.update({"model.layers.9.mystery.weight": torch.zeros(3)}))
    error = refused(folder)
    assert error.code == "weights_mismatch"
    assert "mystery" in error.message


def test_a_tensor_of_another_shape(folder):
    """It is refused, not cut or filled up."""
    edit(folder, lambda tensors: tensors.update({"model.norm.weight": torch.zeros(32)}))
    assert refused(folder).code == "weights_mismatch"


@pytest.mark.parametrize("keep", [0, 5, 300, 0.5, -1])
def test_a_truncated_file(folder, keep):
    """A copy that broke off, anywhere, is found before anything is loaded."""
    content = (folder / SHARD).read_bytes()
    keep = int(len(content) * keep) if isinstance(keep, float) else keep
    (folder / SHARD).write_bytes(content[:keep])
    error = refused(folder)
    assert error.code == "weights_damaged"
    assert SHARD in error.message


@pytest.mark.parametrize(
    "header", [b"\xff" * 8, b"\x00" * 8, b"\x02" + b"\x00" * 7 + b"[]", b"\x02" + b"\x00" * 7 + b"{]"]
)
def test_a_file_that_is_no_safetensors(folder, header):
    """Hostile headers neither take memory nor crash."""
    (folder / SHARD).write_bytes(header)
    assert refused(folder).code == "weights_damaged"


def test_a_missing_shard(folder):
    """The index names a file that is not there."""
    (folder / SHARD).unlink()
    error = refused(folder)
    assert error.code == "weights_missing"
    assert SHARD in error.message


def test_an_index_that_leads_out_of_its_folder(folder):
    """A path in an index is a file name, nothing more."""
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": "../../secret.safetensors"}}))
    assert refused(folder).code == "weights_damaged"


def test_an_index_that_promises_more(folder):
    """A tensor that the index names but no file holds."""
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"]["model.extra"] = SHARD
    path.write_text(json.dumps(index))
    assert refused(folder).code == "weights_damaged"


def test_pickles_only(folder):
    """Pickled weights can run code: they are never opened."""
    (folder / SHARD).unlink()
    (folder / "model.safetensors.index.json").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    error = refused(folder)
    assert error.code == "weights_unsafe"
    assert "safetensors" in error.message


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "llama"},
        {"model_type": "unlimited_ocr", "language_config": None},
        {"language_config": {"use_mla": True, "num_hidden_layers": 4}},
        {"model_type": None},
    ],
)
def test_another_architecture(folder, changes):
    """Weights of another model are named as such."""
    configure(folder, **changes)
    assert refused(folder).code == "wrong_architecture"


def test_a_language_model_alone(folder):
    """DeepSeek-VL2 has the same model type but other encoders."""
    edit(folder, lambda tensors: [tensors.pop(name) for name in list(tensors) if "sam_model" in name])
    assert refused(folder).code == "wrong_architecture"


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
@pytest.mark.parametrize(
    ("content", "code"), [(None, "weights_missing"), ("{", "weights_damaged"), ("[]", "weights_damaged")]
)
def test_broken_companions(folder, name, content, code):
    """config.json and tokenizer.json: absent, cut off, or of another kind."""
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    assert refused(folder).code == code


def test_a_tokenizer_of_another_model(folder):
    """It has more tokens than the weights have places, or none for images."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["added_tokens"].append(tokenizer["added_tokens"][-1] | {"id": 320, "content": "<more>"})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert refused(folder).code == "weights_mismatch"


def test_no_folder(tmp_path):
    """A path that does not exist is said to."""
    assert refused(tmp_path / "nowhere").code == "weights_missing"


def test_the_hub_wants_a_commit():
    """A branch can be given other weights over night: only a commit will do."""
    for revision in (None, "main", "abc"):
        with pytest.raises(ConfigError) as caught:
            locate("deepseek-ai/DeepSeek-OCR", revision)
        assert caught.value.code == "revision_not_pinned"


def test_the_hub_out_of_reach():
    """Without network and cache (as all tests run) the message says what to do."""
    with pytest.raises(ConfigError, match="copy the folder") as caught:
        locate("deepseek-ai/no-such-model", "0" * 40)
    assert caught.value.code == "weights_offline"


def test_too_little_memory(monkeypatch):
    """Asked before loading; the message says how much is needed and how much there is."""
    monkeypatch.setattr("worker.engine.deepseek.memory.host_memory", lambda: 1 << 20)
    error = refused(checkpoint())
    assert error.code == "not_enough_memory"
    assert "GiB" in error.message


def test_memory_of_a_container(tmp_path):
    """A container's limit counts, less what is taken but for file cache; without one the system's figure does."""
    proc = tmp_path / "meminfo"
    proc.write_text("MemTotal: 4096 kB\nMemAvailable: 2048 kB\n")
    assert host_memory(proc, tmp_path) == 2048 * 1024
    for name, text in (("max", "1000000"), ("current", "700000"), ("stat", "inactive_file 100000\nactive_file 50000")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert host_memory(proc, tmp_path) == 450000
    (tmp_path / "memory.max").write_text("max")
    assert host_memory(proc, tmp_path) == 2048 * 1024
    assert host_memory(tmp_path / "none", tmp_path / "none") is None


def test_the_revision_names_the_weights(folder):
    """The same folder elsewhere has the same name; one changed weight, or another configuration, another name."""
    first = load_model(folder, device="cpu", dtype="float32").revision
    assert first == model().revision
    assert first.startswith("local-")
    edit(folder, lambda tensors: tensors["model.norm.weight"].add_(1))
    second = load_model(folder, device="cpu", dtype="float32").revision
    configure(folder, comment="another")
    third = load_model(folder, device="cpu", dtype="float32").revision
    assert len({first, second, third}) == 3


def test_random_checkpoints_repeat(tmp_path):
    """One seed gives the same bytes each time, another seed other weights."""
    main([str(tmp_path / "a"), "--kind", DEEPSEEK_OCR, "--seed", "0"])
    main([str(tmp_path / "b"), "--seed", "1"])
    assert (tmp_path / "a" / SHARD).read_bytes() == (checkpoint() / SHARD).read_bytes()
    assert (tmp_path / "b" / SHARD).read_bytes() != (checkpoint() / SHARD).read_bytes()


def test_random_models_write_different_texts():
    """Different pages, different texts, none of which settles on one token: else comparing texts would prove little."""
    loaded = random_model(dtype="float32", device="cpu")
    prompt = loaded.tokenizer.encode("\nFree OCR.", add_special_tokens=False).ids
    tokens = Encoder(loaded).encode([page(seed) for seed in range(3)], [TINY] * 3)
    texts = [greedy(loaded, sequence(loaded, one), prompt, 80) for one in tokens]
    assert len({tuple(text) for text in texts}) == 3
    assert all(len(set(text)) > 25 for text in texts)


def test_placement_gives_its_reason(monkeypatch):
    """What was asked for is taken; what was left open is decided, by the processor, and explained."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    asked = place("cpu", "float32")
    assert (asked.dtype, asked.encoder_dtype, asked.attention) == (torch.float32, torch.float32, "sdpa")
    assert "as asked for" in asked.reason
    for units, decoder, encoder in (
        ("", torch.float32, torch.float32),
        ("avx512_bf16", torch.bfloat16, torch.float32),
        ("amx_bf16", torch.bfloat16, torch.bfloat16),
    ):
        monkeypatch.setattr(device_module, "_bf16_units", lambda units=units: units)
        chosen = place()
        assert (chosen.device.type, chosen.dtype, chosen.encoder_dtype) == ("cpu", decoder, encoder)
        assert "no CUDA" in chosen.reason
    for wanted in (("cuda", None), ("mps", None), ("warp9", None), ("cpu", "float16"), ("cpu", "int4")):
        with pytest.raises(ConfigError) as caught:
            place(*wanted)
        assert caught.value.code in {"bad_device", "bad_dtype"}
