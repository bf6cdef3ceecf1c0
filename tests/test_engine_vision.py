"""The vision-token engine as the product sees it, on small random checkpoints: their noise is compared, never read."""

from __future__ import annotations

import gc
import json
import shutil
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from index_kit import NOW, HashEmbedder, commit, labels, same_bits
from PIL import Image

from index.errors import ConfigError, Conflict, InternalError, Unavailable
from index.store_edge import EdgeStore, StoreConfig
from index.types import PageKey, ReadingMark, RegionKind
from index.vision import MAX_NUMBERS
from tests.engine_deepseek_kit import checkpoint, page
from tests.engine_vision_kit import Helper, engine
from worker.engine.deepseek.engine import DeepSeekOcrEngine, EngineConfig
from worker.engine.deepseek.load import load_model
from worker.engine.deepseek.modes import KINDS, modes_of
from worker.engine.deepseek.pages import Pages
from worker.engine.deepseek.trust import TRUSTED, marks, trust
from worker.engine.engine import Finish
from worker.engine.prompts import Prompt, Task

PROMPTS = [Prompt(task, "the total" if task in {Task.LOCATE, Task.FREE} else "") for task in Task]


@pytest.fixture(scope="module")
def shared():
    """One engine with automatic modes for all tests that change nothing."""
    made = engine()
    yield made
    made.close()


# -- stored tokens give what the page gave ------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_decoding_later_gives_the_same_text(kind, tmp_path):
    """For every mode: a reading's tokens, in a mixed batch and from the index, decode to its text, byte for byte."""
    pages = {}
    for mode in modes_of(kind):
        made = engine(kind, mode=mode.name)
        pages[mode.name] = made.read([page(3, (900, 1300))])[0]
        assert pages[mode.name].reader.mode == pages[mode.name].vision.format.mode == mode.name
        made.close()
    assert len({reading.text for reading in pages.values()}) == len(pages)
    later = engine(kind)
    tokens = [reading.vision for reading in pages.values()]
    together = later.decode(tokens, [Prompt()] * len(tokens))
    assert [one.text for one in together] == [reading.text for reading in pages.values()]
    assert [one.regions for one in together] == [reading.regions for reading in pages.values()]
    embedder = HashEmbedder()
    store = EdgeStore.open(tmp_path, embedder, StoreConfig(vision_dim=later.dim))
    keys = [PageKey("t", "d", number) for number in range(1, len(pages) + 1)]
    store.add_pending(keys, labels(), NOW)
    changes = [
        commit(embedder, key, "x", vision=reading.vision) for key, reading in zip(keys, pages.values(), strict=True)
    ]
    assert all(store.update(changes))
    store.close()
    store = EdgeStore.open(tmp_path, embedder)
    stored = [point.vision_tokens for point in store.get(keys, with_vision=True)]
    assert all(same_bits(one, two) for one, two in zip(stored, tokens, strict=True))
    for one, reading in zip(stored, pages.values(), strict=True):
        assert later.decode([one], [Prompt()])[0].text == reading.text
    store.close()
    later.close()


def test_prompts_are_mixed_freely(shared):
    """Pages of different modes under all prompts, together and one by one, give the same texts."""
    readings = shared.read([page(1, (500, 500)), page(2, (1000, 1400), 80)])
    pairs = [(reading.vision, prompt) for reading in readings for prompt in PROMPTS]
    together = shared.decode([tokens for tokens, _ in pairs], [prompt for _, prompt in pairs])
    for (tokens, prompt), decoded in zip(pairs, together, strict=True):
        assert decoded.prompt == prompt
        alone = shared.decode([tokens], [prompt])[0]
        assert (alone.raw, alone.text, alone.regions) == (decoded.raw, decoded.text, decoded.regions)
        # Sums of another order differ in the last digits.
        assert alone.mean_logprob == pytest.approx(decoded.mean_logprob, abs=1e-4)
    assert len({decoded.raw for decoded in together}) > len(PROMPTS)


def test_many_threads_read_at_once(shared):
    """Each gets its own page's reading, the same as alone. Sums that are shared out among fewer cores, since others are
    busy, differ in float16's last digit on some processors.
    """
    images = [page(seed, (400 + 10 * seed, 560)) for seed in range(6)]
    alone = [shared.read([image])[0] for image in images]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda image: shared.read([image])[0], images))
    assert [one.text for one in together] == [one.text for one in alone]
    for one, two in zip(together, alone, strict=True):
        ours, theirs = (reading.vision.array.astype(np.float32) for reading in (one, two))
        assert ours.shape == theirs.shape
        assert np.allclose(ours, theirs, rtol=2e-3, atol=4e-3)
    assert [one.text for one in shared.read(images)] == [one.text for one in alone]


