"""Files that are damaged, lie or have no pages: what can be read of them is, and the rest is told."""

from __future__ import annotations

import random
import struct

import pymupdf
import pytest

from index.errors import BadDocument, TooLarge, UnsupportedMedia
from tests import ingest_kit as kit
from tests.ingest_kit import JPEG, PDF, PNG, TIFF, WEBP


def test_tiff_chain_that_loops(renderer, put):
    """A chain of pages that leads back to its beginning ends there."""
    path = put(kit.looped_tiff())
    assert len(renderer.split(path, TIFF, None)) == 2
    assert renderer.render(path, TIFF, 2, None).image.size == (20, 40)


def test_a_pdf_without_pages_is_empty(renderer, put):
    """A sound PDF of no pages, and a file of no bytes."""
    none = kit.raw_pdf(b"").replace(b"/Kids [3 0 R] /Count 1", b"/Kids []      /Count 0")
    for data in (none, b""):
        with pytest.raises(BadDocument) as refused:
            renderer.split(put(data), PDF, None)
        assert refused.value.code == "empty"


def test_repairable_pdf_is_read(renderer, put):
    """A PDF whose cross-reference table is gone is still a PDF."""
    data = kit.pdf_bytes(pages=2)
    path = put(data[: data.rindex(b"startxref")])
    assert len(renderer.split(path, PDF, None)) == 2
    assert renderer.render(path, PDF, 2, None, text_layer=True).text_layer.words[1].text == "2"


def test_one_lost_page_does_not_lose_the_others(renderer, put):
    """Page numbers stay; the page that is no page fails alone."""
    data = kit.raw_pdf(b"0 0 9 9 re f").replace(b"/Kids [3 0 R] /Count 1", b"/Kids [3 0 R 9 0 R 3 0 R] /Count 3")
    path = put(data)
    pages = len(renderer.split(path, PDF, None))
    assert renderer.render(path, PDF, 1, None).image.size[0] > 0
    assert renderer.render(path, PDF, pages, None).image.size[0] > 0


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        (PDF, b"%PDF-1.7\nnothing else"),
        (PNG, kit.saved(kit.picture(), "PNG")[:60]),
        (JPEG, kit.saved(kit.picture(), "JPEG")[:200]),
        (WEBP, kit.saved(kit.picture(), "WEBP")[:60]),
        (TIFF, kit.saved(kit.picture(), "TIFF")[:2000]),
        (TIFF, b"II*\0" + bytes(100)),
    ],
)
def test_truncated_files_are_damaged(renderer, put, media_type, data):
    """What breaks off too early is `damaged`, in split or in render."""
    path = put(data)
    with pytest.raises(BadDocument) as refused:
        renderer.split(path, media_type, None)
        renderer.render(path, media_type, 1, None)
    assert refused.value.code == "damaged"


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_pages_behind_the_cut_of_a_pdf_are_not_blank(renderer, put, share):
    """What was uploaded by half often still says how many pages there are: those whose content did not come are
    `damaged`, those that came are read, and a page that is blank in a whole file is blank in a repaired one.
    """
    document = pymupdf.open()
    for number in range(6):
        noise = random.Random(number).randbytes(40_000)
        page = document.new_page(width=200, height=200)
        page.insert_image(page.rect, pixmap=pymupdf.Pixmap(pymupdf.csGRAY, 200, 200, noise, 0))
    document.new_page(width=200, height=200)
    whole = document.tobytes()
    path = put(whole[: int(len(whole) * share)])
    codes = []
    for number in range(1, len(renderer.split(path, PDF, None)) + 1):
        try:
            renderer.render(path, PDF, number, None)
            codes.append("")
        except BadDocument as refused:
            codes.append(refused.code)
    assert len(codes) == 7
    read = codes.index("damaged")
    assert codes == [""] * read + ["damaged"] * (7 - read)
    assert read == {0.3: 1, 0.6: 3, 0.9: 5}[share]
    repaired = put(whole[: whole.rindex(b"startxref")])
    assert not renderer.render(repaired, PDF, 7, None).image.convert("L").getextrema()[0] < 255


def test_a_page_whose_scan_is_unreadable_is_not_blank(renderer, put):
    """MuPDF leaves out an image it cannot decode; an empty page in its place would be a lie."""
    image = kit.stream_object(
        b"/Type /XObject /Subtype /Image /Width 500 /Height 500 /BitsPerComponent 8 /ColorSpace /DeviceRGB"
        b" /Filter /DCTDecode",
        b"this is no JPEG",
    )
    data = kit.raw_pdf(
        b"q 200 0 0 200 0 0 cm /I Do Q",
        page=b"/MediaBox [0 0 200 200] /Resources << /XObject << /I 5 0 R >> >>",
        objects=(image,),
    )
    with pytest.raises(BadDocument) as refused:
        renderer.render(put(data), PDF, 1, None)
    assert refused.value.code == "damaged"
    blank = renderer.render(put(kit.raw_pdf(b"")), PDF, 1, None)
    assert blank.image.convert("L").getextrema() == (255, 255)


def test_declared_pixels_are_checked_before_decoding(renderer, put):
    """A tiny PNG of 60,000 x 60,000 is a bomb; one somewhat over the limit is only too large."""
    for side, error, code in ((60_000, BadDocument, "bomb"), (15_000, TooLarge, "page_too_large")):
        with pytest.raises(error) as refused:
            path = put(kit.png_declaring(side, side))
            renderer.split(path, PNG, None)
            renderer.render(path, PNG, 1, None)
        assert refused.value.code == code


@pytest.mark.parametrize("front", [b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", b"PK\x03\x04"])
def test_nothing_but_the_pdf_parser_sees_a_pdf(renderer, put, front):
    """A file called PDF is read as PDF or not at all, even if MuPDF knows what else it is."""
    with pytest.raises(BadDocument):
        renderer.split(put(front + bytes(100)), PDF, None)


def test_types_that_have_no_pages(renderer, put):
    """Archives and unknown types are refused before a child sees them."""
    for media_type in ("application/zip", "text/plain"):
        with pytest.raises(UnsupportedMedia):
            renderer.split(put(b"x"), media_type, None)


def test_a_lying_type_is_damaged_not_guessed(renderer, put):
    """A JPEG announced as PNG is not opened as what it is: the type comes from our own sniffing."""
    with pytest.raises(BadDocument):
        renderer.split(put(kit.saved(kit.picture(), "JPEG")), PNG, None)


def test_a_tiff_that_breaks_off_shows_it(renderer, put):
    """Pages before the damage are read; one page more fails, so that the loss is not silent."""
    data = bytearray(kit.tiff_bytes(3))
    first = struct.unpack_from("<I", data, 4)[0]
    (entries,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * entries, len(data) - 1)
    path = put(bytes(data))
    assert len(renderer.split(path, TIFF, None)) == 2
    assert renderer.render(path, TIFF, 1, None).image.size == (10, 40)
    with pytest.raises(BadDocument) as refused:
        renderer.render(path, TIFF, 2, None)
    assert refused.value.code == "damaged"
