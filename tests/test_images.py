"""Page images for people: the right way up, and from memory where they were shown lately."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from index.errors import InvalidRequest
from index.types import Manifest, PageSize, TextLayerPolicy
from ingest.renderer import RenderedPage
from worker.images import PageImages

MANIFEST = Manifest("t", "d", "0" * 64, 1, "a.png", "image/png", datetime(2026, 1, 1, tzinfo=UTC), TextLayerPolicy.AUTO)


class Corner:
    """Renders a white page, 60 x 40, with black in its upper left corner; counts."""

    def __init__(self):
        self.rendered = 0

    def render(self, *_given, **_named):
        self.rendered += 1
        image = Image.new("RGB", (60, 40), "white")
        image.paste("black", (0, 0, 10, 10))
        return RenderedPage(image, None)


@pytest.fixture
def renderer():
    return Corner()


def encoded(images, *, page=1, width=60, rotation=0, kind="png"):
    size = PageSize(60, 40)
    return images.image(Path("x"), MANIFEST, page, None, size=size, rotation=rotation, width=width, kind=kind)


def show(images, **asked):
    return Image.open(io.BytesIO(encoded(images, **asked)))


def test_a_page_is_turned_as_it_was_read(renderer):
    """Clockwise; and read anew another way up, it is not shown as it was before."""
    images = PageImages(renderer, cache_bytes=1 << 20)
    corners = {0: (0, 0), 90: (39, 0), 180: (59, 39), 270: (0, 59)}
    for rotation, black in corners.items():
        image = show(images, rotation=rotation)
        assert image.size == ((40, 60) if rotation in {90, 270} else (60, 40))
        assert [spot for spot in corners.values() if _within(image, spot) == (0, 0, 0)] == [black], rotation


def _within(image, spot):
    return image.convert("RGB").getpixel(spot) if spot[0] < image.width and spot[1] < image.height else None


def test_what_was_shown_lately_is_not_rendered_again(renderer):
    """Each page, width and format for itself."""
    images = PageImages(renderer, cache_bytes=1 << 20)
    ways = [{}, {"page": 2}, {"width": 30}, {"kind": "webp"}]
    for _ in range(3):
        for way in ways:
            show(images, **way)
    assert renderer.rendered == len(ways)
    assert show(images, width=30).size == (30, 20)


def test_memory_is_bounded(renderer):
    """The oldest goes; what is larger than all of it is not kept, and nothing else is lost to an empty cache."""
    one = len(encoded(PageImages(renderer, cache_bytes=0)))
    images = PageImages(renderer, cache_bytes=2 * one)
    renderer.rendered = 0
    for page in (1, 2, 1, 3, 1):  # 3 takes the place of 2, which was not looked at since
        show(images, page=page)
    assert renderer.rendered == 3
    show(images, page=2)
    assert renderer.rendered == 4
    none = PageImages(renderer, cache_bytes=0)
    show(none)
    show(none)
    assert renderer.rendered == 6


@pytest.mark.parametrize("asked", [{"width": 15}, {"width": 4001}, {"kind": "gif"}])
def test_sizes_and_formats_are_checked(renderer, asked):
    """Before anything is rendered."""
    with pytest.raises(InvalidRequest):
        show(PageImages(renderer, cache_bytes=0), **asked)
    assert renderer.rendered == 0
