"""Reads PDF pages with MuPDF. Runs only inside the render child: the one module that imports pymupdf.

Works on MuPDF's own binding and opens with the PDF parser alone: the convenience `open()` looks at the
content and would take an SVG or XPS file for what it is, whatever type was asked for. All coordinates are
in points of the page as it is shown (crop box, /Rotate and UserUnit applied, origin top left).
Raises `Refused` with a status; anything else is the caller's to turn into one.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import sys
from collections import Counter
from typing import Any

from ingest.budget import Budget
from ingest.child_text import Quad, layer_from
from ingest.wire import Status

# pymupdf imports these on its own where they are installed; they bring onnxruntime and a second of start-up.
sys.modules.setdefault("pymupdf.layout", None)  # type: ignore[arg-type]
sys.modules.setdefault("pymupdf4llm", None)  # type: ignore[arg-type]

import pymupdf  # noqa: E402 - after the two lines above
from pymupdf import mupdf  # noqa: E402

from ingest.child_cut import Cut  # noqa: E402

MAX_LAYER_CHARS = 300_000  # a page with more is no page to read; its layer is left out
MAX_PATHS = 20_000  # a drawing with more has no table lines worth the time
INK_CONTRAST = 12  # of 255: less cannot be seen
SCAN_IMAGES = 1_000
SCAN_PATHS = 16  # a scan may have a frame or a white background drawn around it
SCAN_COVERAGE = 0.6
SMOOTH_AREAS = 300  # boxes of drawn paths, in page areas; on a full A4 page 1 takes about 3 ms

pymupdf.TOOLS.mupdf_display_errors(False)
pymupdf.TOOLS.mupdf_display_warnings(False)
_RGB = mupdf.fz_device_rgb()


class Refused(Exception):
    """A document or page that will not be read, and why."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.name)
        self.status = status


