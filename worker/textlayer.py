"""Text layers: whether to believe one, and a page's reading made of one.

A layer is believed (`trustworthy`) when its characters mean something, when it can be the text of the
whole page, and when a few of its words, looked up in the pixels where it says they stand, are there.

The look costs a few words for each page: two samples, and four more where those two do not settle it.
Who looks may be unable to read the script. Then a layer of visible type stands, for what is painted is
what the author wrote; an invisible one stands too where its script is beyond the recogniser, which could
do no better, and falls where the recogniser simply does not find it.
"""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Protocol

from rapidfuzz.distance import Levenshtein

from index.types import Box, PageReading, Reader, RegionKind
from ingest.renderer import LayerWord, TextLayer
from worker.layout.compose import compose
from worker.layout.inset import inset
from worker.layout.lines import Composed, Line, LineWord

if TYPE_CHECKING:
    from PIL.Image import Image

LAYER_ENGINE = "text-layer"
REVISION = "5"  # of what this module makes of a layer

_MAX_UNMAPPED = 0.1  # bullets and dingbats of symbol fonts are a few per cent of a good page
_SCAN_COVERAGE = 0.5  # of a page that is mostly a picture
_SCAN_LETTERS = 60  # fewer on a scan: a stamp, a page number, a notice; reading the picture tells more
_FIRST_SAMPLES, _MORE_SAMPLES = 2, 4
_SAMPLE_CHARS = 14  # a run of words up to about so many characters; a line costs time by its length
_MIN_SAMPLE_CHARS = 5
_ALIKE, _UNLIKE = 0.7, 0.45  # similarity of what the layer says and what the pixels show
_INK_CONTRAST = 12  # of 255 shades: less cannot be seen
_LONG, _FEWEST_LINES = 0.04, 5  # of the page's width; lines that tell the slope of a layer, and how many
_LEAST, _MOST, _AGREED, _MOSTLY = 0.002, 0.1, 0.006, 0.6  # slopes, and the share of the lines that agree
_FEWEST_ON_SIDE, _RUNNING = 8, 150  # words of a part on its side; characters of a paragraph in one
_CONFIDENT = 0.85  # a recogniser that is less sure does not contradict


class LineRecogniser(Protocol):
    """Reads lines whose places are known, as `RapidOcrEngine` does."""

    def read_lines(self, image: Image, boxes: Sequence[Box]) -> list[tuple[str, float]]:
        """What stands in each box, and how sure it is (0..1)."""

    def knows(self, text: str) -> bool:
        """Whether the letters of `text` are ones that it can read at all."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`ok`: believe the layer. `reason` says why not: `empty`, `unmapped`, `sparse`, `not_on_page`."""

    ok: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Sample:
    text: str
    box: Box


def trustworthy(layer: TextLayer, image: Image, recogniser: LineRecogniser) -> Verdict:
    """Judge a layer against the rendered page it belongs to. Deterministic."""
    letters = sum(character.isalnum() for word in layer.words for character in word.text)
    if not letters:
        return Verdict(False, "empty")
    if layer.unmapped > _MAX_UNMAPPED:
        return Verdict(False, "unmapped")
    scan = layer.image_coverage >= _SCAN_COVERAGE
    if scan and letters < _SCAN_LETTERS:
        return Verdict(False, "sparse")
    hidden = sum(len(word.text) for word in layer.words if word.invisible)
    painted = not scan and 2 * hidden < sum(len(word.text) for word in layer.words)
    runs = _runs([word for word in layer.words if not word.turn] or layer.words)  # lines are looked up as they lie
    readable = [run for run in runs if recogniser.knows(run.text)]
    if 2 * len(readable) < len(runs):
        return Verdict(True)  # a script that the recogniser cannot read
    order = _spread(len(readable))
    first, more = order[:_FIRST_SAMPLES], order[_FIRST_SAMPLES : _FIRST_SAMPLES + _MORE_SAMPLES]
    votes = _votes([readable[index] for index in first], image, recogniser)
    if sum(votes) < len(first):
        votes += _votes([readable[index] for index in more], image, recogniser)
    if not votes:
        return Verdict(painted, "" if painted else "not_on_page")
    # Painted type needs a majority against it; what nobody sees needs a majority for it.
    ok = sum(votes) >= 0 if painted else votes.count(1) > len(votes) / 2
    return Verdict(ok, "" if ok else "not_on_page")


def without_unseen(layer: TextLayer, image: Image) -> TextLayer:
    """A layer of painted type without those words that are not painted where the page shows nothing either: white on
    white, or set invisibly beside the page's own text. Nobody who sees the page could check a quotation of them.
    A layer that is mostly invisible, as scans have, is returned as it is.
    """
    unpainted = sum(word.invisible for word in layer.words)
    if not unpainted or 2 * unpainted >= len(layer.words):
        return layer
    kept = tuple(word for word in layer.words if not word.invisible or _has_ink(image, word.box))
    return replace(layer, words=kept)