def test_tokens_of_other_weights_are_refused(shared):
    """Another revision is another language: refused with both names, and nothing is decoded."""
    tokens = shared.encode([page(1)])[0]
    other = DeepSeekOcrEngine(EngineConfig(str(checkpoint(seed=1))), Helper())
    assert shared.decodes(tokens.format)
    assert not other.decodes(tokens.format)
    with pytest.raises(Conflict, match=f"{shared.revision}.*{other.revision}") as refused:
        other.decode([tokens], [Prompt()])
    assert refused.value.code == "wrong_tokens"
    other.close()


# -- pages as they come -------------------------------------------------------------------------


def test_a_blank_page_is_not_decoded():
    """Of whatever colour: empty text, trust 1, no tokens, and the weights are not even loaded."""
    made = engine()
    for colour in ("white", (200, 30, 30), "black"):
        reading = made.read([Image.new("RGB", (300, 400), colour)])[0]
        assert (reading.text, reading.trust, reading.vision, reading.regions) == ("", 1.0, None, ())
        assert (reading.width, reading.height, reading.reader.mode) == (300, 400, "blank")
    assert made.placement() == ""
    made.close()


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_pages_are_turned_before_they_are_encoded(shared, turn):
    """A page scanned sideways or upside down gives the tokens of the upright one, and says how far it was turned."""
    upright = page(4, (600, 900))
    straight = shared.read([upright])[0]
    turned = engine(helper=Helper(turn))
    reading = turned.read([upright.rotate(turn, expand=True)])[0]
    assert (reading.rotation, reading.width, reading.height) == (turn, 600, 900)
    assert same_bits(reading.vision, straight.vision)
    assert reading.text == straight.text
    turned.close()


@pytest.mark.parametrize("size", [(20_000, 60), (60, 20_000), (20_000, 300), (3, 3), (1, 700)])
def test_pages_of_strange_shapes(shared, size):
    """Strips of 20,000 pixels and crumbs are read, or found blank; memory is bounded."""
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8))
    reading = shared.read([image])[0]
    assert (reading.width, reading.height) == size
    if reading.vision is not None:
        assert max(reading.vision.array.size, getattr(reading.vision.tiles, "size", 0)) < MAX_NUMBERS


@pytest.mark.parametrize("mode", ["L", "1", "RGBA", "P", "I;16", "CMYK"])
def test_every_kind_of_image(shared, mode):
    """Grey, bilevel, transparent, indexed, deep grey and CMYK pages become tokens."""
    image = page(5, (400, 500))
    made = Image.fromarray(np.asarray(image.convert("L"), np.uint16) * 257) if mode == "I;16" else image.convert(mode)
    assert shared.read([made])[0].vision.array.dtype == np.float16


def test_tiles_are_as_many_as_a_store_holds():
    """A page is never cut into more tiles than Qdrant takes in one multivector, at the width of the real models."""
    for kind in KINDS:
        mode = Pages(None, kind, "", 1280, "gundam").pinned
        assert mode.name == modes_of(kind)[-1].name
        assert mode.max_tiles * mode.tile_rows**2 * 1280 < MAX_NUMBERS
        assert mode.max_tiles >= 5


# -- readings that are not trusted ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [(-0.01, -0.01, "small"), (-1.0, -0.1, "base"), (-1.0, -2.0, "small"), (-1.0, -0.5, "base")],
)
def test_one_step_up_where_a_reading_is_not_trusted(first, second, kept):
    """Once, in the next finer mode, and the better of the two is kept; a trusted one is not read again."""
    sure = {"small": first, "base": second}
    made = engine(write=lambda tokens, _: (tokens.format.mode, {"mean_logprob": sure.get(tokens.format.mode, -9.0)}))
    reading = made.read([page(1, (630, 900), 6)])[0]
    assert (reading.text, reading.reader.mode, reading.vision.format.mode) == (kept, kept, kept)
    tried = [mode for mode, _ in made._run.decoder.seen]
    assert tried == (["small"] if first > -0.1 else ["small", "base"])
    made.close()


def test_a_second_reading_that_fails_leaves_the_first():
    """No memory for the finer mode, or any other trouble there: the page keeps what was read of it."""
    for trouble in (Unavailable("no memory", code="gpu_memory"), RuntimeError("the device is gone")):

        def write(tokens, _prompt, trouble=trouble):
            if tokens.format.mode != "small":
                raise trouble
            return "first", {"mean_logprob": -1.0}

        made = engine(write=write)
        reading = made.read([page(1, (630, 900), 6)])[0]
        assert (reading.text, reading.reader.mode) == ("first", "small")
        made.close()


