"""What the model writes about a page, to clean Markdown, regions and boxes.

Under a grounding prompt the model writes each block as

    <|ref|>title<|/ref|><|det|>[[57, 17, 943, 48]]<|/det|>
    # The block's Markdown

with boxes in 0..999 of the page's width and height (`run_dpsk_ocr_image.py` of the public DeepSeek-OCR repository
divides by 999 and multiplies with the size of the original image, not of the padded one). Under "OCR this image" the
label is a line's text itself; under "Locate" it is the phrase that was looked for.

A model may write anything: tags that are open, doubled or crossed, numbers out of range, a thousand boxes, an end in
the middle of a tag. So the promises hold for any string: no tag of this kind remains in `text`; no text is lost but
labels and boxes; every span lies in `text` and every box in 0..1 with its corners in order; time is linear. Nothing is
evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from index.types import Box, Region, RegionKind
from worker.engine.deepseek.html_tables import to_markdown
from worker.engine.prompts import Task

SCALE = 999
MAX_REGIONS = 3000
MAX_BOXES = 1000  # of one label

_KINDS = {
    "title": RegionKind.TITLE,
    "doc_title": RegionKind.TITLE,
    "sub_title": RegionKind.HEADING,
    "subtitle": RegionKind.HEADING,
    "section_title": RegionKind.HEADING,
    "paragraph_title": RegionKind.HEADING,
    "heading": RegionKind.HEADING,
    "list": RegionKind.LIST,
    "list_item": RegionKind.LIST,
    "table": RegionKind.TABLE,
    "image": RegionKind.FIGURE,
    "figure": RegionKind.FIGURE,
    "chart": RegionKind.FIGURE,
    "picture": RegionKind.FIGURE,
    "header": RegionKind.HEADER,
    "page_header": RegionKind.HEADER,
    "footer": RegionKind.FOOTER,
    "page_footer": RegionKind.FOOTER,
    "page_number": RegionKind.FOOTER,
}
"""All other labels (text, equation, captions, footnotes, code) are paragraphs."""

_TAG = re.compile(r"<\|(/?)(ref|det)\|>")
_OTHER_TAG = re.compile(r"<\|/?[A-Za-z_]{1,32}\|>|<\uff5c[^<>\uff5c]{1,40}\uff5c>|<image>")
_RESIDUE = re.compile(r"<(?=\|/?[A-Za-z_]{1,32}\|>|\uff5c[^<>\uff5c]{1,40}\uff5c>)")
_HALF_TAG = re.compile(r"<\|(?:/?[A-Za-z_]{0,32}\|?)?$")
_BOXES = re.compile(r"[\[\](){}\d\s,;.+\-]*")
_INNER = re.compile(r"\[([^\[\]]*)\]")
_NUMBER = re.compile(r"[+\-]?\d+(?:\.\d+)?")
_LAYOUT = re.compile(r"</?center>", re.IGNORECASE)
_GAPS = re.compile(r"\n[ \t]*(?:\n[ \t]*){2,}")
_LABEL_CHARS = 64
_NUMBER_CHARS = 24


@dataclass(frozen=True, slots=True)
class Grounded:
    """`text` without tags; `regions` with spans in it, in the order of the text."""

    text: str
    regions: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A label, its boxes and what was written after them. Before the first label: `label` None, no boxes."""

    label: str | None
    boxes: tuple[Box, ...]
    body: str


def parse(raw: str, task: Task = Task.MARKDOWN) -> Grounded:
    """The text and regions of a decoded page. Under `Task.OCR` labels are lines of text; under `Task.LOCATE` they are
    phrases, and each of a phrase's boxes is a region of its own; else they name kinds of blocks.
    """
    writer = _Writer()
    for block in blocks(raw, labels_are_text=task in {Task.OCR, Task.LOCATE}):
        if task is Task.OCR:
            writer.add(_clean(block.label or ""), RegionKind.PARAGRAPH, block.boxes)
            writer.add(_clean(block.body), None, ())
        elif task is Task.LOCATE:
            writer.add(_clean(block.label or ""), RegionKind.PARAGRAPH, block.boxes, apart=True)
            writer.add(_clean(block.body), None, ())
        else:
            kind = _KINDS.get((block.label or "").strip().lower().replace(" ", "_"), RegionKind.PARAGRAPH)
            writer.add(_clean(block.body), kind, block.boxes)
    return writer.end()


def located(raw: str) -> tuple[Box, ...]:
    """The boxes of an answer to "Locate", in order, each once; also of one that forgot its tags."""
    found = [box for block in blocks(raw, labels_are_text=True) for box in block.boxes]
    if not found:
        found = _boxes(raw)
    return tuple(dict.fromkeys(found[:MAX_BOXES]))


