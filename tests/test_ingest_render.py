"""Pages of honest and odd files as the real sandbox renders them."""

from __future__ import annotations

import io
import math
import resource

import pymupdf
import pytest
from PIL import Image, ImageCms, ImageDraw

from index.errors import BadDocument, InvalidRequest, TooLarge
from index.types import PageSize
from ingest.sandbox import SandboxConfig, SandboxRenderer
from tests import ingest_kit as kit
from tests.ingest_kit import JPEG, PDF, PNG, TIFF, WEBP

pytest_plugins = ("tests.ingest_fixtures",)


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        (PNG, kit.saved(kit.picture(), "PNG")),
        (JPEG, kit.saved(kit.picture(), "JPEG", quality=95)),
        (WEBP, kit.saved(kit.picture(), "WEBP", lossless=True)),
        (TIFF, kit.saved(kit.picture(), "TIFF", compression="tiff_lzw")),
        (TIFF, kit.saved(kit.picture(), "TIFF")),
        (TIFF, kit.saved(kit.picture(), "TIFF", compression="jpeg", quality=95)),
        (PDF, kit.scan_pdf(kit.saved(kit.picture(), "PNG"), size=(120, 80))),
    ],
)
def test_every_type_comes_out_as_it_looks(renderer, put, media_type, data):
    """One picture, saved in every format, renders to that picture."""
    path = put(data)
    assert renderer.split(path, media_type, None) == (PageSize(120, 80),)
    page = renderer.render(path, media_type, 1, None, text_layer=True)
    assert page.image.mode == "RGB"
    assert page.text_layer is None
    assert kit.difference(page.image.resize((120, 80)), kit.picture()) < 6


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "I;16", "LA", "RGBA", "I", "F"])
def test_every_pixel_mode_becomes_rgb(renderer, put, mode):
    """Bilevel, grey, palette, CMYK, 16 bit and float: always RGB of the same look."""
    grey = kit.picture().convert("L")
    image = {
        "I;16": lambda: grey.convert("I").point(lambda value: value * 257).convert("I;16"),
        "I": lambda: grey.convert("I").point(lambda value: value * 257),
        "F": lambda: grey.convert("F"),
        "1": lambda: grey.point(lambda value: 255 * (value > 128)).convert("1"),
    }.get(mode, lambda: kit.picture(mode="RGB").convert(mode))()
    shown = renderer.render(put(kit.saved(image, "TIFF")), TIFF, 1, None).image
    expected = image.convert("RGB") if mode not in ("I;16", "I", "F") else grey.convert("RGB")
    if mode == "F":  # stretched from its darkest to its lightest
        low, high = grey.getextrema()
        expected = grey.point(lambda value: (value - low) * 255 / (high - low)).convert("RGB")
    assert kit.difference(shown, expected) < 2


@pytest.mark.parametrize(
    ("mode", "times"), [("I;16", 16), ("I;16", 64), ("I;16B", 16), ("I;16B", 257), ("I", 1), ("I", 16)]
)
def test_fewer_bits_than_a_picture_has_room_for_are_not_black(renderer, put, mode, times):
    """Film scanners write 12 or 14 bits into 16, in either order of bytes, and programs 8 into 32: white is what these
    can hold.
    """
    grey = kit.picture().convert("L")
    image = grey.convert("I").point(lambda value: value * times).convert(mode)
    shown = renderer.render(put(kit.saved(image, "TIFF")), TIFF, 1, None).image
    assert kit.difference(shown, grey.convert("RGB")) < 2


def test_transparency_lies_on_white(renderer, put):
    """Nothing painted is paper."""
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 10, 10))
    for media_type, data in ((PNG, kit.saved(image, "PNG")), (WEBP, kit.saved(image, "WEBP", lossless=True))):
        shown = renderer.render(put(data), media_type, 1, None).image
        assert shown.getpixel((30, 30)) == (255, 255, 255)
        assert shown.getpixel((5, 5)) == (255, 0, 0)
    palette = kit.saved(kit.picture().convert("P"), "PNG", transparency=kit.picture().convert("P").getpixel((5, 5)))
    assert renderer.render(put(palette), PNG, 1, None).image.getpixel((5, 5)) == (255, 255, 255)


STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(renderer, put, kind, orientation):
    """All eight orientations come out upright, pixels and size, also when the image is scaled down."""
    upright = kit.picture(240, 160)
    stored = upright if STORED_AS[orientation] is None else upright.transpose(STORED_AS[orientation])
    exif = Image.Exif()
    exif[274] = orientation
    path = put(kit.saved(stored, kind, exif=exif))
    media_type = f"image/{kind.lower()}"
    assert renderer.split(path, media_type, None) == (PageSize(240, 160),)
    assert kit.difference(renderer.render(path, media_type, 1, None).image, upright) < 6
    small = renderer.render(path, media_type, 1, None, max_pixels=120 * 80).image
    assert kit.difference(small, upright.resize((120, 80))) < 8


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("crop", [None, (40, 60, 500, 700)])
def test_words_stand_where_they_are_painted(renderer, put, rotation, crop):
    """With /Rotate and a crop box too: under every word there is ink, and beside the words there is none."""
    path = put(kit.pdf_bytes(rotation=rotation, crop=crop))
    (size,) = renderer.split(path, PDF, None)
    width, height = (crop[2] - crop[0], crop[3] - crop[1]) if crop else (595, 842)
    assert (size.width, size.height) == ((height, width) if rotation in (90, 270) else (width, height))
    page = renderer.render(path, PDF, 1, None, max_pixels=1_000_000, text_layer=True)
    assert math.isclose(page.image.width / page.image.height, size.width / size.height, rel_tol=0.01)
    words = page.text_layer.words
    assert [word.text for word in words] == ["Page", "1", *" ".join(kit.LINES).split()]
    draw = ImageDraw.Draw(page.image)
    for word in words:
        x0, y0, x1, y1 = (
            value * side
            for value, side in zip(
                (word.box.x0, word.box.y0, word.box.x1, word.box.y1), page.image.size * 2, strict=True
            )
        )
        assert min(page.image.crop((round(x0), round(y0), round(x1), round(y1))).convert("L").getextrema()) < 128
        draw.rectangle((x0 - 1, y0 - 3, x1 + 1, y1 + 3), fill="white")
    assert page.image.convert("L").getextrema()[0] > 200


def test_text_layer_tells_what_a_reader_needs(renderer, put):
    """Blocks, lines, sizes, bold, invisible words and ruling lines."""
    document = pymupdf.open()
    page = document.new_page()
    page.insert_text((50, 80), "Annual Report", fontsize=24, fontname="hebo")
    page.insert_text((50, 200), "plain words here", fontsize=11)
    page.insert_text((50, 300), "hidden layer", fontsize=11, render_mode=3)
    page.insert_text((50, 350), "white ink", fontsize=11, color=(1, 1, 1))
    page.draw_rect((40, 380, 300, 420), fill=(0, 0, 0.4))
    page.insert_text((50, 400), "white banner", fontsize=11, color=(1, 1, 1))
    page.insert_text((900, 400), "outside", fontsize=11)
    page.insert_text((500, 700), "upwards", fontsize=11, rotate=90)
    page.draw_line((50, 500), (500, 500), width=0.5)
    page.draw_rect((50, 520, 500, 600), width=1)
    page.draw_line((50, 610), (300, 800))
    layer = renderer.render(put(document.tobytes()), PDF, 1, None, text_layer=True).text_layer
    words = {word.text: word for word in layer.words}
    assert "outside" not in words
    assert words["Annual"].bold
    assert words["Annual"].size == pytest.approx(24)
    assert not words["plain"].bold
    assert words["plain"].size == pytest.approx(11)
    assert words["Annual"].block != words["plain"].block
    assert words["plain"].block == words["here"].block
    assert {word.text for word in layer.words if word.invisible} == {"hidden", "layer", "ink", "white"}
    assert [word.invisible for word in layer.words if word.text == "white"] == [True, False]
    upwards = words["upwards"].box
    assert (upwards.y1 - upwards.y0) * 842 > (upwards.x1 - upwards.x0) * 595
    assert layer.unmapped == 0
    assert layer.image_coverage == 0
    lines = [rule for rule in layer.rules if (rule.y1 - rule.y0) * 842 < 4]
    assert any(abs(rule.y0 * 842 - 500) < 3 and (rule.x1 - rule.x0) * 595 > 440 for rule in lines)
    sides = [rule for rule in layer.rules if (rule.x1 - rule.x0) * 595 < 4]
    assert len(sides) >= 2, "a drawn rectangle has four sides"