def _has_ink(image: Image, box: Box) -> bool:
    left, top = int(box.x0 * image.width), int(box.y0 * image.height)
    right, bottom = math.ceil(box.x1 * image.width), math.ceil(box.y1 * image.height)
    darkest, lightest = image.crop((left, top, max(right, left + 1), max(bottom, top + 1))).convert("L").getextrema()
    return lightest - darkest >= _INK_CONTRAST


def upright(layer: TextLayer, image: Image) -> tuple[TextLayer, Image]:
    """Page and layer turned by `layer.turn`, so that most of the text runs from left to right: a wide table printed
    along a page's long side, a page that was bound upside down.
    """
    if not layer.turn:
        return layer, image
    words = tuple(
        replace(word, box=_turned(word.box, layer.turn), turn=(word.turn - layer.turn) % 360) for word in layer.words
    )
    rules = tuple(_turned(rule, layer.turn) for rule in layer.rules)
    return replace(layer, words=words, rules=rules, turn=0), image.rotate(-layer.turn, expand=True)


def _turned(box: Box, turn: int) -> Box:
    """The box after its page was turned clockwise."""
    if turn == 90:
        return Box(1 - box.y1, box.x0, 1 - box.y0, box.x1)
    if turn == 180:
        return Box(1 - box.x1, 1 - box.y1, 1 - box.x0, 1 - box.y0)
    return Box(box.y0, 1 - box.x1, box.y1, 1 - box.x0)


def read_layer(layer: TextLayer, width: int, height: int, rotation: int = 0) -> PageReading:
    """The reading that a layer amounts to, on an upright page of `width` x `height` pixels that was turned by
    `rotation` to be so.
    """
    words, parts = layer.words, []
    for turn in (90, 270):
        part = _part_on_its_side(layer, turn, width, height)
        if part is not None:
            parts.append(part)
            words = tuple(word for word in words if word.turn != turn)
    page = _composed(words, width, height, layer.rules)
    for part in parts:
        page = inset(page, part)
    trust = max(0.0, 1.0 - layer.unmapped)
    reader = Reader(LAYER_ENGINE, REVISION, "text-layer")
    return PageReading(page.text, page.regions, page.words, trust, width, height, rotation, reader)


def _composed(words: Sequence[LayerWord], width: int, height: int, rules: Sequence[Box]) -> Composed:
    per_point = _page_per_point(words)
    groups = _lines_of(words)
    slope = _slope(groups, height / width)
    lines = [_line(group, per_point, slope, height / width) for group in groups]
    return compose([line for line in lines if line is not None], width=width, height=height, rules=rules)


def _part_on_its_side(layer: TextLayer, turn: int, width: int, height: int) -> Composed | None:
    """What is printed on its side on a page, such as a wide table, with its boxes on the upright page; None where that
    is no table and no running text: the heads of narrow columns and a name up the margin are left where they are.
    """
    words = tuple(replace(word, box=_turned(word.box, turn)) for word in layer.words if word.turn == turn)
    if len(words) < _FEWEST_ON_SIDE or len(words) == len(layer.words):
        return None
    part = _composed(words, height, width, tuple(_turned(rule, turn) for rule in layer.rules))
    table = any(region.kind is RegionKind.TABLE for region in part.regions)
    if not table and max(region.end - region.start for region in part.regions) < _RUNNING:
        return None
    back = 360 - turn
    return replace(
        part,
        regions=tuple(replace(region, box=_turned(region.box, back)) for region in part.regions),
        words=tuple(replace(word, box=_turned(word.box, back)) for word in part.words),
    )


def _page_per_point(words: Sequence[LayerWord]) -> float:
    """How much of the page's height a point of type takes: most words stand level, and are as high as their type."""
    return median([(word.box.y1 - word.box.y0) / word.size for word in words if word.size > 0] or [0.0])


def _lines_of(words: Sequence[LayerWord]) -> list[list[LayerWord]]:
    """The words by line. Letterspaced words ("D E E D  O F") end MuPDF's lines; letters that stand level and near
    are of one.
    """
    lines: list[list[LayerWord]] = []
    for _, group in itertools.groupby(words, key=lambda word: (word.block, word.line)):
        line = list(group)
        last = lines[-1][-1] if lines else None
        if last is not None and len(last.text) == len(line[0].text) == 1 and _next_to(last, line[0]):
            lines[-1].extend(line)
        else:
            lines.append(line)
    return lines


def _slope(lines: Sequence[Sequence[LayerWord]], aspect: float) -> float:
    """How far lines go down by what they go to the right: the layer of a scan lies askew with it. 0.0 where they do not
    agree, or hardly slope. `aspect` is the page's height over its width.
    """
    found = []
    for words in lines:
        first, last = words[0].box, words[-1].box
        across = (last.x0 + last.x1 - first.x0 - first.x1) / 2
        if across > _LONG:
            found.append((aspect * (last.y0 + last.y1 - first.y0 - first.y1) / 2 / across, across))
    if len(found) < _FEWEST_LINES:
        return 0.0
    found.sort()
    half = sum(across for _, across in found) / 2
    passed = itertools.accumulate(across for _, across in found)
    slope = next(value for (value, _), total in zip(found, passed, strict=True) if total >= half)
    agreed = sum(across for value, across in found if abs(value - slope) < _AGREED)
    return slope if _LEAST < abs(slope) < _MOST and agreed > _MOSTLY * sum(across for _, across in found) else 0.0


