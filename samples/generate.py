"""Makes the sample archive: `python -m samples.generate [--out DIR]` writes archive.zip and truth.json.

The same seed gives the same bytes for the same versions of Pillow and PyMuPDF; the true text depends on nothing but
the files in content/. Needs the extra `samples` (fonts), which using the committed archive does not.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import random
import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pymupdf
from PIL import Image

from samples.catalogue import DOCUMENTS, Document
from samples.drawing import add_pdf_page, add_scan_page, raster
from samples.layout import SetPage, set_page
from samples.markup import Page, parse
from samples.questions import check, read_questions
from samples.scanning import PROFILES, encode, encode_tiff, scan

SEED = "carrowhaven"
HERE = Path(__file__).parent
_STAMP = (2019, 11, 4, 9, 0, 0)
_NOISY = {"aged", "worn", "fax", "microfilm", "camera"}


@dataclass(frozen=True, slots=True)
class Made:
    """A document's file and what is true of it."""

    document: Document
    data: bytes
    truth: dict


def make_document(document: Document) -> Made:
    """Sets, draws and scans one document. DoesNotFitError when a page's content is too much for its paper."""
    pages = read_content(document.content)
    sheets = [set_page(page, document.style, f"{document.path}, page {number}") for number, page in enumerate(pages, 1)]
    skews = [0.0] * len(sheets)
    if document.profile is None:
        data = _born_digital(sheets)
    else:
        images, skews = _scan_all(document, sheets)
        data = _bind(document, sheets, images, skews)
    truth = {
        "path": document.full_path,
        "container": document.container,
        "media_type": document.media_type,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "origin": "born-digital" if document.profile is None else "scan",
        "scanner": document.profile,
        "pages": [
            _page_truth(document, number, page, sheet, skew)
            for number, (page, sheet, skew) in enumerate(zip(pages, sheets, skews, strict=True), 1)
        ],
    }
    return Made(document, data, truth)


def read_content(name: str) -> list[Page]:
    """The pages of a content file by name."""
    return parse((HERE / "content" / f"{name}.txt").read_text(encoding="utf-8"))


def _scan_all(document: Document, sheets: list[SetPage]) -> tuple[list[Image.Image], list[float]]:
    assert document.profile is not None
    profile = PROFILES[document.profile]
    drawn = [
        raster(sheet, profile.dpi, document.style.typed, random.Random(f"{SEED} ink {document.full_path} {number}"))
        for number, sheet in enumerate(sheets, 1)
    ]
    images, skews = [], []
    for number, image in enumerate(drawn, 1):
        back = drawn[number % len(drawn)] if len(drawn) > 1 else None
        scanned, skew = scan(image, profile, f"{SEED} scan {document.full_path} {number}", back)
        turn = document.turned.get(number, 0) - document.shown_turned.get(number, 0)
        if document.exif == 6:  # the camera was held sideways; the file says to turn it a quarter clockwise
            turn -= 90
        images.append(scanned.rotate(-turn, expand=True) if turn else scanned)
        skews.append(round(skew, 2))
    return images, skews


def _layer(document: Document, number: int) -> str:
    return document.layers[(number - 1) % len(document.layers)]


def _bind(document: Document, sheets: list[SetPage], images: list[Image.Image], skews: list[float]) -> bytes:
    assert document.profile is not None
    profile = PROFILES[document.profile]
    match document.path.rsplit(".", 1)[1]:
        case "pdf":
            pdf = pymupdf.open()
            for number, (sheet, image, skew) in enumerate(zip(sheets, images, skews, strict=True), 1):
                picture = encode(image, "png" if image.mode == "1" else "jpeg", profile)
                turned = document.shown_turned.get(number, 0)
                add_scan_page(pdf, sheet, picture, _layer(document, number), skew, turned, f"{document.path} {number}")
            return _pdf_bytes(pdf)
        case "tif":
            return encode_tiff(images, profile.dpi)
        case "jpg":
            return encode(images[0], "jpeg", profile, document.exif)
        case kind:
            return encode(images[0], kind, profile)


def _born_digital(sheets: list[SetPage]) -> bytes:
    pdf = pymupdf.open()
    for sheet in sheets:
        add_pdf_page(pdf, sheet)
    return _pdf_bytes(pdf)


def _pdf_bytes(pdf: pymupdf.Document) -> bytes:
    pdf.set_metadata({})
    return pdf.tobytes(garbage=4, deflate=True, deflate_fonts=True, no_new_id=True)


def _page_truth(document: Document, number: int, page: Page, sheet: SetPage, skew: float) -> dict:
    turned = document.turned.get(number, 0)
    flags = []
    if document.profile is None:
        flags.append("born-digital")
    elif document.profile == "clean" and not turned:
        flags.append("clean")
    elif document.profile in _NOISY:
        flags.append("noisy")
    facts = {
        "skew": abs(skew) >= 0.8,
        "columns": any(block.lines[:1] in (("columns 2",), ("columns 3",)) for block in page.blocks),
        "rotated": turned != 0,
        "typewritten": document.style.typed,
        "table": any(block.kind == "row" for block in page.blocks),
        "form": any(block.kind == "form" for block in page.blocks),
        "bilevel": document.profile is not None and PROFILES[document.profile].bilevel,
    }
    flags += [name for name, holds in facts.items() if holds]
    return {
        "page": number,
        "layout": page.layout,
        "flags": flags,
        "rotation": (360 - turned) % 360,
        "skew": skew,
        "text_layer": "true" if document.profile is None else _layer(document, number),
        "text": sheet.text,
    }


def pack(made: Iterable[Made]) -> bytes:
    """The ZIP of all documents, containers packed inside it. Pictures are stored, not deflated again."""
    inner: dict[str, list[Made]] = {}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for item in made:
            if item.document.container:
                inner.setdefault(item.document.container, []).append(item)
            else:
                _add(archive, item.document.path, item.data)
        for path, items in inner.items():
            _add(archive, path, _tar_gz(items))
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, path: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(path, _STAMP)
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data, zipfile.ZIP_STORED)


def _tar_gz(items: list[Made]) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for item in items:
            entry = tarfile.TarInfo(item.document.path)
            entry.size, entry.mode, entry.mtime = len(item.data), 0o644, 1572858000
            tar.addfile(entry, io.BytesIO(item.data))
    return gzip.compress(plain.getvalue(), mtime=0)


def main() -> None:
    """Writes the archive and its truth; refuses when a question does not hold."""
    parser = argparse.ArgumentParser(prog="python -m samples.generate", description="Make the sample archive.")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to (default: samples/)")
    out: Path = parser.parse_args().out
    made = [make_document(document) for document in DOCUMENTS]
    paths = {document.content: document.full_path for document in DOCUMENTS}
    questions = read_questions((HERE / "content" / "questions.txt").read_text(encoding="utf-8"), paths)
    texts = {(m.truth["path"], page["page"]): page["text"] for m in made for page in m.truth["pages"]}
    if wrong := check(questions, texts):
        raise SystemExit("\n".join(wrong))
    archive = pack(made)
    truth = {
        "seed": SEED,
        "archive": {"path": "archive.zip", "sha256": hashlib.sha256(archive).hexdigest(), "bytes": len(archive)},
        "documents": [m.truth for m in made],
        "questions": [asdict(question) for question in questions],
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "archive.zip").write_bytes(archive)
    (out / "truth.json").write_text(json.dumps(truth, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(made)} documents, {len(texts)} pages, {len(questions)} questions, {len(archive) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