def test_unmapped_text_is_measured(renderer, put):
    """A font without any way to Unicode gives a share near 1, however its glyphs look."""
    document = pymupdf.open()
    page = document.new_page()
    writer = pymupdf.TextWriter(page.rect)
    writer.append((50, 100), "Hello world again", font=pymupdf.Font("notos"))
    writer.write_text(page)
    for xref in range(1, document.xref_length()):
        if document.xref_get_key(xref, "ToUnicode")[0] != "null":
            document.xref_set_key(xref, "ToUnicode", "null")
    layer = renderer.render(put(document.tobytes()), PDF, 1, None, text_layer=True).text_layer
    assert layer is not None
    assert layer.unmapped > 0.9


def test_scan_with_a_hidden_layer(renderer, put):
    """What OCR programs write: an image over the whole page and invisible words."""
    document = pymupdf.open("pdf", kit.scan_pdf(kit.saved(kit.picture(800, 1000), "JPEG")))
    document[0].insert_text((72, 100), "found by somebody else", render_mode=3)
    page = renderer.render(put(document.tobytes()), PDF, 1, None, text_layer=True)
    assert page.text_layer.image_coverage > 0.98
    assert all(word.invisible for word in page.text_layer.words)


@pytest.mark.parametrize(
    ("scan", "expected"), [((800, 1131), (800, 1131)), ((2480, 3508), (1681, 2379)), ((60, 85), (420, 595))]
)
def test_a_scan_is_rendered_at_its_own_resolution(renderer, put, scan, expected):
    """Not enlarged beyond its pixels, not beyond the budget; a tiny one is still given some pixels."""
    image = renderer.render(put(kit.scan_pdf(kit.saved(kit.picture(*scan), "PNG"))), PDF, 1, None).image
    assert abs(image.width - expected[0]) <= 2
    assert abs(image.height - expected[1]) <= 2


@pytest.mark.parametrize(
    "box",
    [b"[0 0 595 842]", b"[0 0 14400 14400] /UserUnit 10", b"[0 0 14400 1]", b"[0 0 20 20]", b"[0 0 3 3] /UserUnit 0.1"],
)
def test_pages_of_any_size_stay_in_the_budget(renderer, put, box):
    """From a stamp to a sports field: within 4 megapixels and 12,000 pixels a side."""
    path = put(kit.raw_pdf(b"0 0 10 10 re f", page=b"/MediaBox " + box))
    renderer.split(path, PDF, None)
    width, height = renderer.render(path, PDF, 1, None).image.size
    assert width * height <= 4_000_000 + width + height
    assert max(width, height) <= 12_001
    assert width * height >= 249_000 or max(width, height) >= 11_999


@pytest.mark.parametrize(
    "box",
    [b"[0 0 0 0]", b"[200 200 0 0]", b"[0 0 -100 -100]", b"[nan nan nan nan]", b"[0 0 1e38 1e38]", b"null", b"(x)"],
)
def test_insane_page_boxes(renderer, put, box):
    """A page box that makes no sense gives some sensible page, or our error; never anything else."""
    path = put(kit.raw_pdf(b"0 0 10 10 re f", page=b"/MediaBox " + box))
    try:
        (size,) = renderer.split(path, PDF, None)
        assert 0 < size.width < 1e7
        assert renderer.render(path, PDF, 1, None).image.width > 0
    except (BadDocument, TooLarge):
        pass


def test_passwords(renderer, put):
    """Needed, wrong and right; an owner's password alone keeps nobody out."""
    path = put(kit.locked_pdf())
    for password, word in ((None, "protected"), ("", "protected"), ("wrong", "does not open")):
        with pytest.raises(BadDocument, match=word) as refused:
            renderer.split(path, PDF, password)
        assert refused.value.code == "encrypted"
        with pytest.raises(BadDocument):
            renderer.render(path, PDF, 1, password)
    assert len(renderer.split(path, PDF, "open sesame")) == 1
    assert renderer.render(path, PDF, 1, "open sesame", text_layer=True).text_layer.words[0].text == "Page"
    with pytest.raises(BadDocument):  # what one caller opened stays closed to another
        renderer.render(path, PDF, 1, "wrong")
    assert len(renderer.split(put(kit.locked_pdf(user="")), PDF, None)) == 1


