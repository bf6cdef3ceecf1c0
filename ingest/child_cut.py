"""What the pages of a PDF lack that is cut off. Runs only inside the render child.

MuPDF repairs such a file, and shows what came of a page as if it were all of it.
"""

from __future__ import annotations

import mmap
import re

from pymupdf import mupdf

_ENDS = (b"endstream", b"endobj")
_OBJECT = re.compile(rb"(?<!\d)(\d{1,10})\s{1,9}\d{1,5}\s{1,9}obj\b")
_LAST_BYTES = 1024
"""Where the mark of a file's end must be (ISO 32000-1, implementation note 18)."""
_MOST_OBJECTS = 20_000
"""Of a page. One with more is taken for whole."""


class Cut:
    """That a file ends before its end: looked for once, in one that had to be repaired."""

    def __init__(self, data: mmap.mmap | bytes) -> None:
        self._object = _unended(data)
        self._is_cut = data.find(b"%%EOF", max(0, len(data) - _LAST_BYTES)) < 0

    def parts(self, page: mupdf.PdfObj) -> bool:
        """Whether something of what the page object `page` shows lies behind the cut, or across it."""
        if not self._is_cut:
            return False
        waiting = [mupdf.pdf_dict_gets(page, "Contents"), mupdf.pdf_dict_gets_inheritable(page, "Resources")]
        seen: set[int] = set()
        for _ in range(_MOST_OBJECTS):
            if not waiting:
                return False
            value = waiting.pop()
            if mupdf.pdf_is_indirect(value):
                number = mupdf.pdf_to_num(value)
                if number == self._object or mupdf.pdf_is_null(mupdf.pdf_resolve_indirect_chain(value)):
                    return True
                if number in seen:
                    continue
                seen.add(number)
            if mupdf.pdf_is_array(value):
                waiting += [mupdf.pdf_array_get(value, n) for n in range(mupdf.pdf_array_len(value))]
            elif mupdf.pdf_is_dict(value):
                waiting += [mupdf.pdf_dict_get_val(value, n) for n in range(mupdf.pdf_dict_len(value))]
        return False


def _unended(data: mmap.mmap | bytes) -> int | None:
    """The number of the object that the file ends within; None where it ends between two, or behind all."""
    ends = [place + len(mark) for mark in _ENDS if (place := data.rfind(mark)) >= 0]
    # The first one behind the last that ended: what a stream holds may look like another.
    head = _OBJECT.search(data, max(ends, default=0))
    if head is None or any(data[-length:] == mark[:length] for mark in _ENDS for length in range(3, len(mark))):
        return None  # nothing began, or all of it came and the mark of its end did not
    return int(head[1])
