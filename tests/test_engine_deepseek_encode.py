"""From pixels to text as the reference does it, in every mode; batches, threads and failures of the encoder."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from PIL import Image

from index.errors import InternalError, Unavailable
from tests.engine_deepseek_kit import checkpoint, model, page
from tests.reference_deepseek import Reference
from worker.engine.checkpoint import random_model, write_checkpoint
from worker.engine.deepseek.encoder import Encoder
from worker.engine.deepseek.layout import assemble, sequence
from worker.engine.deepseek.load import load_model
from worker.engine.deepseek.modes import (
    BASE,
    DEEPSEEK_OCR,
    DEEPSEEK_OCR_2,
    GUNDAM,
    KINDS,
    SMALL,
    TINY,
    UNLIMITED_OCR,
    content_tokens,
    mode_named,
    modes_of,
)
from worker.engine.deepseek.preprocess import preprocess
from worker.engine.deepseek.sam import blocked, folded

CLOSE = 1e-4


def exact(loaded, image, mode):
    """The decoder's sequence before tokens are rounded to float16."""
    views, network = preprocess(image, mode), Encoder(loaded)._network
    with torch.inference_mode():
        tokens = network(torch.from_numpy(views.page[None].copy()))[0]
        tiles = None if views.tiles is None else network(torch.from_numpy(views.tiles)).flatten(0, 1)
    return assemble(mode, views.grid, tokens, tiles, loaded.image_newline, loaded.view_separator)


def native(loaded, views, kind):
    """What transformers' own class makes of the same views."""

    def normal(pixels):
        return (torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5

    inputs = {"pixel_values": normal(views.page[None])}
    if views.tiles is not None:
        inputs |= {"pixel_values_local": normal(views.tiles), "num_local_patches": [len(views.tiles)]}
        if kind != DEEPSEEK_OCR_2:
            inputs["patches_grid"] = [list(views.grid)]
    with torch.inference_mode():
        return loaded.model.get_image_features(**inputs).pooler_output[0]


@pytest.mark.parametrize("mode", modes_of(DEEPSEEK_OCR), ids=lambda mode: mode.name)
def test_the_whole_way_equals_the_reference(mode):
    """Tokens and logits to 1e-4, and the text, token by token, against code written from the description alone."""
    loaded, reference = model(), Reference(checkpoint())
    image = page(3, (1240, 1754))
    prompt = loaded.tokenizer.encode("\n<|grounding|>Convert the document to markdown.", add_special_tokens=False).ids
    with torch.inference_mode():
        expected = reference.vision(image, mode.name)
        made = exact(loaded, image, mode)
        assert (made - expected).abs().max() < CLOSE
        stored = sequence(loaded, Encoder(loaded).encode([image], [mode])[0])
        assert torch.equal(stored, made.half().float())  # both constants are bfloat16 in the file

        ids = torch.tensor([[loaded.bos] + [loaded.image_id] * len(made) + prompt])
        embeddings = loaded.model.get_input_embeddings()(ids)
        embeddings[ids == loaded.image_id] = made
        logits = loaded.model(inputs_embeds=embeddings).logits[0]
        # From the same tokens: where two experts are nearly equal, the tokens' own last digits decide which is asked.
        assert (logits - reference.logits(reference.embeddings(made, prompt))).abs().max() < CLOSE

        count = 6 if mode is GUNDAM else 12
        text = loaded.model.generate(
            inputs_embeds=embeddings,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=count,
            eos_token_id=loaded.eos,
            pad_token_id=2,
        )
    assert text[0].tolist() == reference.generate(expected, prompt, count)


@pytest.mark.parametrize("kind", [UNLIMITED_OCR, DEEPSEEK_OCR_2])
def test_the_other_models_equal_their_native_classes(kind):
    """Tokens of all modes, and their order, are what transformers' own code makes of the same views."""
    loaded = model(kind)
    for mode in modes_of(kind):
        image = page(4, (1240, 1754))
        made = exact(loaded, image, mode)
        expected = native(loaded, preprocess(image, mode), kind)
        assert made.shape == expected.shape
        assert (made - expected).abs().max() < CLOSE


@pytest.mark.parametrize("kind", KINDS)
def test_batches_of_mixed_modes(kind):
    """Pages of all modes at once, some tiled, give what each gives alone, each with its own description."""
    loaded = model(kind)
    modes = [*modes_of(kind), *reversed(modes_of(kind))]
    sizes = [(1240, 1754), (900, 1000), (700, 3000), (500, 400), (1754, 1240)]
    images = [page(number, sizes[number % len(sizes)]) for number in range(len(modes))]
    encoder = Encoder(loaded, batch_pixels=3 << 20)
    together = encoder.encode(images, modes)
    for image, mode, found in zip(images, modes, together, strict=True):
        alone = encoder.encode([image], [mode])[0]
        assert found.format == alone.format
        assert (found.format.engine, found.format.revision, found.format.mode) == (kind, loaded.revision, mode.name)
        assert found.format.page_size == image.size
        tiles = 0 if found.tiles is None else len(found.tiles)
        assert len(found.array) + tiles == content_tokens(mode, found.format.tile_grid)
        for ours, theirs in ((found.array, alone.array), (found.tiles, alone.tiles)):
            assert (ours is None) == (theirs is None)
            if ours is not None:
                assert ours.dtype == np.float16
                np.testing.assert_allclose(ours.astype(np.float32), theirs.astype(np.float32), atol=5e-3)


def test_no_pages():
    """Nothing in, nothing out; unequal lengths are an error."""
    encoder = Encoder(model())
    assert encoder.encode([], []) == []
    with pytest.raises(ValueError, match="zip"):
        encoder.encode([page(0)], [])


@pytest.mark.parametrize("size", [(1, 1), (20000, 30), (3, 5000)])
@pytest.mark.parametrize("colour", ["white", "black"])
def test_extreme_pages(size, colour):
    """One pixel, or 20,000 in a row, of one colour: finite tokens in every mode that is cheap to test."""
    image = Image.new("L", size, colour)
    for found in Encoder(model()).encode([image] * 3, [TINY, SMALL, BASE]):
        assert np.isfinite(found.array).all()
        assert found.format.page_size == size


def test_threads():
    """Many threads, one encoder: each gets its own pages' tokens."""
    encoder = Encoder(model())
    images = [page(number, (300, 400), lines=8) for number in range(6)]
    expected = [encoder.encode([image], [TINY])[0].array for image in images]
    found: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        found[number] = encoder.encode([images[number]], [TINY])[0].array

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(found[number], expected[number]) for number in range(6))