def test_multi_page_tiff(renderer, put):
    """Every page has its own size and pixels, in any order, again and again."""
    path = put(kit.tiff_bytes(30))
    sizes = renderer.split(path, TIFF, None)
    assert [size.width for size in sizes] == [10 * (number + 1) for number in range(30)]
    for number in (30, 1, 17, 17, 2):
        assert renderer.render(path, TIFF, number, None).image.size == (10 * number, 40)
    with pytest.raises(TooLarge) as refused:
        renderer.split(put(kit.tiff_bytes(51)), TIFF, None)
    assert refused.value.code == "too_many_pages"


def test_thumbnails_in_a_tiff_are_no_pages(renderer, put):
    """A reduced copy beside a page (NewSubfileType 1) does not count, and page numbers skip it."""
    first, thumb, second = kit.picture(100, 100), kit.picture(10, 10), kit.picture(50, 50)
    thumb.encoderinfo = {"tiffinfo": {254: 1}}
    path = put(kit.saved(first, "TIFF", save_all=True, append_images=[thumb, second]))
    assert [size.width for size in renderer.split(path, TIFF, None)] == [100, 50]
    assert renderer.render(path, TIFF, 2, None).image.size == (50, 50)


def test_animations_show_their_first_frame(renderer, put):
    """Animated WebP and PNG are one page."""
    frames = [Image.new("RGB", (30, 30), colour) for colour in ("red", "lime", "blue")]
    for media_type, kind, options in ((WEBP, "WEBP", {"lossless": True}), (PNG, "PNG", {})):
        path = put(kit.saved(frames[0], kind, save_all=True, append_images=frames[1:], **options))
        assert len(renderer.split(path, media_type, None)) == 1
        assert renderer.render(path, media_type, 1, None).image.getpixel((5, 5)) == (255, 0, 0)


def test_large_images_are_scaled_to_the_budget(renderer, put):
    """Same proportions, fewer pixels."""
    for media_type, kind in ((JPEG, "JPEG"), (PNG, "PNG")):
        path = put(kit.saved(kit.picture(6000, 3000), kind))
        image = renderer.render(path, media_type, 1, None).image
        assert image.size == (2828, 1414)
        assert kit.difference(image.resize((300, 150)), kit.picture(6000, 3000).resize((300, 150))) < 6


def test_split_of_many_pages(renderer, put):
    """Pages are counted and bounded; page numbers outside are the caller's fault."""
    path = put(kit.pdf_bytes(pages=50))
    assert len(renderer.split(path, PDF, None)) == 50
    words = renderer.render(path, PDF, 37, None, text_layer=True).text_layer.words
    assert words[1].text == "37"
    for number in (0, 51, -1):
        with pytest.raises(InvalidRequest) as refused:
            renderer.render(path, PDF, number, None)
        assert refused.value.code == "no_such_page"
    with pytest.raises(TooLarge) as too_many:
        renderer.split(put(kit.pdf_bytes(pages=51)), PDF, None)
    assert too_many.value.code == "too_many_pages"


@pytest.mark.parametrize("box", ["0 0 0 0", "700 900 800 1000", "100 100 100 400", "-9 -9 700 900"])
@pytest.mark.parametrize("inherited", [False, True])
def test_a_crop_box_that_leaves_nothing_crops_nothing(renderer, put, box, inherited):
    document = pymupdf.open()
    document.new_page(width=300, height=400).insert_text((72, 72), "The dues were paid.")
    media = b"/MediaBox[0 0 300 400]"
    crop = b"/CropBox[%s]" % box.encode()
    sound = document.tobytes()
    assert sound.count(media) == 1 == sound.count(b"/Type/Pages")
    data = sound.replace(b"/Type/Pages", b"/Type/Pages" + crop) if inherited else sound.replace(media, media + crop)
    path = put(data)
    assert renderer.split(path, PDF, None) == (PageSize(300, 400),)
    seen = renderer.render(path, PDF, 1, None, text_layer=True)
    assert seen.image.convert("L").getextrema()[0] < 100
    assert [word.text for word in seen.text_layer.words] == ["The", "dues", "were", "paid."]


