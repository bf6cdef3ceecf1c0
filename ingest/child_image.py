"""Reads PNG, JPEG, WebP and TIFF pages with Pillow. Runs only inside the render child.

The declared size is checked before a pixel is decoded; the format is the one that was sniffed, never
Pillow's guess. EXIF (and TIFF) orientation is applied, pixels that are not square (a fax has 204 to the inch across
and 98 down) become so, transparency lies on white, animations show their first frame. Thumbnails and masks
inside a TIFF's chain of pages are not pages.
"""

from __future__ import annotations

import io
import os
import warnings
from typing import Any

# Pillow loads some of these only when a file needs them, and then the sealed process could not.
from PIL import (
    ExifTags,  # noqa: F401
    Image,
    ImageCms,  # noqa: F401
    ImageColor,  # noqa: F401
    ImageFilter,  # noqa: F401
    ImagePalette,  # noqa: F401
    JpegImagePlugin,
    MpoImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

from ingest.budget import Budget
from ingest.child_complete import png_is_short, tiff_is_short
from ingest.wire import Status

FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP", "image/tiff": "TIFF"}
SQUARE = 1.1  # pixels less oblong than this are left as they are: a fine fax has 204 x 196 to the inch
OBLONG = 4.0  # what says more is nonsense
KEEP_OPEN_PIXELS = 20_000_000  # a larger decoded page is not kept in memory beside the open file
_DEPTHS = (4095, 16383, 65535)  # whites of 12, 14 and 16 bits
_ORIENTATION, _SUBFILE_TYPE, _REDUCED_OR_MASK = 274, 254, 0b101
_SIDEWAYS = range(5, 9)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

warnings.simplefilter("ignore")  # Pillow's words would go to a closed stderr; the checks here decide


class ImageRefused(Exception):
    """An image that will not be read, and why."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.name)
        self.status = status


class Picture:
    """An open image file: one page, or as many as a TIFF has."""

    def __init__(self, fd: int, media_type: str, max_pages: int, max_image_pixels: int) -> None:
        Image.MAX_IMAGE_PIXELS = max_image_pixels  # Pillow raises at twice as many, before it allocates
        self._format = FORMATS[media_type]
        self._max_image_pixels = max_image_pixels
        self._file = os.fdopen(fd, "rb", closefd=False)
        self._image: Image.Image | None = None
        self._frames, self._sizes = self._look_through(max_pages)
        self.pages = len(self._frames)

    def _opened(self) -> Image.Image:
        if self._image is None:
            self._file.seek(0)
            self._image = Image.open(self._file, formats=[self._format])
        return self._image

    def close(self) -> None:
        self._image = None
        self._file.close()

    def _look_through(self, max_pages: int) -> tuple[list[int], list[tuple[int, int]]]:
        """Frame numbers and upright sizes of the pages; decodes nothing."""
        image = self._opened()
        if self._format != "TIFF":
            return [0], [_upright_size(image)]
        frames: list[int] = []
        sizes: list[tuple[int, int]] = []
        first = _upright_size(image)
        for frame in range(2 * max_pages + 1):  # twice: each page may have its thumbnail
            try:
                image.seek(frame)
            except EOFError:
                break
            except Exception:
                if frame == 0:
                    raise
                # Damaged further on: the pages before it are good, and one that fails tells of what is lost.
                frames.append(frame)
                sizes.append((0, 0))
                break
            if not _subfile_type(image) & _REDUCED_OR_MASK:
                frames.append(frame)
                sizes.append(_upright_size(image))
            if len(frames) > max_pages:
                raise ImageRefused(Status.TOO_MANY_PAGES)
        return (frames, sizes) if frames else ([0], [first])

    def sizes(self) -> list[tuple[int, int]]:
        """Upright width and height of every page, in pixels."""
        return self._sizes

    def render(self, number: int, budget: Budget) -> tuple[int, int, bytes]:
        """Page `number` (from 0) as width, height and RGB bytes."""
        image = self._opened()
        if self._format == "TIFF":
            image.seek(self._frames[number])
        pixels = image.width * image.height
        if pixels > self._max_image_pixels:
            raise ImageRefused(Status.PAGE_TOO_LARGE if pixels <= 2 * self._max_image_pixels else Status.BOMB)
        if self._format == "TIFF" and tiff_is_short(image):
            raise ImageRefused(Status.DAMAGED)
        try:
            page = _page(image, budget)
            if self._format == "PNG" and png_is_short(image, self._file):
                raise ImageRefused(Status.DAMAGED)
        finally:
            if self._format != "TIFF" or pixels > KEEP_OPEN_PIXELS or self.pages == 1:
                self._image = None
        return page.width, page.height, page.tobytes()

    def text(self, number: int) -> None:
        """Images have no text layer."""


def _page(image: Image.Image, budget: Budget) -> Image.Image:
    oblong = _oblong(image)
    target = budget.fit(*_squared(image.size, oblong))
    turn = _orientation(image)
    if isinstance(image, JpegImagePlugin.JpegImageFile):  # MPO too: a photograph with more images behind it
        image.draft(None, target)  # decode at 1/2, 1/4 or 1/8 where that is still large enough
    image.load()
    if image.format != "TIFF":  # Pillow turns a TIFF itself while it loads
        turn = _orientation(image)  # a PNG may say so after its pixels
    else:
        target = budget.fit(*_squared(image.size, oblong))
        turn = 1
    plain = _eight_bit(image)
    if plain.size != target:
        plain = plain.resize(target, Image.Resampling.LANCZOS, reducing_gap=2.0)
    plain = _on_white(plain)
    return plain.transpose(_TURNS[turn]) if turn in _TURNS else plain


def _eight_bit(image: Image.Image) -> Image.Image:
    """A mode that can be resized: 8 bits a channel, no palette."""
    mode = image.mode
    if mode.startswith("I;16"):
        wide = image.convert("I")  # Pillow tells no extremes of what has its bytes the other way round
        factor = 255.0 / _brightest(wide.getextrema()[1], _DEPTHS)
        return wide.point(lambda value: value * factor).convert("L")
    if mode in ("I", "F"):
        low, high = image.getextrema()
        if mode == "I" and low >= 0 and high <= _DEPTHS[-1]:
            low, high = 0, _brightest(high, (255, *_DEPTHS))
        scale = 255.0 / (high - low) if high > low else 0.0
        return image.convert("F").point(lambda value: value * scale + (-low * scale)).convert("L")
    if mode == "1":
        return image.convert("L")
    if "transparency" in image.info or mode in ("PA", "LA", "La", "RGBa", "RGBA"):
        return image.convert("RGBA")
    return image if mode in ("L", "RGB") else image.convert("RGB")


def _brightest(found: float, depths: tuple[int, ...]) -> int:
    """White, in a picture whose brightest pixel is `found`: cameras and film scanners write 12 or 14 bits into 16."""
    return next(white for white in depths if found <= white)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image.convert("RGB")
    page = Image.new("RGB", image.size, "white")
    page.paste(image, mask=image.getchannel("A"))
    return page


def _upright_size(image: Image.Image) -> tuple[int, int]:
    if min(image.size) < 1:
        raise ImageRefused(Status.DAMAGED)
    width, height = _squared(image.size, _oblong(image))
    if image.format == "TIFF":  # Pillow has turned its size already
        return width, height
    return (height, width) if _orientation(image) in _SIDEWAYS else (width, height)


def _oblong(image: Image.Image) -> float:
    """How much higher than wide a pixel is, as the image is held now; 1 where the file tells nothing sensible."""
    for name in ("dpi", "resolution", "aspect", "jfif_density"):  # as Pillow calls it by format and unit
        told = image.info.get(name)
        if told is not None:
            break
    try:
        across, down = map(float, told)
        oblong = across / down
    except (TypeError, ValueError, ArithmeticError):
        return 1.0
    if image.format == "TIFF" and _orientation(image) in _SIDEWAYS:  # turned already, unlike what it says of itself
        oblong = 1 / oblong if oblong else 0.0
    return oblong if SQUARE < max(oblong, 1 / oblong if oblong else 0.0) <= OBLONG else 1.0


def _squared(size: tuple[int, int], oblong: float) -> tuple[int, int]:
    """The size with square pixels, none of them lost."""
    width, height = size
    return (width, round(height * oblong)) if oblong > 1 else (round(width / oblong), height)


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1..8; 1 where the EXIF is absent or damaged."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # any damage in EXIF: the pixels are still good
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _subfile_type(image: Any) -> int:
    value = image.tag_v2.get(_SUBFILE_TYPE, 0)
    return value if isinstance(value, int) else 0


def rehearse() -> None:
    """Read an image of every format, so that all code is loaded."""
    for name in FORMATS.values():
        buffer = io.BytesIO()
        options = {"compression": "tiff_lzw"} if name == "TIFF" else {}
        Image.new("RGBA" if name != "JPEG" else "RGB", (8, 8), "white").save(buffer, name, **options)
        _page(Image.open(buffer, formats=[name]), Budget(16))


def status_of(error: BaseException) -> Status:
    """The status for whatever came out of Pillow or Python while an image was read."""
    if isinstance(error, ImageRefused):
        return error.status
    if isinstance(error, MemoryError):
        return Status.MEMORY
    if isinstance(error, Image.DecompressionBombError):
        return Status.BOMB
    return Status.DAMAGED
