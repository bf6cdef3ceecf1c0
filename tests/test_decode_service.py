"""Pages read through vision tokens, from upload to audit: the real service with a small random checkpoint."""

from __future__ import annotations

import io
import json
import shutil
import time
from dataclasses import replace

import numpy as np
import pymupdf
import pytest
from PIL import Image

from api import cli
from index.store import PageUpdate
from index.store_edge import EdgeStore
from index.types import PageKey, PageState, VisionTokens
from tests.api_kit import UNKNOWN_ID, Api, assert_problem
from tests.engine_deepseek_kit import checkpoint, page
from tests.kit import HashEmbedder, reading
from worker import wiring
from worker.audit import audit
from worker.jobs import now
from worker.settings import Settings

PIXELS = 400_000


def settings(root, **given):
    values = {"engine": "deepseek-ocr", "weights": str(checkpoint()), "device": "cpu", "dtype": "float32"}
    return Settings(
        data_dir=root, min_free_bytes=0, page_pixels=PIXELS, max_tokens=24, readers=2, **{**values, **given}
    )


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def letter(pages=1):
    """A PDF with a good text layer."""
    document = pymupdf.open()
    for number in range(pages):
        sheet = document.new_page(width=400, height=500)
        for line in range(12):
            sheet.insert_text((40, 60 + 26 * line), f"Line {line} of page {number + 1}: harbour dues paid", fontsize=13)
    return document.tobytes()


@pytest.fixture(autouse=True)
def light_embedder(monkeypatch):
    monkeypatch.setattr(wiring, "build_embedder_for", lambda _settings: HashEmbedder())


class Running:
    """The service behind its API."""

    def __init__(self, library):
        self.library = library
        self.api = Api(library)

    def add(self, content, filename="scan.png", **data):
        document = self.api.add(content, filename, **data)
        until = time.monotonic() + 600
        while self.api.get(f"/v1/documents/{document}").json()["state"] in {"accepted", "reading"}:
            assert time.monotonic() < until, "it is never read"
            time.sleep(0.05)
        return document

    def page(self, document, number=1):
        return self.api.get(f"/v1/documents/{document}/pages/{number}").json()

    def decode(self, document, number=1, **request):
        return self.api.post(f"/v1/documents/{document}/pages/{number}/decode", json=request)

    def locate(self, document, number=1, **request):
        return self.api.post(f"/v1/documents/{document}/pages/{number}/locate", json=request)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A data directory with a scan, a letter with a text layer and a blank page, read by the small checkpoint. Tests
    work on copies.
    """
    path = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "build_embedder_for", lambda _settings: HashEmbedder())
        with wiring.open_service(settings(path)) as library:
            service = Running(library)
            ids = {
                "scan": service.add(png(page(1, (500, 700)))),
                "letter": service.add(letter(2), "letter.pdf"),
                "blank": service.add(png(Image.new("RGB", (300, 400), (180, 40, 40))), "red.png"),
            }
    (path / "ids.json").write_text(json.dumps(ids))
    return path


@pytest.fixture
def root(archive, tmp_path):
    return shutil.copytree(archive, tmp_path / "data")


@pytest.fixture(scope="module")
def service(archive, tmp_path_factory):
    root = shutil.copytree(archive, tmp_path_factory.mktemp("running") / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "build_embedder_for", lambda _settings: HashEmbedder())
        with wiring.open_service(settings(root)) as library:
            yield Running(library)


@pytest.fixture(scope="module")
def ids(archive):
    return json.loads((archive / "ids.json").read_text())


def test_a_page_says_what_it_is_made_of(service, ids):
    """Its vision tokens, who made them, and how many; a blank page has none."""
    found = service.page(ids["scan"])
    assert (found["state"], found["reader"]["engine"]) == ("done", "deepseek-ocr")
    assert found["vision"]["engine"] == "deepseek-ocr"
    assert found["vision"]["revision"] == found["reader"]["revision"]
    assert found["vision"]["mode"] == found["reader"]["mode"]
    assert found["vision"]["page_size"] == [found["width"], found["height"]]
    assert found["vision"]["tokens"] in {100, 256, 400, 656, 456, 556, 756, 856, 956, 1056}
    assert set(found["marks"]) <= {"cut_off", "loop"}
    assert (service.page(ids["blank"])["vision"], service.page(ids["blank"])["trust"]) == (None, 1.0)


def test_decoding_gives_the_text_that_was_stored(service, ids):
    """Under the prompt of reading, after a restart: the same text and regions, byte for byte."""
    stored = service.page(ids["scan"])
    again = service.decode(ids["scan"], task="markdown").json()
    assert again["text"] == stored["text"]
    assert again["regions"] == stored["regions"]
    assert again["trust"] == pytest.approx(stored["trust"], abs=1e-3)
    assert service.decode(ids["scan"]).json()["text"] == stored["text"]


def test_other_prompts_give_other_texts(service, ids):
    """Each task and a free prompt reach the model as they should; nothing that is stored changes."""
    before = service.page(ids["scan"])
    wordings = {
        "ocr": "OCR this image.",
        "text": "Free OCR.",
        "figure": "Parse the figure.",
        "describe": "Describe this",
    }
    for task, words in wordings.items():
        found = service.decode(ids["scan"], task=task).json()
        assert (found["task"], words in found["prompt"]) == (task, True)
        assert found["finish"] in {"end", "length", "loop"}
        assert found["tokens"] <= 24
    free = service.decode(ids["scan"], prompt="What <|ref|>is <image>this?").json()
    assert (free["task"], free["prompt"]) == ("free", "What is this?")
    assert service.page(ids["scan"]) == before


def test_a_phrase_is_looked_for(service, ids):
    """The answer has boxes on the page, or none; the phrase cannot bring signs of the model in."""
    found = service.locate(ids["scan"], phrase="the  total").json()
    assert found["phrase"] == "the total"
    assert all(0 <= edge <= 1 for box in found["boxes"] for edge in box)
    assert_problem(service.locate(ids["scan"], phrase="<|ref|>"), 422, "invalid_request")


def test_text_layers_stay_and_are_encoded_too(service, ids):
    """The text is the layer's; the tokens make other prompts possible."""
    found = service.page(ids["letter"], 2)
    assert found["reader"]["engine"] == "text-layer"
    assert "harbour dues paid" in found["text"]
    assert found["vision"]["engine"] == "deepseek-ocr"
    assert service.decode(ids["letter"], 2, task="describe").status_code == 200


