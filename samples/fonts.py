"""Type faces of the sample archive, taken from installed packages, never from the system.

A family is a name with a regular, bold and italic face. Widths are in points at a given size, measured
without hinting at 100 units, so that layout does not depend on the resolution a page is drawn at.
"""

from __future__ import annotations

import io
from functools import cache
from importlib import resources

import pymupdf
from PIL import ImageFont

_MEASURE = 100

# PyMuPDF carries the URW base fonts; the others come from font packages.
_BUILT_IN = {
    "times": ("tiro", "tibo", "tiit"),
    "courier": ("cour", "cobo", "coit"),
    "helvetica": ("helv", "hebo", "heit"),
}
_PACKAGED = {
    "source-serif": ("font_source_serif_pro", "SourceSerifPro-Regular", "SourceSerifPro-Bold", "SourceSerifPro-It"),
    "caladea": ("font_caladea", "Caladea-Regular", "Caladea-Bold", "Caladea-Italic"),
}
_STYLES = ("regular", "bold", "italic")


@cache
def face_bytes(family: str, style: str) -> bytes:
    """The font file of a face. KeyError for a family nobody knows."""
    at = _STYLES.index(style)
    if family in _BUILT_IN:
        return bytes(pymupdf.Font(_BUILT_IN[family][at]).buffer)
    package, *names = _PACKAGED[family]
    return (resources.files(package) / "files" / f"{names[at]}.ttf").read_bytes()


@cache
def pil_font(family: str, style: str, pixels: float) -> ImageFont.FreeTypeFont:
    """The face for drawing with Pillow; the basic layout engine is the same on every build."""
    return ImageFont.truetype(io.BytesIO(face_bytes(family, style)), pixels, layout_engine=ImageFont.Layout.BASIC)


@cache
def pdf_font(family: str, style: str) -> pymupdf.Font:
    """The face for drawing with PyMuPDF."""
    return pymupdf.Font(fontbuffer=face_bytes(family, style))


@cache
def width(text: str, family: str, style: str, size: float) -> float:
    """Advance width of a text in points."""
    return pil_font(family, style, _MEASURE).getlength(text) * size / _MEASURE
