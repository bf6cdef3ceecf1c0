"""Lazy reading with the real engine (random weights), the real index and the HTTP API: tokens now, text when needed.

What a random model writes is noise, so these tests look at what is decoded, when, and what is kept, and never at words.
"""

from __future__ import annotations

import json
import shutil
import threading

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from index.errors import ConfigError
from index.types import PageKey, SearchFilter
from tests.engine_deepseek_kit import page
from tests.kit import HashEmbedder
from tests.test_decode_service import Running, letter, png, settings
from worker import wiring
from worker.asking.decoding import Decoding
from worker.asking.pipeline import Done
from worker.engine.deepseek.modes import modes_of
from worker.engine.deepseek.slots import Slots
from worker.patience import Patience
from worker.writeback import Want

QUESTION = "What does the harbour ledger say of the year 1911?"


def lazy(root, **given):
    return settings(root, reading="lazy", decode_trust=0.0, **{"drafts": False, **given})


@pytest.fixture(autouse=True)
def light_embedder(monkeypatch):
    monkeypatch.setattr(wiring, "build_embedder_for", lambda _settings: HashEmbedder())


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A data directory, lazily read: two scans and a letter with a text layer. Tests work on copies."""
    path = tmp_path_factory.mktemp("lazy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "build_embedder_for", lambda _settings: HashEmbedder())
        with wiring.open_service(lazy(path)) as library:
            service = Running(library)
            ids = {
                "first": service.add(png(page(1, (500, 700))), "first.png"),
                "second": service.add(png(page(2, (500, 700))), "second.png"),
                "letter": service.add(letter(), "letter.pdf"),
            }
    (path / "ids.json").write_text(json.dumps(ids))
    return path


@pytest.fixture
def root(archive, tmp_path):
    return shutil.copytree(archive, tmp_path / "data")


@pytest.fixture(scope="module")
def ids(archive):
    return json.loads((archive / "ids.json").read_text())


def ask(service, **request):
    response = service.api.post("/v1/answers", json={"question": QUESTION, **request})
    assert response.status_code == 200, response.text
    return response.json()


def only(document):
    return {"filter": {"document_ids": [document]}}


def test_from_tokens_to_text_when_a_question_comes(root, ids):
    """A question has its page decoded as reading at once would have; it is kept over a restart, found by its text, and
    not decoded again."""
    with wiring.open_service(lazy(root)) as library:
        service = Running(library)
        assert service.api.get("/readyz").json()["checks"]["reading"] == "lazy"
        assert [service.page(ids[name])["decoded"] for name in ("first", "second", "letter")] == [False, False, True]
        expected = service.decode(ids["first"], task="markdown").json()
        answer = ask(service, **only(ids["first"]))
        assert [(one["document_id"], one["prompt"], one["ok"]) for one in answer["decoded"]] == [
            (ids["first"], "markdown", True)
        ]
        shown = service.page(ids["first"])
        assert (shown["decoded"], shown["text"], shown["regions"]) == (True, expected["text"], expected["regions"])
        assert service.page(ids["second"])["decoded"] is False
    with wiring.open_service(lazy(root)) as library:
        service = Running(library)
        assert service.page(ids["first"]) == shown
        assert ask(service, **only(ids["first"]))["decoded"] == []
        words = [word for word in shown["text"].split() if word.isalnum()]
        if words:  # noise need not have any
            found = service.api.post("/v1/search", json={"query": " ".join(words[:4])}).json()["hits"]
            assert ids["first"] in [hit["document_id"] for hit in found]


def test_tokens_stay_bit_for_bit(root, ids):
    """Writing a text back leaves the page's vision tokens as they were."""
    key = PageKey("default", ids["first"], 1)
    with wiring.open_service(lazy(root)) as library:
        before = library._store.get([key], with_vision=True)[0].vision_tokens
        ask(Running(library), **only(ids["first"]))
        after = library._store.get([key], with_vision=True)[0].vision_tokens
    assert np.array_equal(before.array.view(np.uint16), after.array.view(np.uint16))
    assert before.format == after.format


def test_lazily_read_pages_equal_fully_read_ones(root, ids, tmp_path):
    """Text, regions, trust and tokens are those that reading at once would have given."""
    with wiring.open_service(settings(tmp_path / "full", mode="small")) as library:
        service = Running(library)
        full = service.page(service.add(png(page(1, (500, 700))), "first.png"))
    with wiring.open_service(lazy(tmp_path / "lazy", mode="small")) as library:
        service = Running(library)
        document = service.add(png(page(1, (500, 700))), "first.png")
        ask(service, **only(document))
        lazily = service.page(document)
    same = {name for name in full if name not in {"document_id", "image_url"}}
    assert {name: lazily[name] for name in same} == {name: full[name] for name in same}