def test_requests_that_make_no_sense(service, ids):
    """Unknown pages and tasks, a task and a prompt at once, no words: a problem each."""
    assert_problem(service.decode(UNKNOWN_ID), 404, "not_found")
    assert_problem(service.decode(ids["scan"], 2), 404, "not_found")
    assert_problem(service.decode(ids["scan"], task="dance"), 422, "invalid_request")
    assert_problem(service.decode(ids["scan"], task="text", prompt="both"), 422, "invalid_request")
    assert_problem(service.decode(ids["scan"], prompt=" \n "), 422, "invalid_request")
    assert_problem(service.locate(ids["scan"]), 422, "invalid_request")
    blank = service.decode(ids["blank"])
    assert_problem(blank, 409, "no_vision_tokens")
    assert "blank" in blank.json()["detail"]


def test_a_page_that_is_not_read_yet(service, ids, monkeypatch):
    """Says so, and so does one that could not be read."""
    point = service.library.page("default", ids["scan"], 1)[1]
    store = service.library._store
    for state, message in ((PageState.PENDING, "not read yet"), (PageState.FAILED, "render_crash")):
        changed = replace(point, state=state, error_code="render_crash", vision=None, reader=None)
        with monkeypatch.context() as patch:
            patch.setattr(type(store), "get", lambda *_, changed=changed, **__: [changed])
            answer = service.decode(ids["scan"])
        assert_problem(answer, 409, "not_read")
        assert message in answer.json()["detail"]


def test_an_index_read_by_other_weights(root, ids):
    """Opens, searches and reads on; decoding says whose tokens they are and what to do."""
    with wiring.open_service(settings(root, weights=str(checkpoint(seed=1)))) as library:
        other = Running(library)
        answer = other.decode(ids["scan"])
        assert_problem(answer, 409, "wrong_tokens")
        assert "Read the page again" in answer.json()["detail"]
        assert other.page(ids["letter"], 1)["state"] == "done"
        fresh = other.add(png(page(9, (300, 400))), "new.png")
        assert other.decode(fresh).status_code == 200