class Pdf:
    """An open PDF. Keeps its file mapped, not read."""

    def __init__(self, source: int | bytes, password: str | None, max_pages: int) -> None:
        """`source` is an open descriptor, or the file itself (for warming up)."""
        self._map = mmap.mmap(source, 0, access=mmap.ACCESS_READ) if isinstance(source, int) else source
        self._bytes = memoryview(self._map)
        self._rendered: tuple[int, int, int, bytes] | None = None  # page, width, height, RGB
        try:
            self._doc = self._open(password)
            self.pages: int = mupdf.fz_count_pages(self._doc)
        except BaseException:
            self.close()
            raise
        if not 0 < self.pages <= max_pages:
            lost = self._repaired  # no pages were found, which does not say that there were none
            self.close()
            raise Refused(Status.TOO_MANY_PAGES if self.pages > 0 else Status.DAMAGED if lost else Status.EMPTY)
        if self.pages == 1 and self._is_portfolio():
            self.close()
            raise Refused(Status.PORTFOLIO)

    def _open(self, password: str | None) -> mupdf.FzDocument:
        stream = mupdf.fz_open_memory(mupdf.python_buffer_data(self._bytes), len(self._bytes))
        pdf = mupdf.pdf_open_document_with_stream(stream)
        doc = pdf.super()
        if mupdf.fz_needs_password(doc):
            if not password:
                raise Refused(Status.PASSWORD_NEEDED)
            if not mupdf.fz_authenticate_password(doc, password):
                raise Refused(Status.PASSWORD_WRONG)
        self._repaired = bool(mupdf.pdf_was_repaired(pdf))
        self._cut = Cut(self._map) if self._repaired else None
        return doc

    def _is_portfolio(self) -> bool:
        """Whether the file is a folder of others (ISO 32000-1, 12.3.5), shown as one. Its only page says that the
        program does not show it.
        """
        trailer = mupdf.pdf_trailer(mupdf.pdf_document_from_fz_document(self._doc))
        root = mupdf.pdf_dict_gets(trailer, "Root")
        folder = mupdf.pdf_dict_gets(root, "Collection")
        files = mupdf.pdf_dict_gets(mupdf.pdf_dict_gets(root, "Names"), "EmbeddedFiles")
        hidden = mupdf.pdf_to_name(mupdf.pdf_dict_gets(folder, "View")) == "H"
        some = any(mupdf.pdf_array_len(mupdf.pdf_dict_gets(files, name)) for name in ("Names", "Kids"))
        return mupdf.pdf_is_dict(folder) and some and not hidden

    def close(self) -> None:
        """Give everything back, as far as nothing else holds on to it."""
        self._doc = self._rendered = None
        mupdf.fz_empty_store()
        with contextlib.suppress(BufferError):
            self._bytes.release()
            if isinstance(self._map, mmap.mmap):
                self._map.close()

    def sizes(self) -> list[tuple[float, float]]:
        """Width and height of every page, in points; (0, 0) for a page that cannot be loaded."""
        return [self._size_or_zero(number) for number in range(self.pages)]

    def _size_or_zero(self, number: int) -> tuple[float, float]:
        try:
            return _size(self._page(number))
        except (Refused, mupdf.FzErrorFormat, mupdf.FzErrorSyntax, mupdf.FzErrorGeneric, mupdf.FzErrorArgument):
            return (0.0, 0.0)

    def _page(self, number: int) -> mupdf.FzPage:
        """A page with a crop box that leaves some of it. Of one that is empty, or lies beside the page, MuPDF makes a
        blank page of a size of its own; other readers show the page whole.
        """
        facts = self._facts(number)
        media, crop = (mupdf.pdf_dict_gets_inheritable(facts, name) for name in ("MediaBox", "CropBox"))
        if mupdf.pdf_is_array(crop) and mupdf.pdf_is_array(media):
            left = mupdf.fz_intersect_rect(mupdf.pdf_to_rect(media), mupdf.pdf_to_rect(crop))
            if mupdf.fz_is_empty_rect(left):
                mupdf.pdf_dict_puts(facts, "CropBox", media)
        return mupdf.fz_load_page(self._doc, number)

    def _facts(self, number: int) -> mupdf.PdfObj:
        return mupdf.pdf_lookup_page_obj(mupdf.pdf_document_from_fz_document(self._doc), number)

    def render(self, number: int, budget: Budget) -> tuple[int, int, bytes]:
        """Page `number` (from 0) as width, height and RGB bytes."""
        pymupdf.TOOLS.reset_mupdf_warnings()
        page = self._page(number)
        if self._cut is not None and self._cut.parts(self._facts(number)):
            raise Refused(Status.DAMAGED)  # what came of the page would be taken for all of it
        width, height = _size(page)
        log = _paint_log(page)
        scale = budget.scale_for(width, height, self._scan_dpi(page, width * height, log))
        # Smoothing the lines of a dense drawing can take a minute; letters are smoothed in any case.
        drawn = sum(_area(box, width, height) for kind, box in log if kind in ("fill-path", "stroke-path"))
        mupdf.fz_set_graphics_aa_level(8 if drawn <= SMOOTH_AREAS * width * height else 0)
        pixmap = mupdf.fz_new_pixmap_from_page(page, mupdf.fz_scale(scale, scale), _RGB, 0)
        pixels = bytes(mupdf.fz_pixmap_samples_memoryview(pixmap))
        self._refuse_lost_content(log, blank=pixels == pixels[:1] * len(pixels))
        self._rendered = number, pixmap.w(), pixmap.h(), pixels
        return self._rendered[1:]

    def _refuse_lost_content(self, painted: list[tuple[str, Quad]], *, blank: bool) -> None:
        """MuPDF leaves out what it cannot decode or has no memory for, and says so in its log only. A page that
        came out blank for that reason must not be taken for an empty one: a picture of it is broken, or the file is
        cut off and had to be repaired, and what the page shows lay behind the cut.
        """
        complaints = pymupdf.TOOLS.mupdf_warnings().lower()
        if "malloc" in complaints or "out of memory" in complaints:
            raise Refused(Status.MEMORY)
        lost = self._repaired or any(kind in ("fill-image", "fill-imgmask") for kind, _ in painted)
        if blank and complaints and lost:
            raise Refused(Status.DAMAGED)

    def text(self, number: int) -> dict[str, Any] | None:
        """Words, their quality, image coverage and ruling lines; None where the page has no words."""
        page = self._page(number)
        width, height = _size(page)
        flags = pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_MEDIABOX_CLIP
        textpage = _text_page(page, flags)
        chars = len(textpage.extractText())
        if not 0 < chars <= MAX_LAYER_CHARS:
            return None
        blocks = textpage.extractRAWDICT()["blocks"]
        log = _paint_log(page)
        images = [box for kind, box in log if kind in ("fill-image", "fill-imgmask")]
        vectors: list[dict[str, Any]] = []
        if 0 < sum(1 for kind, _ in log if kind.endswith("-path")) <= MAX_PATHS:
            drawn = _text_page(page, pymupdf.TEXT_COLLECT_VECTORS).extractDICT()["blocks"]
            vectors = [block for block in drawn if block["type"] == 3]
        return layer_from(blocks, images, vectors, (width, height), lambda box: self._has_ink(number, box))

    def _has_ink(self, number: int, box: Quad) -> bool:
        """Whether the page as it was just rendered shows more than one shade in `box`."""
        if self._rendered is None or self._rendered[0] != number:
            return True
        _, width, height, pixels = self._rendered
        left, right = int(box[0] * width), max(int(box[0] * width) + 1, int(box[2] * width))
        top, bottom = int(box[1] * height), max(int(box[1] * height) + 1, int(box[3] * height))
        rows = [pixels[3 * (row * width + left) : 3 * (row * width + right)] for row in range(top, min(bottom, height))]
        shades = [shade for row in rows if row for shade in (min(row), max(row))]
        return bool(shades) and max(shades) - min(shades) >= INK_CONTRAST

    @staticmethod
    def _scan_dpi(page: mupdf.FzPage, area: float, painted: list[tuple[str, Quad]]) -> float | None:
        """Resolution of a page that is nothing but scanned images; None for any other page.

        Several images (strips, or layers of a compound scan) count with the sharpest. One with a mask may hide
        its detail in the mask, whose size is not known here: then None.
        """
        kinds = Counter(kind for kind, _ in painted)
        if not 0 < kinds["fill-image"] + kinds["fill-imgmask"] <= SCAN_IMAGES:
            return None
        if kinds["fill-text"] + kinds["stroke-text"] + kinds["clip-text"]:
            return None
        if kinds["fill-path"] + kinds["stroke-path"] + kinds["fill-shade"] > SCAN_PATHS:
            return None
        best = covered = 0.0
        for image in _text_page(page, pymupdf.TEXT_PRESERVE_IMAGES).extractIMGINFO():
            a, b, c, d = image["transform"][:4]
            across, down = math.hypot(a, b), math.hypot(c, d)
            if image.get("has-mask"):
                return None
            if across < 1.0 or down < 1.0 or not math.isfinite(across * down):
                continue
            covered += across * down
            if across * down >= 0.02 * area:
                best = max(best, image["width"] / across * 72.0, image["height"] / down * 72.0)
        return best if best > 0.0 and covered >= SCAN_COVERAGE * area else None