def test_a_finer_reading_of_the_original_is_kept_if_it_is_better(root, ids):
    """The page is rendered, encoded and decoded in the next finer mode, once; the more trusted reading stays."""
    key = PageKey("default", ids["first"], 1)
    with wiring.open_service(lazy(root)) as library:
        keep, store = library._jobs.keep, library._store
        assert keep(key, Want.MARKDOWN, Patience())
        assert not keep(key, Want.MARKDOWN, Patience())
        first = store.get([key])[0]
        assert keep(key, Want.FINER, Patience())
        assert not keep(key, Want.FINER, Patience())
        second = store.get([key], with_vision=True)[0]
        assert second.tried == ("finer", "markdown")
        modes = [mode.name for mode in modes_of("deepseek-ocr")]
        if second.reader.mode == first.reader.mode:
            assert (second.text, second.trust) == (first.text, first.trust)
        else:
            assert modes.index(second.reader.mode) > modes.index(first.reader.mode)
            assert second.trust > first.trust
        assert second.vision.mode == second.reader.mode  # text and tokens belong together
        assert second.vision_tokens is not None


def test_another_engine_says_what_is_missing(root, ids):
    """RapidOCR over lazily read pages answers from the text layers, and names the engine that is missing."""
    with wiring.open_service(lazy(root, engine="rapidocr")) as library:
        service = Running(library)
        assert service.api.get("/readyz").json()["checks"]["reading"].startswith("full: FOLIOSCOPE_READING=lazy needs")
        answer = ask(service, **only(ids["first"]))
        assert (answer["found"], answer["incomplete"]) == (False, True)
        assert (answer["missing"][0]["code"], answer["missing"][0]["page"]) == ("no_decoder", 1)
        assert "FOLIOSCOPE_ENGINE=deepseek-ocr" in answer["missing"][0]["reason"]
        harbour = service.api.post("/v1/answers", json={"question": "harbour dues paid"}).json()
        assert (harbour["found"], harbour["citations"][0]["document_id"]) == (True, ids["letter"])


def test_a_running_decode_is_cancelled(tmp_path, monkeypatch):
    """When nobody listens any more the engine drops the page, nothing is written, and it goes on with others."""
    with wiring.open_service(lazy(tmp_path).model_copy(update={"max_tokens": 6000})) as library:
        service = Running(library)
        document = service.add(png(page(3, (500, 700))))
        begun, gone, seen = threading.Event(), threading.Event(), []
        step = Slots.step

        def stepped(*given, **named):
            if begun.is_set():
                gone.set()  # in the middle of the page
            return step(*given, **named)

        monkeypatch.setattr(Slots, "step", stepped)
        where = SearchFilter(document_ids=(document,))

        def run():
            for event in library.converse("default", QUESTION, where, cancelled=gone.is_set):
                seen.append(event)
                if isinstance(event, Decoding) and event.state == "started":
                    begun.set()

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(240)
        assert not thread.is_alive()
        assert gone.is_set()
        ended = seen[-1]
        if ended.state == "failed":  # else the page came to its end before anybody looked whether it is wanted
            assert ended.code == "cancelled"
            assert service.page(document)["decoded"] is False
        assert not any(isinstance(event, Done) for event in seen)
        assert service.decode(document, task="text").status_code == 200


def test_lazy_without_kept_tokens_is_refused(tmp_path):
    """It would leave pages as nothing."""
    with pytest.raises(ConfigError) as error, wiring.open_service(lazy(tmp_path, keep_tokens=False)):
        pass
    assert error.value.code == "bad_setting"
    assert "FOLIOSCOPE_KEEP_TOKENS" in error.value.message


def written(*lines):
    """A scan of these lines."""
    image = Image.new("L", (900, 600), 245)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((60, 80 + 70 * number), line, fill=20, font=ImageFont.load_default(size=34))
    return image


def test_a_draft_of_a_scan_is_found_with_its_words_marked(tmp_path):
    """What RapidOCR reads in draft finds the page and marks its words; what random weights make of the page's tokens
    does not take its place, and is not tried twice.
    """
    with wiring.open_service(lazy(tmp_path / "data", drafts=True)) as library:
        service = Running(library)
        assert service.api.get("/readyz").json()["checks"]["reading"] == "lazy, with drafts"
        scan = service.add(png(written("The harbour ledger of 1911", "names nineteen fishing boats")), "ledger.png")
        shown = service.page(scan)
        assert (shown["decoded"], shown["draft"], shown["reader"]["engine"]) == (False, True, "rapidocr")
        assert "harbour ledger of 1911" in shown["text"]
        (hit,) = service.api.post("/v1/search", json={"query": "fishing boats"}).json()["hits"]
        assert (hit["document_id"], hit["draft"]) == (scan, True)
        assert len(hit["snippets"][0]["boxes"]) == 2
        assert service.decode(scan, task="markdown").json()["trust"] < 0.5, "noise"
        key = PageKey("default", scan, 1)
        assert library._decoder.keep(key, Want.MARKDOWN, Patience())
        assert library._store.get([key])[0].tried == ("markdown",)
        assert service.page(scan) == shown, "noise takes no draft away"
        assert not library._decoder.keep(key, Want.MARKDOWN, Patience())
