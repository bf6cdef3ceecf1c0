"""Type faces to draw training pages with, from installed packages, and the faces that only evaluation may see.

The catalogue names every file. What is not installed is left out, and `Faces.names` says what is there, so that a run
can write down what it was trained on. A folder made by `collect` replaces the packages on a machine that has none.

    Debian: fonts-dejavu fonts-liberation fonts-freefont-ttf fonts-linuxlibertine fonts-urw-base35
    PyPI: font-source-sans-pro font-source-serif-pro font-roboto font-caladea pymupdf-fonts
"""

from __future__ import annotations

import importlib
import importlib.util
import lzma
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from PIL import ImageFont

from index.errors import ConfigError
from worker.train.text import ALPHABET

_DEBIAN = Path("/usr/share/fonts")
_TRAIN = {
    "truetype/dejavu": (
        "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansCondensed", "DejaVuSerif",
        "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerifCondensed", "DejaVuSansMono", "DejaVuSansMono-Bold",
    ),
    "truetype/liberation": (
        "LiberationSans-Regular", "LiberationSans-Bold", "LiberationSans-Italic", "LiberationSerif-Regular",
        "LiberationSerif-Bold", "LiberationSerif-Italic", "LiberationMono-Regular", "LiberationMono-Bold",
        "LiberationSansNarrow-Regular", "LiberationSansNarrow-Bold",
    ),
    "truetype/freefont": (
        "FreeSans", "FreeSansBold", "FreeSansOblique", "FreeSerif", "FreeSerifBold", "FreeSerifItalic", "FreeMono",
        "FreeMonoBold",
    ),
    "opentype/linux-libertine": (
        "LinLibertine_R", "LinLibertine_RB", "LinLibertine_RI", "LinBiolinum_R", "LinBiolinum_RB", "LinBiolinum_RI",
    ),
    "opentype/urw-base35": (
        "C059-Roman", "C059-Bold", "C059-Italic", "NimbusMonoPS-Regular", "NimbusMonoPS-Bold", "NimbusRoman-Regular",
        "NimbusRoman-Bold", "NimbusRoman-Italic", "NimbusSans-Regular", "NimbusSans-Bold", "NimbusSansNarrow-Regular",
        "P052-Roman", "P052-Bold", "P052-Italic", "URWBookman-Light", "URWBookman-Demi", "URWGothic-Book",
    ),
    "font_source_sans_pro": ("SourceSansPro-Regular", "SourceSansPro-Bold", "SourceSansPro-It"),
    "font_source_serif_pro": ("SourceSerifPro-Regular", "SourceSerifPro-Bold", "SourceSerifPro-It"),
    "font_roboto": ("Roboto-Regular", "Roboto-Bold", "Roboto-Light", "Roboto-Italic"),
    "pymupdf_fonts": (
        "NotoSans_Regular", "NotoSans_Bold", "CascadiaMono_Regular", "FiraMono_Regular", "SpaceMono_Regular",
    ),
}  # fmt: skip
_HELD_OUT = {
    "font_caladea": ("Caladea-Regular", "Caladea-Bold", "Caladea-Italic"),
    "pymupdf_fonts": ("FiraGO_Regular", "FiraGO_Bold", "Ubuntu_Regular", "Ubuntu_Bold", "UbuntuMono_Regular"),
}
PLAIN = (
    "DejaVuSans", "DejaVuSerif", "LiberationSans-Regular", "LiberationSerif-Regular", "LiberationMono-Regular",
    "FreeSans",
)  # fmt: skip
"""The upright faces of ordinary weight that the form `card` is trained on."""
_KEPT = 2048  # opened sizes of faces per process, some 20 kB each


@dataclass(frozen=True, slots=True)
class Faces:
    """Files of faces, in the catalogue's order."""

    paths: tuple[Path, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(path.stem for path in self.paths)

    def named(self, names: Collection[str]) -> Faces:
        """Those of them that are here; all where none is."""
        return Faces(tuple(path for path in self.paths if path.stem in names) or self.paths)


def faces(*, held_out: bool = False, folder: Path | None = None) -> Faces:
    """The faces to train on, or those that training never sees; from `folder` if `collect` filled one.

    Raises `ConfigError` (`fonts_missing`) where not a single one is installed.
    """
    found = []
    for place, names in (_HELD_OUT if held_out else _TRAIN).items():
        for name in names:
            path = _in_folder(folder, name) if folder else _in_packages(place, name)
            if path is not None:
                found.append(path)
    if not found:
        raise ConfigError(
            f"no type faces in {folder or 'the packages'}: install the packages named in worker/train/fonts.py",
            code="fonts_missing",
        )
    return Faces(tuple(found))


def collect(folder: Path) -> int:
    """Copy every face that is installed into `folder`, for a machine without packages; how many.

    With fontTools (it comes with the extra `train`) a copy keeps only the glyphs that pages are written with: a tenth
    of the size, and the same pixels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = (*faces().paths, *faces(held_out=True).paths)
    for path in paths:
        _copy(path, folder / path.name)
    return len(paths)


def _copy(path: Path, target: Path) -> None:
    if importlib.util.find_spec("fontTools") is None:
        target.write_bytes(path.read_bytes())
        return
    import logging

    from fontTools import subset

    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it tells of every table that it leaves out

    options = subset.Options(legacy_kern=True, hinting=True, layout_features=[], notdef_outline=True, name_IDs=["*"])
    options.drop_tables += ["FFTM", "GPOS", "GSUB", "GDEF"]
    font = subset.load_font(str(path), options)
    one = subset.Subsetter(options)
    one.populate(text=ALPHABET)
    one.subset(font)
    subset.save_font(font, str(target), options)


@lru_cache(maxsize=_KEPT)
def opened(path: Path, pixels: int) -> ImageFont.FreeTypeFont:
    """A face at a size. The basic layout engine is the same in every build of Pillow."""
    return ImageFont.truetype(str(path), pixels, layout_engine=ImageFont.Layout.BASIC)


def _in_folder(folder: Path, name: str) -> Path | None:
    return next((path for end in (".ttf", ".otf") if (path := folder / f"{name}{end}").is_file()), None)


def _in_packages(place: str, name: str) -> Path | None:
    if "/" in place:
        return _in_folder(_DEBIAN / place, name)
    spec = importlib.util.find_spec(place)
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    return _unpacked(root, name) if place == "pymupdf_fonts" else _in_folder(root / "files", name)


@cache
def _unpacked(root: Path, name: str) -> Path | None:
    """The PyMuPDF font package keeps its files as compressed Python bytes; a copy goes to the cache folder."""
    if not (root / f"{name}.py").is_file():
        return None
    folder = Path.home() / ".cache" / "folioscope" / "fonts"
    path = folder / f"{name}.ttf"
    if not path.is_file():
        content = importlib.import_module(f"pymupdf_fonts.{name}").fontbuffer
        folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{id(content)}")
        temporary.write_bytes(lzma.decompress(content) if content[:6] == b"\xfd7zXZ\x00" else bytes(content))
        temporary.rename(path)
    return path