def test_a_decoder_that_ended_is_made_anew():
    """Pages go on with a new one, which is loaded once."""
    made = engine(mode="small", write=lambda *_: ("text", {}))
    made.read([page(1)])
    ended = made._run
    ended.decoder.alive = False
    assert made.read([page(2)])[0].text == "text"
    assert made._run is not ended
    made.close()


def test_weights_are_let_go_of_before_they_are_loaded_anew(monkeypatch):
    """Neither who loads them nor who waits for that keeps the old ones: a device may have no room for both."""
    reading = engine(write=lambda *_: ("text", {}))
    reading.warm()
    reading._run.decoder.alive = False
    before, found = weakref.ref(reading._run.loaded.model), []

    def loading(*arguments, **options):
        gc.collect()
        found.append(before() is None)
        return load_model(*arguments, **options)

    monkeypatch.setattr("worker.engine.deepseek.engine.load_model", loading)
    with reading._loading:
        waiting = [threading.Thread(target=reading.warm) for _ in range(2)]
        for thread in waiting:
            thread.start()
        time.sleep(0.05)  # they should wait by now; if they do not yet, that fails nothing
    for thread in waiting:
        thread.join(60)
    assert found == [True]
    reading.close()


def test_no_memory_for_the_graphs_holds_nothing(monkeypatch):
    """The decoder that was made ends, or each later try would take weights and slots once more."""
    made, before = engine(mode="small"), set(threading.enumerate())

    def full(_self):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("worker.engine.deepseek.engine._LOAD_AGAIN_S", 0.0)
    monkeypatch.setattr("worker.engine.deepseek.graphs.Steps.capture_all", full)
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            made.read([page(1)])
        assert caught.value.code == "not_enough_memory"
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name == "decode"]
    made.close()


def test_a_load_that_failed_holds_nothing_and_is_tried_again(monkeypatch):
    """Trouble after the weights were loaded is said in words, costs pages nothing, and a later try succeeds."""
    made = engine(mode="small", write=lambda *_: ("text", {}))
    works, made._make_decoder = made._make_decoder, None
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            made.read([page(1)])
        assert caught.value.code == "engine_failed"
    assert not any(isinstance(part, BaseException) for part in made._failed)
    made._make_decoder = works
    monkeypatch.setattr("worker.engine.deepseek.engine._LOAD_AGAIN_S", 0.0)
    assert made.read([page(1)])[0].text == "text"
    made.close()


def test_a_mode_that_was_asked_for_stays():
    """With a fixed mode a page is read once, trusted or not."""
    made = engine(mode="tiny", write=lambda *_: ("text", {"mean_logprob": -3.0}))
    assert made.read([page(1)])[0].reader.mode == "tiny"
    assert len(made._run.decoder.seen) == 1
    made.close()


@pytest.mark.parametrize(("finish", "mark"), [(Finish.LENGTH, ReadingMark.CUT_OFF), (Finish.LOOP, ReadingMark.LOOP)])
def test_cut_off_and_looping_pages_are_kept(finish, mark):
    """With their text and regions, marked, with low trust, at their place among the others."""
    raw = "<|ref|>text<|/ref|><|det|>[[1, 2, 300, 400]]<|/det|>\nthe dues the dues"

    def write(tokens, _prompt):
        return raw, {"finish": finish} if tokens.format.page_size == (500, 500) else {}

    made = engine(mode="small", write=write)
    before, bad, after = made.read([page(1, (510, 500)), page(2, (500, 500)), page(3, (490, 500))])
    assert (bad.text, bad.marks, len(bad.regions)) == ("the dues the dues", (mark,), 1)
    assert bad.regions[0].kind is RegionKind.PARAGRAPH
    assert bad.trust < TRUSTED < before.trust == after.trust
    assert (before.marks, after.marks) == ((), ())
    assert [one.width for one in (before, bad, after)] == [510, 500, 490]
    made.close()


def test_marks_on_a_page_of_which_nothing_was_read():
    """An empty text of a page that is not blank is not to be trusted, however sure the model is."""
    made = engine(mode="small", write=lambda *_: ("", {}))
    assert made.read([page(1)])[0].trust == 0.0
    made.close()


def test_one_page_that_cannot_be_decoded_harms_no_other():
    """Its reading raises; another thread's page, decoded at the same time, is read."""

    def write(tokens, _prompt):
        if tokens.format.page_size == (500, 500):
            raise InternalError("broken", code="token_range")
        return "text", {}

    made = engine(mode="small", write=write)
    with pytest.raises(InternalError, match="broken"):
        made.read([page(2, (500, 500))])
    assert made.read([page(1, (510, 500))])[0].text == "text"
    made.close()


probabilities = st.floats(-50, 0)
counts = st.integers(0, 500)


