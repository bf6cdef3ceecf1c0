"""The training model: the same network as the native class, and losses that go down."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from worker.engine.deepseek.load import load_model
from worker.engine.deepseek.modes import MINI
from worker.train.batches import Batches, collate, prefix
from worker.train.curriculum import CURRICULA, cards, tiny, wanted
from worker.train.fonts import faces
from worker.train.forms import FORMS, TINY, configuration, new_model
from worker.train.model import IGNORED, TOKEN, Trainee, _stands, window_grid
from worker.train.muon import ENCODER, Optimizer, orthogonal
from worker.train.names import original
from worker.train.pages import Wanted, make_page
from worker.train.store import write_weights
from worker.train.text import Texts
from worker.train.tokenizer import EOS, train_tokenizer

SMALL = Wanted(128, 16, (22, 30), 0.5, 0.0)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TINY.dimensions.vocabulary)


@pytest.fixture(scope="module")
def pages():
    texts, known = Texts(), faces()
    return [make_page(SMALL, seed, texts, known) for seed in range(4)]


@pytest.fixture(scope="module")
def batch(pages, tokenizer):
    return collate(pages, tokenizer)


@pytest.fixture
def trainee(tokenizer):
    native = new_model(TINY, 1)
    native.config.image_token_id = tokenizer.token_to_id("<image>")
    return Trainee(TINY, native)


def _native_inputs(batch):
    pixels = batch.pixels[:, None].expand(-1, 3, -1, -1).float() * (2 / 255) - 1
    ids = torch.cat([batch.prefix.expand(len(pixels), -1), batch.inputs], dim=1)
    return ids, pixels


def test_forward_is_the_native_forward(trainee, batch):
    """The logits that training optimises are those of the native class on the same page and text."""
    trainee.eval()
    ids, pixels = _native_inputs(batch)
    with torch.no_grad():
        native = trainee.native(input_ids=ids, pixel_values=pixels, use_cache=False).logits
        _, tokens = trainee.see(batch.pixels)
        logits, *_ = trainee._read(tokens, batch)
    torch.testing.assert_close(logits, native[:, len(batch.prefix) - 1 :], atol=2e-5, rtol=1e-4)


def test_fused_ways_give_the_same(trainee, batch):
    """Attention with the bias folded in, and all experts at once, give the losses and gradients of the plain ways."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():  # the bias tables begin as zeros, which would hide an error
        for name, weight in trainee.named_parameters():
            if "rel_pos" in name:
                weight.normal_(0, 0.5, generator=generator)
    found = []
    for fused in (False, True):
        trainee.fused = fused
        trainee.zero_grad()
        losses = trainee(batch)
        (losses.text + losses.patches + losses.pointer).backward()
        grads = {name: weight.grad.clone() for name, weight in trainee.named_parameters() if weight.grad is not None}
        found.append((losses, grads))
    (plain, plain_grads), (other, other_grads) = found
    for name in ("text", "patches", "tokens", "pointer", "place"):
        torch.testing.assert_close(getattr(plain, name), getattr(other, name), atol=1e-5, rtol=1e-5)
    for name, grad in plain_grads.items():
        torch.testing.assert_close(grad, other_grads[name], atol=1e-5, rtol=1e-3, msg=name)


def test_sequence_is_the_native_sequence(trainee, batch):
    """Newlines and the separator stand where `get_image_features` puts them."""
    _, pixels = _native_inputs(batch)
    with torch.no_grad():
        native = torch.stack(trainee.native.get_image_features(pixel_values=pixels).pooler_output)
        _, tokens = trainee.see(batch.pixels)
    torch.testing.assert_close(trainee.sequence(tokens), native, atol=1e-5, rtol=1e-4)