def blocks(raw: str, *, labels_are_text: bool = False) -> Iterator[Block]:
    """The model's blocks in order. Tags that do not belong together are dropped, the text between them is kept."""
    raw = _HALF_TAG.sub("", raw)
    tags = list(_TAG.finditer(raw))
    label: str | None = None
    boxes: tuple[Box, ...] = ()
    body: list[str] = []
    at = index = 0
    while index < len(tags):
        tag = tags[index]
        body.append(raw[at : tag.start()])
        at = tag.end()
        index += 1
        if tag[1] or tag[2] == "det":
            # A closing tag alone says nothing; boxes without a label belong to the block that is being written.
            if not tag[1]:
                more, at, index = _boxes_at(raw, tags, index, at)
                boxes = (*boxes, *more)[:MAX_BOXES]
            continue
        stop = tags[index].start() if index < len(tags) else len(raw)
        named = raw[at:stop]
        if not labels_are_text and not _is_label(named):
            continue  # an opening tag in front of running text
        if label is not None or boxes or any(part.strip() for part in body):
            yield Block(label, boxes, "".join(body))
        label, boxes, body, at = named, (), [], stop
        if index < len(tags) and tags[index][1] and tags[index][2] == "ref":
            at = tags[index].end()
            index += 1
        if (
            index < len(tags)
            and not tags[index][1]
            and tags[index][2] == "det"
            and not raw[at : tags[index].start()].strip()
        ):
            boxes, at, index = _boxes_at(raw, tags, index + 1, tags[index].end())
    body.append(raw[at:])
    if label is not None or boxes or any(part.strip() for part in body):
        yield Block(label, boxes, "".join(body))


def _is_label(text: str) -> bool:
    return len(text) <= _LABEL_CHARS and "\n" not in text.strip()


def _boxes_at(raw: str, tags: list[re.Match[str]], index: int, at: int) -> tuple[tuple[Box, ...], int, int]:
    """Boxes after an opening `det` that ends at `at`; where the text goes on, and the next tag's index."""
    stop = tags[index].start() if index < len(tags) else len(raw)
    closed = index < len(tags) and bool(tags[index][1]) and tags[index][2] == "det"
    if closed:
        return tuple(_boxes(raw[at:stop])), tags[index].end(), index + 1
    end = _BOXES.match(raw, at, stop).end()  # type: ignore[union-attr]
    if end < len(raw) or "[" not in raw[at:end]:  # else the text was cut off here, inside the boxes
        # A list marker or a number at the start of the text is not part of the boxes.
        end = max(raw.rfind("]", at, end) + 1, at)
    return tuple(_boxes(raw[at:end])), end, index


def _boxes(text: str) -> list[Box]:
    """Boxes out of `[[x0, y0, x1, y1], …]`; what is no four numbers is passed over."""
    found = []
    for inner in _INNER.finditer(text):
        numbers = _NUMBER.findall(inner[1])
        if len(numbers) == 4:
            found.append(_box([_unit(number) for number in numbers]))
            if len(found) == MAX_BOXES:
                break
    return found


def _unit(number: str) -> float:
    return min(max(float(number[:_NUMBER_CHARS]), 0.0), float(SCALE)) / SCALE


def _box(edges: list[float]) -> Box:
    """Corners in order; at least one step of the model's grid wide and high."""
    (x0, x1), (y0, y1) = sorted((edges[0], edges[2])), sorted((edges[1], edges[3]))
    step = 1 / SCALE
    if x1 - x0 < step:
        x0, x1 = (x0, x0 + step) if x0 + step <= 1 else (1 - step, 1.0)
    if y1 - y0 < step:
        y0, y1 = (y0, y0 + step) if y0 + step <= 1 else (1 - step, 1.0)
    return Box(x0, y0, x1, y1)


def _clean(body: str) -> str:
    """A block's Markdown: without other tags, tables as Markdown, no more than one empty line."""
    text = _LAYOUT.sub("", _OTHER_TAG.sub("", body))
    text = _GAPS.sub("\n\n", to_markdown(text)).strip()
    # Removing tags may have put the halves of another together. One character for one: it ends the matter.
    return _RESIDUE.sub("\u2039", text)


class _Writer:
    """Blocks to one text, an empty line between, with the spans of their regions."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._regions: list[Region] = []

    def add(self, text: str, kind: RegionKind | None, boxes: tuple[Box, ...], *, apart: bool = False) -> None:
        if text and self._length:
            self._parts.append("\n\n")
            self._length += 2
        start = self._length
        self._parts.append(text)
        self._length += len(text)
        # A picture has no text, and its place is worth knowing; any other empty block is nothing.
        if kind is None or not boxes or (not text and kind is not RegionKind.FIGURE):
            return
        if not apart:
            boxes = (_around(boxes),)
        room = MAX_REGIONS - len(self._regions)
        self._regions += [Region(kind, box, start, self._length) for box in boxes[:room]]

    def end(self) -> Grounded:
        return Grounded(_RESIDUE.sub("\u2039", "".join(self._parts)), tuple(self._regions))


def _around(boxes: tuple[Box, ...]) -> Box:
    first, *others = boxes
    for box in others:
        first = first.union(box)
    return first