def _levelled(box: Box, slope: float, aspect: float) -> Box:
    """Where a box stands once the page is level. A shear will do: layers lie askew by a few degrees."""
    down, right = (box.x0 + box.x1 - 1) / 2 * slope / aspect, (box.y0 + box.y1 - 1) / 2 * slope * aspect
    return Box(box.x0 + right, box.y0 - down, box.x1 + right, box.y1 - down)


def _line(words: Sequence[LayerWord], per_point: float, slope: float, aspect: float) -> Line | None:
    pieces = tuple(LineWord(text, word.box) for word in words if (text := readable_text(word.text)))
    if not pieces:
        return None
    if words[-1].text.endswith("\u00ad") and len(words[-1].text) > 1:
        # A soft hyphen that ends a line is a division, which joining the lines undoes.
        pieces = (*pieces[:-1], replace(pieces[-1], text=pieces[-1].text + "\u00ad"))
    box = _around(word.box for word in words)
    height = median(word.box.y1 - word.box.y0 for word in words)
    type_height = per_point * median(word.size for word in words)
    askew = 0.0 < 2.0 * type_height < height  # text across the page: its boxes are far higher than its type
    return Line(
        text=" ".join(piece.text for piece in pieces),
        box=_around(_levelled(word.box, slope, aspect) for word in words) if slope else box,
        page_box=box,
        words=pieces,
        score=1.0,
        size=type_height if askew else height,
        bold=2 * sum(word.bold for word in words) > len(words),
    )


def readable_text(text: str) -> str:
    """`text` without what has no meaning (private use, control characters, soft hyphens), ligatures as letters, letters
    with their accents as one character (as people type them, or search would see the end of a word at each accent), and
    the typographic hyphens that some fonts give for `-` as `-`, or identifiers would not match.
    """
    kept = (character for character in text if unicodedata.category(character) not in ("Cc", "Co", "Cs", "Cn"))
    text = "".join(_PLAIN.get(character, character) for character in kept if character != "\ufffd")
    return unicodedata.normalize("NFC", text)


_PLAIN = {chr(code): unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)} | {
    "\u2010": "-",
    "\u2011": "-",
    "\u00ad": "",
}


def _runs(words: Sequence[LayerWord]) -> list[_Sample]:
    """Runs of a few words of one line that can be looked up: level, with letters or digits."""
    runs = []
    for _, group in itertools.groupby(words, key=lambda word: (word.block, word.line)):
        taken: list[LayerWord] = []
        for word in group:
            if word.box.x1 <= word.box.x0 or word.box.y1 <= word.box.y0:
                continue
            if taken and not _next_to(taken[-1], word):
                runs.append(taken)
                taken = []
            taken.append(word)
            if sum(len(part.text) + 1 for part in taken) > _SAMPLE_CHARS:
                runs.append(taken)
                taken = []
        if taken:
            runs.append(taken)
    samples = [_Sample(" ".join(word.text for word in run), _around(word.box for word in run)) for run in runs]
    return [sample for sample in samples if len(_folded(sample.text)) >= _MIN_SAMPLE_CHARS]


def _next_to(left: LayerWord, right: LayerWord) -> bool:
    """Whether two words follow each other with no more than a space or two between."""
    height = left.box.y1 - left.box.y0
    level = abs(left.box.y0 - right.box.y0) < height and abs(left.box.y1 - right.box.y1) < height
    return level and -height < right.box.x0 - left.box.x1 < 2 * height


def _spread(count: int) -> list[int]:
    """Up to six indices below `count`: the outer parts of the page first, then what lies between."""
    places = (0.3, 0.75, 0.1, 0.5, 0.9, 0.6)
    return list(dict.fromkeys(int(place * count) for place in places)) if count else []


def _votes(samples: Sequence[_Sample], image: Image, recogniser: LineRecogniser) -> list[int]:
    """For each sample: 1 the pixels say so too, -1 they say something else, 0 they do not tell."""
    votes = []
    found = recogniser.read_lines(image, [_with_margin(sample.box) for sample in samples]) if samples else []
    for sample, (text, score) in zip(samples, found, strict=True):
        alike = Levenshtein.normalized_similarity(_folded(sample.text), _folded(text))
        votes.append(1 if alike >= _ALIKE else -1 if alike < _UNLIKE and score >= _CONFIDENT else 0)
    return votes


def _folded(text: str) -> str:
    """Letters and digits alone, without case and accents: what must agree for two readings to be of one text."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in plain if character.isalnum())


def _with_margin(box: Box) -> Box:
    margin_y = 0.15 * (box.y1 - box.y0)
    return Box(box.x0 - margin_y / 2, box.y0 - margin_y, box.x1 + margin_y / 2, box.y1 + margin_y)


def _around(boxes: Iterable[Box]) -> Box:
    first, *others = boxes
    for box in others:
        first = first.union(box)
    return first
