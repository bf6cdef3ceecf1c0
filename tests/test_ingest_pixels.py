"""Pixels that are not square: faxes and other scans that are finer across than down."""

from __future__ import annotations

import pytest
from PIL import Image

from index.types import PageSize
from tests import ingest_kit as kit

pytest_plugins = ("tests.ingest_fixtures",)


def squeezed(dpi: tuple[float, float], size: tuple[int, int] = (408, 196)) -> tuple[Image.Image, Image.Image]:
    """A picture with square pixels, and the same as a device of this resolution stores it."""
    across, down = dpi
    upright = (
        kit.picture(size[0], round(size[1] * across / down))
        if across > down
        else kit.picture(round(size[0] * down / across), size[1])
    )
    return upright, upright.resize(size)


@pytest.mark.parametrize("kind", ["TIFF", "PNG", "JPEG"])
@pytest.mark.parametrize("dpi", [(204, 98), (100, 200)])
def test_pixels_become_square(renderer, put, kind, dpi):
    """A page is as high and as wide as it was on paper, and nothing of it is lost."""
    upright, stored = squeezed(dpi)
    path = put(kit.saved(stored, kind, dpi=dpi))
    media_type = f"image/{kind.lower()}"
    assert renderer.split(path, media_type, None) == (PageSize(*upright.size),)
    page = renderer.render(path, media_type, 1, None).image
    assert page.size == upright.size
    assert kit.difference(page, upright) < 8
    small = renderer.render(path, media_type, 1, None, max_pixels=100 * 100).image
    assert small.width / small.height == pytest.approx(upright.width / upright.height, rel=0.03)


@pytest.mark.parametrize("kind", ["TIFF", "PNG", "JPEG"])
def test_a_fax_that_was_sent_sideways(renderer, put, kind):
    """The resolution is that of the stored rows, whichever way the page is then turned."""
    upright, stored = squeezed((204, 98))
    exif = Image.Exif()
    exif[274] = 6  # shown turned a quarter clockwise
    path = put(kit.saved(stored, kind, dpi=(204, 98), exif=exif))
    turned = upright.transpose(Image.Transpose.ROTATE_270)
    media_type = f"image/{kind.lower()}"
    assert renderer.split(path, media_type, None) == (PageSize(*turned.size),)
    assert kit.difference(renderer.render(path, media_type, 1, None).image, turned) < 8


@pytest.mark.parametrize("dpi", [(300, 300), (204, 196), (72, 1), (1, 72), (0, 0), (0, 100)])
def test_what_is_nearly_square_or_nonsense_changes_nothing(renderer, put, dpi):
    """A fine fax is as good as square; a resolution that nobody scans with is a mistake of whoever wrote it."""
    picture = kit.picture(60, 40)
    path = put(kit.saved(picture, "PNG", dpi=dpi))
    assert renderer.split(path, "image/png", None) == (PageSize(60, 40),)
    assert renderer.render(path, "image/png", 1, None).image.size == (60, 40)