def rehearse() -> None:
    """Open, render and read a page, so that all code is loaded."""
    document = pymupdf.Document()
    page = document.new_page(width=50, height=50)
    page.insert_text((5, 20), "a")
    page.draw_line((0, 30), (50, 30))
    pdf = Pdf(document.tobytes(), None, 1)
    pdf.sizes()
    pdf.render(0, Budget(10_000))
    pdf.text(0)
    pdf.close()


def _size(page: mupdf.FzPage) -> tuple[float, float]:
    box = mupdf.fz_bound_page(page)
    width, height = box.x1 - box.x0, box.y1 - box.y0
    if not (math.isfinite(width) and math.isfinite(height) and width > 0 and height > 0):
        raise Refused(Status.DAMAGED)
    return width, height


def _area(box: Quad, width: float, height: float) -> float:
    """How much of the page a path's box covers."""
    across = min(box[2], width) - max(box[0], 0.0)
    down = min(box[3], height) - max(box[1], 0.0)
    return max(across, 0.0) * max(down, 0.0)


def _text_page(page: mupdf.FzPage, flags: int) -> pymupdf.TextPage:
    """Structured text of all that the page shows: form fields and annotations too, which are rendered as well."""
    options = mupdf.FzStextOptions()
    options.flags = flags
    text = mupdf.FzStextPage(mupdf.fz_bound_page(page))
    device = mupdf.fz_new_stext_device(text, options)
    mupdf.fz_run_page(page, device, mupdf.FzMatrix(), mupdf.FzCookie())
    mupdf.fz_close_device(device)
    return pymupdf.TextPage(text)


def _paint_log(page: mupdf.FzPage) -> list[tuple[str, Quad]]:
    """What the page paints, in order: kind of operation and its box. Decodes no image."""
    log: list[tuple[str, Quad]] = []
    device = pymupdf.JM_new_bbox_device(log, False)
    mupdf.fz_run_page(page, device, mupdf.FzMatrix(), mupdf.FzCookie())
    mupdf.fz_close_device(device)
    return log


def status_of(error: BaseException) -> Status:
    """The status for whatever came out of MuPDF or Python while a document was read."""
    if isinstance(error, Refused):
        return error.status
    if isinstance(error, (MemoryError, mupdf.FzErrorSystem)):
        return Status.MEMORY
    if isinstance(error, mupdf.FzErrorLimit):
        return Status.PAGE_TOO_LARGE
    return Status.DAMAGED
