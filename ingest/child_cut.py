"""What the pages of a PDF lack that is cut off. Runs only inside the render child.

MuPDF repairs such a file, and shows what came of a page as if it were all of it.
"""

from __future__ import annotations

import mmap
import re

from pymupdf import mupdf

_ENDS = (b"endstream", b"endobj")
_OBJECT = re.compile(rb"(?<!\d)(\d{1,10})\s{1,9}\d{1,5}\s{1,9}obj\b")
_UNSEEN = frozenset({"Metadata", "PieceInfo", "Properties", "OC", "OPI"})
"""What is told of pictures and forms, and of layers: a page without it looks the same."""
_MOST_OBJECTS = 20_000
"""Of a page. One with more is taken for whole."""


class Cut:
    """That a file ends before its end: looked for once, in one that had to be repaired."""

    def __init__(self, data: mmap.mmap | bytes) -> None:
        last = max(data.rfind(mark) for mark in _ENDS)
        head = _unended(data)
        self._object = int(head[1]) if head else None
        # What stands behind the mark of the file's end is no part of it: blanks up to a whole block, a mail's footer.
        self._is_cut = data.rfind(b"%%EOF") < (head.start() if head else last)

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
                keys = (mupdf.pdf_to_name(mupdf.pdf_dict_get_key(value, n)) for n in range(mupdf.pdf_dict_len(value)))
                waiting += [mupdf.pdf_dict_get_val(value, n) for n, key in enumerate(keys) if key not in _UNSEEN]
        return False


def _unended(data: mmap.mmap | bytes) -> re.Match[bytes] | None:
    """How the object begins that the file ends within; None where it ends between two, or behind all."""
    ends = [place + len(mark) for mark in _ENDS if (place := data.rfind(mark)) >= 0]
    # The first one behind the last that ended: what a stream holds may look like another.
    head = _OBJECT.search(data, max(ends, default=0))
    if head is None or any(data[-length:] == mark[:length] for mark in _ENDS for length in range(3, len(mark))):
        return None  # nothing began, or all of it came and the mark of its end did not
    return head