def test_round_trip_through_files(trainee, batch, tokenizer, tmp_path):
    """Saved in the original layout and loaded by the engine's loader, the model gives identical logits."""
    native = trainee.native.eval()
    write_weights(tmp_path, TINY, tokenizer, native.state_dict(), torch.float32)
    loaded = load_model(tmp_path, device="cpu", dtype=torch.float32)
    assert loaded.kind == MINI
    assert loaded.config.text_config.layer_types == ["full_attention"] * TINY.dimensions.layers
    ids, pixels = _native_inputs(batch)
    with torch.no_grad():
        before = native(input_ids=ids, pixel_values=pixels, use_cache=False).logits
        after = loaded.model(input_ids=ids, pixel_values=pixels, use_cache=False).logits
    assert torch.equal(before, after)
    assert loaded.tokenizer.encode("£1,200 Ä").ids == tokenizer.encode("£1,200 Ä").ids


@pytest.mark.parametrize("form", FORMS.values(), ids=lambda form: form.name)
def test_large_forms_are_split_and_load_as_they_were_made(form, tmp_path):
    """Each form is written in files below 16 MiB, and the loader reads off them the sizes it was built with."""
    from worker.engine.deepseek.configure import configuration as read_off
    from worker.engine.deepseek.weights import look_into

    with torch.device("meta"):
        from transformers import UnlimitedOcrForConditionalGeneration

        state = UnlimitedOcrForConditionalGeneration(configuration(form)).state_dict()
    zeros = {name: torch.zeros(weight.shape, dtype=torch.bfloat16) for name, weight in state.items()}
    tokenizer = train_tokenizer(form.dimensions.vocabulary)
    write_weights(tmp_path, form, tokenizer, zeros, torch.bfloat16)
    folder = look_into(tmp_path)
    assert all(path.stat().st_size < 16 << 20 for path in folder.files)
    assert sum(path.stat().st_size for path in folder.files) < 60e6
    mine, found = configuration(form).to_dict(), read_off(folder, MINI).to_dict()
    for part in ("sam_config", "encoder_config"):
        for key, value in mine["vision_config"][part].items():
            if key != "initializer_range":
                assert found["vision_config"][part][key] == value, key
    for key in ("hidden_size", "num_hidden_layers", "n_routed_experts", "moe_intermediate_size", "layer_types"):
        assert found["text_config"][key] == mine["text_config"][key], key


def test_original_names_keep_every_number(trainee):
    """Renaming loses and invents nothing: as many numbers in the original layout as in the native one."""
    state = trainee.native.state_dict()
    files = original(state)
    assert sum(weight.numel() for weight in files.values()) == sum(weight.numel() for weight in state.values())
    assert "model.view_seperator" in files
    assert not any("vision_tower" in name or "q_proj" in name and "vision_model" in name for name in files)


def test_all_losses_go_down(trainee, batch):
    """Four cards are learned by heart in seconds: every loss falls, and the text is written without an error."""
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(trainee.parameters(), lr=3e-3)
    first = last = None
    for _ in range(160):
        last = trainee(batch)
        first = first or {name: float(getattr(last, name).detach()) for name in last.__slots__}
        loss = last.text + last.patches + last.tokens + 0.3 * last.pointer + 0.3 * last.place + 0.01 * last.balance
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)
        optimizer.step()
    for name in ("text", "patches", "tokens", "pointer", "place"):
        assert float(getattr(last, name).detach()) < 0.6 * first[name], name
    assert float(last.text.detach()) < 0.2
    assert float(last.text_accuracy) > 0.97


def test_pointer_teaches_where_to_look(trainee, batch):
    """The pointer's loss alone moves the heads' attention: it falls below what an even guess would give."""
    optimizer = torch.optim.AdamW(trainee.parameters(), lr=3e-3)
    for _ in range(40):
        losses = trainee(batch)
        optimizer.zero_grad()
        (losses.pointer + losses.place).backward()
        optimizer.step()
    rows = batch.pixels.shape[-1] // TOKEN
    assert float(losses.pointer.detach()) < 0.8 * np.log(rows * (rows + 1))


