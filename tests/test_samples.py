"""The committed sample archive is what its truth says, and its questions hold."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import pymupdf
import pytest
from PIL import Image

from samples.questions import Question, check, shared_words

SAMPLES = Path(__file__).parent.parent / "samples"


@pytest.fixture(scope="module")
def truth() -> dict:
    return json.loads((SAMPLES / "truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """Every document of the archive by its full path, those in the inner archive too."""
    found: dict[str, bytes] = {}
    with zipfile.ZipFile(SAMPLES / "archive.zip") as archive:
        for name in archive.namelist():
            data = archive.read(name)
            if not name.endswith(".tar.gz"):
                found[name] = data
                continue
            with tarfile.open(fileobj=io.BytesIO(data)) as inner:
                for member in inner.getmembers():
                    opened = inner.extractfile(member)
                    assert opened is not None
                    found[f"{name}/{member.name}"] = opened.read()
    return found


@pytest.fixture(scope="module")
def questions(truth: dict) -> list[Question]:
    return [
        Question(**{**asked, "pages": tuple((path, page) for path, page in asked["pages"])})
        for asked in truth["questions"]
    ]


@pytest.fixture(scope="module")
def texts(truth: dict) -> dict[tuple[str, int], str]:
    return {(doc["path"], page["page"]): page["text"] for doc in truth["documents"] for page in doc["pages"]}


def test_archive_matches_truth(truth: dict, files: dict[str, bytes]) -> None:
    """The archive holds the very files that truth.json lists, byte for byte."""
    archive = (SAMPLES / "archive.zip").read_bytes()
    assert hashlib.sha256(archive).hexdigest() == truth["archive"]["sha256"]
    assert len(archive) < 20_000_000
    listed = {doc["path"]: doc["sha256"] for doc in truth["documents"]}
    assert {path: hashlib.sha256(data).hexdigest() for path, data in files.items()} == listed


def test_archive_is_large_and_varied(truth: dict) -> None:
    """At least 12 documents, 60 pages, and every kind of page that the benchmarks group by."""
    pages = [page for doc in truth["documents"] for page in doc["pages"]]
    assert len(truth["documents"]) >= 12 and len(pages) >= 60
    flags = Counter(flag for page in pages for flag in page["flags"])
    for flag in ("clean", "noisy", "skew", "columns", "rotated", "born-digital", "typewritten", "table", "bilevel"):
        assert flags[flag] >= 3, flag
    assert {doc["media_type"] for doc in truth["documents"]} == {
        "application/pdf", "image/tiff", "image/jpeg", "image/png", "image/webp",
    }  # fmt: skip
    assert {page["text_layer"] for page in pages} == {"none", "true", "garbled", "strange"}


def test_files_have_the_pages_of_the_truth(truth: dict, files: dict[str, bytes]) -> None:
    """Every file opens as its media type says and has as many pages as its truth."""
    for doc in truth["documents"]:
        data = files[doc["path"]]
        if doc["media_type"] == "application/pdf":
            assert pymupdf.open(stream=data, filetype="pdf").page_count == len(doc["pages"])
        else:
            image = Image.open(io.BytesIO(data))
            assert Image.MIME[image.format or ""] == doc["media_type"]
            assert getattr(image, "n_frames", 1) == len(doc["pages"])


def test_text_layers_are_true_or_wrong_as_told(truth: dict, files: dict[str, bytes]) -> None:
    """Words of a true layer are the page's words; a wrong layer shares hardly any; a scan without has none."""
    for doc in truth["documents"]:
        if doc["media_type"] != "application/pdf":
            continue
        pdf = pymupdf.open(stream=files[doc["path"]], filetype="pdf")
        for page in doc["pages"]:
            # Source Serif draws U+002D and U+2010 with one glyph, so its PDFs say the latter, as many real ones do.
            found = Counter(pdf[page["page"] - 1].get_text().replace("\u2010", "-").split())
            wanted = Counter(page["text"].replace(" | ", " ").split())
            share = (found & wanted).total() / wanted.total()
            if page["text_layer"] == "true":
                assert share > 0.98, doc["path"]
            elif page["text_layer"] == "none":
                assert not found
            else:
                assert found and share < 0.5, doc["path"]


def test_questions_hold(questions: list[Question], texts: dict[tuple[str, int], str]) -> None:
    """Every answer stands on its pages, and what look-ups name stands on no other page."""
    assert check(questions, texts) == []
    assert len({question.id for question in questions}) == len(questions)


def test_questions_are_many_and_fairly_mixed(questions: list[Question]) -> None:
    """At least 80 with an answer, half of them paraphrases, a fifth look-ups; 20 without; halves of each style."""
    answerable = [question for question in questions if question.kind != "unanswerable"]
    styles = Counter(question.style for question in answerable)
    assert len(answerable) >= 80 and len(questions) - len(answerable) >= 20
    assert styles["paraphrase"] / len(answerable) >= 0.5
    assert (styles["identifier"] + styles["phrase"]) / len(answerable) >= 0.2
    for style in {question.style for question in questions}:
        halves = Counter(question.split for question in questions if question.style == style)
        assert abs(halves["tune"] - halves["report"]) <= 1, style


def test_paraphrases_share_few_words(questions: list[Question], texts: dict[tuple[str, int], str]) -> None:
    """A paraphrase shares under half of its content words with its page, most of them under a third."""
    shares = sorted(
        max(shared_words(question, texts[place]) for place in question.pages)
        for question in questions
        if question.style == "paraphrase"
    )
    assert shares[-1] <= 0.5 and shares[len(shares) // 2] <= 0.34


@pytest.mark.parametrize("name", ["receipt", "sundry", "fog_signal"])
def test_documents_are_made_again_as_committed(name: str, truth: dict) -> None:
    """Making a document again gives the committed text and pages (the extra `samples` brings the fonts)."""
    pytest.importorskip("font_source_serif_pro", reason="pip install -e '.[samples]'")
    pytest.importorskip("font_caladea", reason="pip install -e '.[samples]'")
    from samples.catalogue import DOCUMENTS
    from samples.generate import make_document

    document = next(document for document in DOCUMENTS if document.content == name)
    committed = next(doc for doc in truth["documents"] if doc["path"] == document.full_path)
    once, again = make_document(document), make_document(document)
    assert once.truth["pages"] == committed["pages"]
    assert once.data == again.data
