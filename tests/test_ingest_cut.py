"""A PDF that is cut off: what came whole is read, and no part of a page is taken for the page."""

from __future__ import annotations

import io
import random

import pymupdf
import pytest
from PIL import Image

from index.errors import BadDocument
from tests import ingest_kit as kit

pytest_plugins = ("tests.ingest_fixtures",)

PAGES = 3


def typed(*, compressed: bool) -> bytes:
    """Pages whose lines are content streams of their own, as programs write them that add to a page."""
    document = pymupdf.open()
    for number in range(PAGES):
        page = document.new_page(width=300, height=400)
        for line in range(6):
            page.insert_text((30, 40 + 40 * line), f"Page {number + 1}, resolution {line * 37 % 11} of the council")
    return document.tobytes(deflate=compressed, use_objstms=compressed)


def scanned() -> bytes:
    """Pages of one JPEG each."""
    document = pymupdf.open()
    for number in range(PAGES):
        noise = random.Random(number)
        picture, file = Image.new("L", (150, 200), 255), io.BytesIO()
        picture.putdata([255 if noise.random() < 0.8 else 0 for _ in range(150 * 200)])
        picture.save(file, "JPEG", quality=60)
        document.new_page(width=300, height=400).insert_image((0, 0, 300, 400), stream=file.getvalue())
    return document.tobytes()


FILES = {
    "typed": lambda: typed(compressed=False),
    "compressed": lambda: typed(compressed=True),
    "scanned": scanned,
}


def pixels(renderer, path, number: int) -> bytes | None:
    """Of the page; None where it, or the file, is damaged."""
    try:
        return renderer.render(path, "application/pdf", number, None).image.tobytes()
    except BadDocument as refused:
        assert refused.code in {"damaged", "empty"}, refused
        return None


@pytest.mark.parametrize("kind", FILES)
def test_no_part_of_a_page_is_taken_for_the_page(renderer, put, kind):
    data = FILES[kind]()
    whole = [pixels(renderer, put(data), number) for number in range(1, PAGES + 1)]
    assert None not in whole and len(set(whole)) == PAGES
    read = 0
    for cut in range(len(data) // 25, len(data), len(data) // 25):
        path = put(data[:cut])
        for number in range(1, PAGES + 1):
            shown = pixels(renderer, path, number)
            assert shown in (None, whole[number - 1]), (cut, number)
            read += shown is not None
    assert read > 10 or kind == "compressed", "what came whole is read"


@pytest.mark.parametrize("kind", ["typed", "scanned"])
def test_without_its_list_of_objects_a_file_is_whole(renderer, put, kind):
    """All of the pages came, and within the mark of a stream's end no more of one can come."""
    data = FILES[kind]()
    whole = [pixels(renderer, put(data), number) for number in range(1, PAGES + 1)]
    ends = [data.rindex(b"endobj") + 6, data.rindex(b"endstream") + 4]
    for path in (put(data[:end]) for end in ends):
        assert [pixels(renderer, path, number) for number in range(1, PAGES + 1)] == whole


@pytest.mark.parametrize("behind", [b"", bytes(4096), b"\n-- \nThis message was checked.\n" * 100])
def test_what_a_page_never_had_is_no_loss(renderer, put, behind):
    """A file that was not cut, but has to be repaired, may name objects that are nowhere. What is padded to whole
    blocks, or has a mail's footer, is not cut.
    """
    data = kit.pdf_bytes()
    assert b"/Contents[" in data
    broken = data.replace(b"startxref", b"startxxxx").replace(b"/Contents[", b"/Contents[999 0 R ") + behind
    assert pixels(renderer, put(broken), 1) == pixels(renderer, put(data), 1)


def test_what_is_told_of_a_picture_is_no_part_of_the_page(renderer, put):
    """Who made it and with what, which stands behind the picture in the file."""
    document = pymupdf.open("pdf", scanned())
    told = document.get_new_xref()
    document.update_object(told, "<</Type/Metadata>>")
    document.update_stream(told, b"made with a camera " * 20)
    document.xref_set_key(document[0].get_images()[0][0], "Metadata", f"{told} 0 R")
    data = document.tobytes()
    cut = data[: data.index(b"%d 0 obj" % told)]
    assert pixels(renderer, put(cut), 1) == pixels(renderer, put(data), 1) is not None