class SmallDevice:
    """A network on a device with room for `most` views at once."""

    def __init__(self, network, most: int):
        self.network, self.most, self.tried = network, most, []

    def __call__(self, views):
        self.tried.append(len(views))
        if len(views) > self.most:
            raise torch.OutOfMemoryError("no room")
        return self.network(views)


def test_a_device_without_room_gets_smaller_batches():
    """The batch is halved until it fits, stays small from then on, and no page is lost."""
    loaded = model()
    expected = [found.array for found in Encoder(loaded).encode([page(n, (300, 300)) for n in range(8)], [TINY] * 8)]
    encoder = Encoder(loaded, batch_pixels=8 * 512 * 512)
    encoder._network = small = SmallDevice(encoder._network, 3)
    for _ in range(2):
        found = encoder.encode([page(n, (300, 300)) for n in range(8)], [TINY] * 8)
        assert all(np.allclose(a.array, b, atol=5e-3) for a, b in zip(found, expected, strict=True))
    assert small.tried == [8, 4, 2, 2, 2, 2, 2, 2, 2, 2]


def test_a_device_without_any_room():
    """Not even one view fits: an error that says what to do, and the next page is tried again."""
    encoder = Encoder(model())
    encoder._network = SmallDevice(encoder._network, 0)
    for _ in range(2):
        with pytest.raises(Unavailable, match="coarser mode") as caught:
            encoder.encode([page(0, (300, 300))], [TINY])
        assert caught.value.code == "gpu_memory"


@pytest.mark.parametrize("value", [1e5, -7e4, float("inf"), float("nan")])
def test_tokens_beyond_float16(value):
    """They are an error, not infinities in the store."""
    encoder = Encoder(model())
    network = encoder._network

    def broken(views):
        found = network(views).clone()
        found[0, 3, 5] = value
        return found

    encoder._network = broken
    with pytest.raises(InternalError, match="float16") as caught:
        encoder.encode([page(0, (300, 300))], [TINY])
    assert caught.value.code == "token_range"


@pytest.mark.parametrize(("height", "width"), [(14, 14), (5, 9), (32, 32)])
def test_both_ways_of_attention(height, width):
    """Folded and blocked attention equal the definition with the bias written out."""
    torch.manual_seed(0)
    count, channels = height * width, 16
    q, k, v = torch.randn(3, 2, 3, count, channels)
    rows, columns = torch.randn(2, 3, count, height), torch.randn(2, 3, count, width)
    bias = (rows[..., :, None] + columns[..., None, :]).reshape(2, 3, count, count)
    expected = torch.softmax(q @ k.transpose(-1, -2) + bias, dim=-1) @ v
    for way in (folded, blocked):
        assert (way(q, k, v, rows, columns) - expected).abs().max() < 1e-5


def test_bfloat16_is_near_float32():
    """Rounding noise of a few per cent, as of any implementation: never a different picture."""
    image = page(5, (1000, 1400))
    exactly = Encoder(model()).encode([image], [BASE])[0].array.astype(np.float32)
    loaded = load_model(checkpoint(), device="cpu", dtype="bfloat16")
    assert loaded.model.lm_head.weight.dtype == torch.bfloat16
    for number_type in (torch.float32, torch.bfloat16):
        loaded.model.model.vision_tower.to(number_type)
        loaded.model.model.multi_modal_projector.to(number_type)
        rounded = Encoder(loaded).encode([image], [BASE])[0].array.astype(np.float32)
        error = np.abs(rounded - exactly).mean() / np.abs(exactly).mean()
        assert error < (1e-3 if number_type == torch.float32 else 0.1)


def test_scaled_random_model_has_real_shapes():
    """The encoder-only size, made in place, encodes with the real dimensions."""
    found = random_model("encoder", dtype="float32", device="cpu")
    assert (found.dim, found.revision, found.kind) == (1280, "random-0", DEEPSEEK_OCR)
    tower = found.model.model.vision_tower
    assert sum(weight.numel() for weight in tower.sam_encoder.parameters()) == 95_569_152
    assert sum(weight.numel() for weight in tower.vision_encoder.parameters()) == 302_575_616


@pytest.mark.slow
def test_the_real_encoder_equals_the_reference(tmp_path):
    """401 million weights at their real dimensions, Small mode, to 1e-4."""
    folder = write_checkpoint(tmp_path, "encoder", seed=2)
    image, mode = page(6, (1240, 1754)), mode_named(DEEPSEEK_OCR, "small")
    with torch.inference_mode():
        expected = Reference(folder).vision(image, mode.name)
        made = exact(load_model(folder, device="cpu", dtype="float32"), image, mode)
    assert expected.abs().max() > 1
    assert (made - expected).abs().max() < CLOSE