def test_an_engine_that_decodes_nothing(root, ids):
    """RapidOCR over an index with tokens: pages are shown, decoding says which engine is needed."""
    with wiring.open_service(settings(root, engine="rapidocr")) as library:
        plain = Running(library)
        answer = plain.decode(ids["scan"])
        assert_problem(answer, 503, "no_decoder")
        assert "FOLIOSCOPE_ENGINE=deepseek-ocr" in answer.json()["detail"]
        assert plain.page(ids["scan"])["vision"]["mode"]
        read = plain.add(letter(), "plain.pdf", text_layer="never")
        without = plain.decode(read)
        assert_problem(without, 409, "no_vision_tokens")
        assert "rapidocr" in without.json()["detail"]


def test_readyz_says_which_engine_and_why(service):
    """So does the log at the start, and `folioscope engine`."""
    ready = service.api.get("/readyz").json()
    assert ready["engine"].startswith("deepseek-ocr@local-")
    assert ready["checks"]["engine"] == "set by FOLIOSCOPE_ENGINE"


def test_tokens_need_not_be_kept(tmp_path):
    """Without them pages are read all the same, and the index has no room for any; layers are not encoded."""
    with wiring.open_service(settings(tmp_path, keep_tokens=False)) as library:
        service = Running(library)
        document = service.add(png(page(1, (300, 400))))
        assert service.page(document)["reader"]["engine"] == "deepseek-ocr"
        assert service.page(document)["vision"] is None
        assert_problem(service.decode(document), 409, "no_vision_tokens")
    assert "vision_dim" not in json.loads((tmp_path / "index" / "index.json").read_text())
    with wiring.open_service(settings(tmp_path, layer_tokens=False)) as library:
        service = Running(library)
        layer = service.add(letter(), "letter.pdf")
        assert service.page(layer)["vision"] is None
        assert service.page(service.add(png(page(2, (300, 400))), "new.png"))["vision"] is not None


def test_an_audit_finds_nothing_and_everything(root, ids, capsys, monkeypatch):
    """Untouched pages agree to the last bit; a changed token and a changed text are found."""
    clean = audit(settings(root), pages=10, seed=3)
    assert (clean.pages, clean.checked, clean.differences) == (3, 3, ())
    tamper(root, ids["scan"])
    found = audit(settings(root), pages=10, seed=3)
    assert {(one.document_id, one.code) for one in found.differences} >= {
        (ids["scan"], "tokens"),
        (ids["scan"], "stored_text"),
    }
    other = audit(settings(root, weights=str(checkpoint(seed=1))), pages=10)
    assert (other.pages, other.others, other.checked) == (0, 3, 0)
    for name, value in (
        settings(root).model_dump(include={"engine", "weights", "device", "dtype", "max_tokens"}).items()
    ):
        monkeypatch.setenv(f"FOLIOSCOPE_{name.upper()}", str(value))
    monkeypatch.setenv("FOLIOSCOPE_PAGE_PIXELS", str(PIXELS))
    assert cli.run(["audit", "--data", str(root), "--pages", "1", "--seed", "3", "--json"]) in {0, 3}
    assert cli.run(["audit", "--data", str(root), "--json"]) == 3
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert printed[1]["differences"]
    assert cli.run(["engine", "--data", str(root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reason"] == "set by FOLIOSCOPE_ENGINE"
    assert cli.run(["decode", ids["scan"], "1", "--task", "text", "--data", str(root), "--json"]) in {0, 3}
    assert json.loads(capsys.readouterr().out)["task"] == "text"
    assert cli.run(["locate", ids["scan"], "1", "harbour", "--data", str(root)]) in {0, 3}
    assert cli.run(["decode", ids["blank"], "1", "--data", str(root)]) == 1
    assert "blank" in capsys.readouterr().err


def tamper(root, document):
    """Change one number of a page's tokens and one letter of its text."""
    store = EdgeStore.open(root / "index", HashEmbedder())
    key = PageKey("default", document, 1)
    point = store.get([key], with_vision=True)[0]
    array = np.array(point.vision_tokens.array)
    array[0, 0] += 1
    changed = replace(
        reading("another text"),
        vision=VisionTokens(point.vision, array, point.vision_tokens.tiles),
        reader=point.reader,
    )
    store.update([PageUpdate(key, now(), reading=changed)])
    store.close()