def test_max_pixels_can_only_lower_the_budget(renderer, put):
    """A caller may ask for a thumbnail, not for more than is configured."""
    path = put(kit.pdf_bytes())
    small = renderer.render(path, PDF, 1, None, max_pixels=50_000).image
    assert small.width * small.height <= 50_000 + small.width + small.height
    large = renderer.render(path, PDF, 1, None, max_pixels=10**9).image
    assert large.width * large.height <= 4_000_000 + large.width + large.height


def test_png_orientation_after_the_pixels(renderer, put):
    """An eXIf chunk behind the image data counts as well."""
    exif = Image.Exif()
    exif[274] = 6
    buffer = io.BytesIO(kit.saved(kit.picture(), "PNG", exif=exif))
    assert renderer.render(put(buffer.getvalue()), PNG, 1, None).image.size == (80, 120)


def test_photographs_with_more_images_behind_them(renderer, put):
    """MPO, as phones write it, is a JPEG of one page."""
    path = put(kit.saved(kit.picture(), "MPO", save_all=True, append_images=[kit.picture(10, 10)]))
    assert renderer.split(path, JPEG, None) == (PageSize(120, 80),)
    assert kit.difference(renderer.render(path, JPEG, 1, None).image, kit.picture()) < 10


def test_lab_tiff(renderer, put):
    """A colour space whose converter is loaded late elsewhere works in the sealed process."""
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(kit.picture(), *profiles, outputMode="LAB")
    assert kit.difference(renderer.render(put(kit.saved(lab, "TIFF")), TIFF, 1, None).image, kit.picture()) < 8


def test_words_of_forms_and_annotations(renderer, put):
    """What is filled into a form or written on a page is rendered, and so it is in the text layer too."""
    document = pymupdf.open()
    page = document.new_page()
    page.insert_text((50, 50), "Surname")
    page.add_freetext_annot((50, 100, 300, 130), "approved")
    field = pymupdf.Widget()
    field.field_type, field.field_name, field.field_value = pymupdf.PDF_WIDGET_TYPE_TEXT, "surname", "Grabowski"
    field.rect = pymupdf.Rect(150, 35, 300, 55)
    page.add_widget(field)
    layer = renderer.render(put(document.tobytes()), PDF, 1, None, text_layer=True).text_layer
    assert {word.text for word in layer.words} == {"Surname", "approved", "Grabowski"}


def children_s():
    """Seconds of processor time that children used which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_dense_drawings_are_rendered_in_time(put):
    """A plan of 20,000 crossing lines takes seconds of a processor, not a minute, and its lettering stays."""
    lines = b"".join(b"%d %d m %d %d l S\n" % (i % 500, i % 800, i * 7 % 500, i * 13 % 800) for i in range(20_000))
    content = lines + b"1 g 50 50 500 200 re f 0 g BT /F 12 Tf 100 100 Td (Ground plan) Tj ET"
    page = b"/MediaBox [0 0 595 842] /Resources << /Font << /F 5 0 R >> >>"
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    path = put(kit.raw_pdf(content, page=page, objects=(font,)))
    before = children_s()
    with SandboxRenderer(SandboxConfig(children=1, page_cpu_s=200, **kit.PATIENT)) as renderer:
        rendered = renderer.render(path, PDF, 1, None, text_layer=True)
        after = renderer.render(put(kit.pdf_bytes()), PDF, 1, None).image.convert("L")
    assert children_s() - before < 20
    assert [word.text for word in rendered.text_layer.words] == ["Ground", "plan"]
    assert len(set(after.tobytes())) > 20, "the next page is smooth again"


def test_a_document_is_opened_once(renderer, put, monkeypatch):
    """Not for each of its pages: opening a long one takes far longer than a page."""
    opened, opening = [], renderer._open
    monkeypatch.setattr(renderer, "_open", lambda *given, **named: opened.append(given) or opening(*given, **named))
    path = put(kit.pdf_bytes(pages=12))
    for number in range(1, 13):
        renderer.render(path, PDF, number, None, max_pixels=100_000, text_layer=True)
    assert len(opened) == 1