def test_windows_teach_when_to_look(trainee, batch):
    """The window's loss alone brings heads to look at a token only for characters of their own part of it."""
    optimizer = torch.optim.AdamW(trainee.parameters(), lr=3e-3)
    first = float(trainee(batch).window.detach())
    for _ in range(60):
        losses = trainee(batch)
        optimizer.zero_grad()
        (losses.window + losses.place).backward()
        optimizer.step()
    assert float(losses.window.detach()) < 0.6 * first


@pytest.mark.parametrize(
    ("heads", "grid"), [(1, (1, 1)), (2, (2, 1)), (4, (2, 2)), (8, (4, 2)), (16, (4, 4)), (20, (4, 4))]
)
def test_every_window_has_a_head(heads, grid):
    """A token is parted into as many windows as heads can take, 4 x 4 at most."""
    assert window_grid(heads) == grid


def test_a_character_stands_in_one_window(batch):
    """What is inside a token is found in it: its number counts the newlines, its shares lie between 0 and 1."""
    side = batch.pixels.shape[-1] // TOKEN
    inside, token, within = _stands(batch.places, side)
    known = ~batch.places.isnan().any(-1)
    assert torch.equal(inside, known)
    x, y = batch.places[known].T
    assert torch.equal(token[known], (y // TOKEN).long() * (side + 1) + (x // TOKEN).long())
    torch.testing.assert_close(within[known] * TOKEN, batch.places[known] % TOKEN, atol=1e-3, rtol=0)


def test_batch_points_at_the_characters(pages, tokenizer, batch):
    """Each token's place is that of its first visible character; after the text comes the end, with no place."""
    for row, page in enumerate(pages):
        one = tokenizer.encode(page.text, add_special_tokens=False)
        count = len(one.ids)
        assert batch.inputs[row, :count].tolist() == one.ids
        assert batch.labels[row, : count + 1].tolist() == [*one.ids, EOS]
        assert (batch.labels[row, count + 1 :] == IGNORED).all()
        assert torch.isnan(batch.places[row, count:]).all()
        for at, (start, stop) in enumerate(one.offsets):
            seen = next((n for n in range(start, stop) if not page.text[n].isspace()), start)
            np.testing.assert_allclose(batch.places[row, at].numpy(), page.places[seen])


def test_wrong_inputs_leave_the_labels(pages, tokenizer):
    """With a generator some inputs are wrong, and the labels never are."""
    clean, noisy = collate(pages, tokenizer), collate(pages, tokenizer, random.Random(2))
    assert torch.equal(clean.labels, noisy.labels)
    assert not torch.equal(clean.inputs, noisy.inputs)


def test_prefix_is_what_the_engine_sends(tokenizer):
    """Beginning, one <image> per content token, newline and separator, then the prompt for plain text."""
    ids = prefix(tokenizer, 256)
    image = tokenizer.token_to_id("<image>")
    assert ids.count(image) == 4 * 5 + 1
    assert tokenizer.decode([number for number in ids[1:] if number != image]) == "\nFree OCR."


def test_tokenizer_keeps_any_text(tokenizer):
    """Any Unicode text comes back, digits stay apart, and training it twice gives the same tokenizer."""
    text = "No. 1937/4 – £2,345.60\n漢字 | naïve"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text
    assert list(tokenizer.encode("1937").tokens) == ["1", "9", "3", "7"]
    assert tokenizer.get_vocab_size() == TINY.dimensions.vocabulary
    assert train_tokenizer(TINY.dimensions.vocabulary).to_str() == tokenizer.to_str()


def test_batches_by_number(tokenizer):
    """Batch number n is the same whenever it is asked for, and differs from its neighbours."""
    data = Batches(tiny(10), tokenizer, 0)
    one, again, other = data[3], data[3], data[4]
    assert torch.equal(one.pixels, again.pixels)
    assert torch.equal(one.inputs, again.inputs)
    assert not torch.equal(one.pixels, other.pixels)


@pytest.mark.parametrize("name", CURRICULA)
def test_curriculum_covers_the_run(name):
    """Shares add up, pages fit their form, pages get no easier, and dense losses fade to their least."""
    curriculum = CURRICULA[name](1000)
    assert sum(stage.share for stage in curriculum.stages) == pytest.approx(1)
    assert curriculum.stage(0) is curriculum.stages[0]
    assert curriculum.stage(999) is curriculum.stages[-1]
    assert all(stage.hardest.side <= FORMS[name].side for stage in curriculum.stages)
    assert all(stage.hardest.side % TOKEN == 0 for stage in curriculum.stages)
    assert [s.hardest.chars for s in curriculum.stages] == sorted(s.hardest.chars for s in curriculum.stages)
    assert curriculum.dense(0) == 1
    assert curriculum.dense(1000) == pytest.approx(curriculum.dense_least)


def test_wanted_pages_stay_within_their_stage():
    """No page of a stage asks for more characters than its hardest, nor for smaller type."""
    rng = random.Random(0)
    for stage in cards(100).stages:
        for _ in range(200):
            page = wanted(stage, rng)
            assert 1 <= page.chars <= stage.hardest.chars
            largest = max(stage.hardest.sizes[1], stage.easiest_sizes[1])
            assert stage.hardest.sizes[0] <= page.sizes[0] <= page.sizes[1] <= largest


def test_the_optimizer_makes_singular_values_alike():
    """After five steps they lie around 1, for wide, tall and stacked matrices, whatever they were before."""
    generator = torch.Generator().manual_seed(4)
    for shape in ((16, 64), (64, 16), (3, 24, 24)):
        matrix = torch.randn(shape, generator=generator) * torch.logspace(-1, 1, shape[-1])
        values = torch.linalg.svdvals(orthogonal(matrix))
        assert values.max() < 1.3
        assert values.median() > 0.6


def test_the_optimizer_leaves_alone_what_is_no_matrix_of_the_network(trainee):
    """Embeddings, position tables, heads and the router go with AdamW; every parameter has one of both."""
    optimizer = Optimizer(trainee.named_parameters())
    inside = set(optimizer._inside)
    assert any("experts.gate_up_proj" in name for name in inside)
    assert any("neck.conv2" in name for name in inside)
    assert not any(part in name for name in inside for part in ("embed", "heads.", "rel_pos", "lm_head", "mlp.gate."))
    others = sum(len(group["params"]) for group in optimizer._adam.param_groups)
    assert others + len(inside) == len(list(trainee.parameters()))


def test_the_encoder_has_a_rate_of_its_own(trainee, batch):
    """With 0 for it, one step changes the decoder's weights, and the encoder's not by a bit."""
    native = trainee.native
    before = {name: weight.clone() for name, weight in native.state_dict().items()}
    optimizer = Optimizer(trainee.named_parameters())
    losses = trainee(batch)
    (losses.text + losses.tokens).backward()
    optimizer.step(1e-2, 0.0)
    changed = {name for name, weight in native.state_dict().items() if not torch.equal(weight, before[name])}
    assert changed
    assert not any(part in name for part in ENCODER for name in changed)


def test_a_stage_without_reading_leaves_the_decoder_alone(trainee, batch):
    """Only the encoder learns; the decoder's weights get no gradient and stay, bit for bit."""
    before = {name: weight.clone() for name, weight in trainee.named_parameters() if "language_model" in name}
    optimizer = Optimizer(trainee.named_parameters())
    losses = trainee(batch, reading=False)
    assert float(losses.text) == 0
    (losses.patches + losses.tokens).backward()
    optimizer.step(1e-3)
    after = dict(trainee.named_parameters())
    assert all(torch.equal(weight, after[name]) for name, weight in before.items())
