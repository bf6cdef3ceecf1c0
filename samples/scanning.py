"""What paper, lamp and scanner do to a page: skew, show-through, dust, uneven light, noise, JPEG or bilevel.

A profile says how much; `scan` draws the rest from its seed and reports the skew it used. Degrees are clockwise.
No effect is so strong that a person could not read the page.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter


@dataclass(frozen=True, slots=True)
class Profile:
    """A scanner and its paper. `skew` is the largest angle; `light` the share of brightness lost in the darkest
    corner; `noise` a standard deviation in grey levels; `fade` how much of the ink's darkness is gone."""

    dpi: int = 150
    skew: float = 0.3
    noise: float = 2.0
    blur: float = 0.45
    light: float = 0.05
    fade: float = 0.05
    dust: int = 10
    show_through: float = 0.0
    paper: tuple[int, int, int] = (250, 249, 246)
    edge: bool = False
    grey: bool = True
    bilevel: bool = False
    quality: int = 60


CLEAN = Profile()
OFFICE = Profile(skew=0.9, noise=3.0, light=0.12, dust=30, quality=52)
AGED = Profile(
    skew=1.8, noise=4.5, blur=0.6, light=0.24, fade=0.22, dust=120, show_through=0.07, paper=(236, 224, 196), edge=True,
    grey=False, quality=48,
)  # fmt: skip
WORN = Profile(skew=2.5, noise=6.0, blur=0.7, light=0.3, fade=0.3, dust=220, show_through=0.1, edge=True, quality=42)
FAX = Profile(dpi=200, skew=1.2, noise=9.0, blur=0.6, light=0.1, dust=350, bilevel=True)
MICROFILM = Profile(dpi=200, skew=0.8, noise=7.0, blur=0.8, light=0.16, fade=0.1, dust=160, bilevel=True)
CAMERA = Profile(skew=1.6, noise=3.5, blur=0.8, light=0.4, fade=0.1, dust=6, grey=False, quality=55)

PROFILES = {
    "clean": CLEAN,
    "office": OFFICE,
    "aged": AGED,
    "worn": WORN,
    "fax": FAX,
    "microfilm": MICROFILM,
    "camera": CAMERA,
}


def scan(page: Image.Image, profile: Profile, seed: str, back: Image.Image | None = None) -> tuple[Image.Image, float]:
    """The scanned page, upright but skewed, and its skew. `back` is the overleaf that shows through."""
    rng, numbers = random.Random(seed), np.random.default_rng(random.Random(seed + "n").randrange(2**63))
    sheet = page.convert("RGB")
    if profile.show_through and back is not None and back.size == sheet.size:
        sheet = _show_through(sheet, back, profile.show_through)
    _dust(sheet, profile.dust, rng)
    angle = rng.choice((-1, 1)) * profile.skew * rng.uniform(0.45, 1.0)
    sheet = sheet.rotate(-angle, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255))
    sheet = sheet.filter(ImageFilter.GaussianBlur(profile.blur * profile.dpi / 150))
    pixels = np.asarray(sheet, dtype=np.float32) / 255
    pixels = 1 - (1 - pixels) * (1 - profile.fade)
    pixels *= np.array(profile.paper, dtype=np.float32) / 255
    pixels *= _light(pixels.shape[:2], profile.light, rng)[..., None]
    if profile.edge:
        pixels *= _edge(pixels.shape[:2], rng)[..., None]
    grain = numbers.normal(0, profile.noise / 255, pixels.shape[:2]).astype(np.float32)
    pixels = np.clip(pixels + grain[..., None], 0, 1)
    out = Image.fromarray((pixels * 255 + 0.5).astype(np.uint8), "RGB")
    if profile.bilevel:
        return _threshold(out.convert("L")), angle
    return (out.convert("L") if profile.grey else out), angle


def encode(image: Image.Image, kind: str, profile: Profile, exif_orientation: int = 0) -> bytes:
    """The file of one picture: "jpeg", "png" or "webp", at the profile's dpi; PNG keeps 16 greys to stay small."""
    buffer = io.BytesIO()
    dpi = (profile.dpi, profile.dpi)
    if kind == "jpeg":
        exif = Image.Exif()
        if exif_orientation:
            exif[0x0112] = exif_orientation
        image.save(buffer, "JPEG", quality=profile.quality, dpi=dpi, exif=exif)
    elif kind == "webp":
        image.save(buffer, "WEBP", quality=profile.quality, method=4)
    elif image.mode == "1":
        image.save(buffer, "PNG", dpi=dpi, optimize=True)
    else:
        image.convert("L").quantize(16).save(buffer, "PNG", dpi=dpi, optimize=True)
    return buffer.getvalue()


def encode_tiff(images: list[Image.Image], dpi: int) -> bytes:
    """A multi-page TIFF: CCITT Group 4 where pages are bilevel, JPEG strips where they are not."""
    buffer = io.BytesIO()
    compression = "group4" if images[0].mode == "1" else "jpeg"
    extra = {} if images[0].mode == "1" else {"quality": 55}
    images[0].save(
        buffer, "TIFF", save_all=True, append_images=images[1:], compression=compression, dpi=(dpi, dpi), **extra
    )
    return buffer.getvalue()


def _show_through(sheet: Image.Image, back: Image.Image, strength: float) -> Image.Image:
    mirrored = back.convert("RGB").transpose(Image.Transpose.FLIP_LEFT_RIGHT).filter(ImageFilter.GaussianBlur(2.2))
    white = Image.new("RGB", sheet.size, (255, 255, 255))
    return ImageChops.multiply(sheet, Image.blend(white, mirrored, strength))


def _dust(sheet: Image.Image, count: int, rng: random.Random) -> None:
    draw = ImageDraw.Draw(sheet)
    for _ in range(count):
        x, y, r = rng.random() * sheet.width, rng.random() * sheet.height, rng.choice((0.5, 0.5, 0.8, 1.3))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(rng.randrange(60, 170),) * 3)


def _light(shape: tuple[int, int], loss: float, rng: random.Random) -> np.ndarray:
    """Brightness (height, width) in 1 - loss..1: a slope across the page and a broad darker cloud."""
    y, x = np.mgrid[0 : 1 : shape[0] * 1j, 0 : 1 : shape[1] * 1j].astype(np.float32)
    slope_x, slope_y = rng.uniform(-1, 1), rng.uniform(-1, 1)
    slope = slope_x * (x - 0.5) + slope_y * (y - 0.5)
    cx, cy, spread = rng.random(), rng.random(), rng.uniform(0.25, 0.5)
    cloud = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * spread**2))
    dark = slope - slope.min() + 0.5 * cloud
    return 1 - loss * dark / dark.max()


def _edge(shape: tuple[int, int], rng: random.Random) -> np.ndarray:
    """The shadow of the binding on one side: brightness (height, width)."""
    x = np.linspace(0, 1, shape[1], dtype=np.float32)
    if rng.random() < 0.5:
        x = x[::-1]
    return np.broadcast_to(1 - 0.55 * np.exp(-x / 0.018), shape)


def _threshold(grey: Image.Image) -> Image.Image:
    """Black and white against the neighbourhood's brightness, as fax machines and microfilm readers do."""
    around = np.asarray(grey.filter(ImageFilter.BoxBlur(25)), dtype=np.float32)
    here = np.asarray(grey, dtype=np.float32)
    return Image.fromarray(np.where(here < around * 0.82 - 4, 0, 255).astype(np.uint8), "L").convert(
        "1", dither=Image.Dither.NONE
    )