@given(probabilities, probabilities, counts, counts, st.integers(1, 5000))
def test_trust_is_monotone(one, two, few, many, tokens):
    """Surer is never less trusted, more bans never more, a missing end never more; all within 0..1."""
    (low, high), (few, many) = sorted((one, two)), sorted((few, many))
    for finish in Finish:
        best = trust(mean_logprob=high, tokens=tokens, bans=few, finish=finish)
        assert 0.0 <= trust(mean_logprob=low, tokens=tokens, bans=many, finish=finish) <= best <= 1.0
        assert best <= trust(mean_logprob=high, tokens=tokens, bans=few, finish=Finish.END)
        assert finish is Finish.END or (best < TRUSTED and marks(finish))


def test_trust_of_what_is_no_number():
    """A log-probability that is no number, or above 0, does no harm."""
    assert trust(mean_logprob=float("nan"), tokens=5, bans=0, finish=Finish.END) == 0.0
    assert trust(mean_logprob=0.5, tokens=0, bans=-1, finish=Finish.END) == 1.0
    assert trust(mean_logprob=float("-inf"), tokens=5, bans=0, finish=Finish.END) < 1e-9


# -- weights that are not there, and ends ---------------------------------------------------------


def test_weights_that_do_not_fit_are_told_at_once(tmp_path):
    """Missing, truncated, of another model than asked for: a `ConfigError` before anything is loaded."""
    folder = tmp_path / "weights"
    shutil.copytree(checkpoint(), folder)
    with pytest.raises(ConfigError, match="asks for unlimited-ocr") as wrong:
        DeepSeekOcrEngine(EngineConfig(str(folder), kind="unlimited-ocr"), Helper())
    assert wrong.value.code == "wrong_architecture"
    shard, config = next(folder.glob("*.safetensors")), folder / "config.json"
    whole, told = shard.read_bytes(), config.read_text()
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    rows, width = header["model.embed_tokens.weight"]["shape"]
    header["model.embed_tokens.weight"]["shape"] = [rows * width]
    changed = json.dumps(header).encode()
    shard.write_bytes(len(changed).to_bytes(8, "little") + changed + whole[8 + length :])
    with pytest.raises(ConfigError) as flat:
        DeepSeekOcrEngine(EngineConfig(str(folder)), Helper())
    assert flat.value.code == "weights_mismatch"
    config.write_text(json.dumps({**json.loads(told), "architectures": 5, "model_type": "other"}))
    with pytest.raises(ConfigError) as other:
        DeepSeekOcrEngine(EngineConfig(str(folder)), Helper())
    assert other.value.code == "wrong_architecture"
    config.write_text(told)
    shard.write_bytes(whole[:-100])
    with pytest.raises(ConfigError) as cut:
        DeepSeekOcrEngine(EngineConfig(str(folder)), Helper())
    assert cut.value.code == "weights_damaged"
    with pytest.raises(ConfigError) as gone:
        DeepSeekOcrEngine(EngineConfig(str(tmp_path / "nowhere")), Helper())
    assert gone.value.code == "weights_missing"


def test_weights_that_vanish_cost_no_page_its_attempt(tmp_path):
    """`warm` says what is wrong; reading and decoding are `Unavailable`, with the same code, and come back."""
    folder = tmp_path / "weights"
    shutil.copytree(checkpoint(), folder)
    made = DeepSeekOcrEngine(EngineConfig(str(folder), device="cpu", dtype="float32", max_tokens=4), Helper())
    hidden = folder.rename(tmp_path / "hidden")
    with pytest.raises(ConfigError, match="there is no folder"):
        made.warm()
    with pytest.raises(Unavailable, match="there is no folder") as away:
        made.read([page(1)])
    assert away.value.code == "weights_missing"
    hidden.rename(folder)
    made._failed = None  # the half minute between two tries
    assert made.read([page(1)])[0].vision is not None
    made.close()


def test_a_device_without_memory_costs_no_page_its_attempt(monkeypatch):
    """Memory that is gone when the weights are loaded is told with its code; the next try is later."""
    made = engine()

    def full(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("worker.engine.deepseek.engine.load_model", full)
    with pytest.raises(Unavailable, match="no memory") as away:
        made.read([page(1)])
    assert away.value.code == "not_enough_memory"
    with pytest.raises(ConfigError):
        made.warm()


def test_an_engine_that_was_closed():
    """Every call says that it stops; closing twice does no harm, nor closing while pages are read."""
    made = engine()
    made.warm()
    outcomes = []

    def read():
        try:
            outcomes.append(made.read([page(1)])[0].text)
        except Unavailable as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    made.close()
    made.close()
    for thread in threads:
        thread.join(200)
    assert len(outcomes) == 4
    for call in (lambda: made.read([page(1)]), lambda: made.encode([page(1)])):
        with pytest.raises(Unavailable):
            call()


# -- which engine ---------------------------------------------------------------------------------
