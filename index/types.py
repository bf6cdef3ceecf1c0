"""Domain types that cross package borders.

All are frozen dataclasses. This module imports nothing of ours and knows no storage and no model.

Coordinates: a `Box` is in fractions of the *upright* page (origin top left, x right,
y down, 0..1). Spans are half-open character ranges `[start, end)` in the page's text.
Pages are counted from 1.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on the upright page, in fractions of its width and height."""

    x0: float
    y0: float
    x1: float
    y1: float

    def union(self, other: Box) -> Box:
        """The smallest box that holds both."""
        return Box(min(self.x0, other.x0), min(self.y0, other.y0), max(self.x1, other.x1), max(self.y1, other.y1))

    @property
    def area(self) -> float:
        return max(0.0, self.x1 - self.x0) * max(0.0, self.y1 - self.y0)


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a page's text: `text[start:end]` and where it stands on the page."""

    start: int
    end: int
    box: Box


class RegionKind(enum.StrEnum):
    """What a block of a page is."""

    TITLE = "title"
    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST = "list"
    TABLE = "table"
    FIGURE = "figure"
    HEADER = "header"
    FOOTER = "footer"


@dataclass(frozen=True, slots=True)
class Region:
    """One block in reading order: its kind, its box, and its span in the page's Markdown."""

    kind: RegionKind
    box: Box
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reader:
    """Who read a page. `mode` is the engine's own word ("ocr", "text-layer", "base", "gundam")."""

    engine: str
    revision: str
    mode: str

    def __str__(self) -> str:
        return f"{self.engine}@{self.revision}/{self.mode}"


@dataclass(frozen=True, slots=True)
class VisionFormat:
    """How a page became vision tokens: all that is needed, beside the numbers, to decode them later.

    `revision` names the weights. `tile_grid` is (columns, rows), (0, 0) without tiles. `page_size` is
    (width, height) in pixels of the upright image that was encoded.
    """

    engine: str
    revision: str
    mode: str
    tile_grid: tuple[int, int]
    page_size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class VisionTokens:
    """A page as vision tokens: what an encoder made, and what a decoder can turn into text at any later time.

    `array` is float16 `(tokens, dim)` of the whole page, content tokens only, row by row (row newlines and the
    separator are constants of the model); `tiles` the same for the local tiles of a dynamic mode, tile by tile
    in row-major order of the grid, each row by row, or None.
    """

    format: VisionFormat
    array: np.ndarray
    tiles: np.ndarray | None = None


class ReadingMark(enum.StrEnum):
    """What went wrong while a page was read; its text is kept, its trust is low."""

    CUT_OFF = "cut_off"  # the token limit came before the end of the page
    LOOP = "loop"  # the decoder began to repeat itself


@dataclass(frozen=True, slots=True)
class PageReading:
    """What an engine (or a text layer) made of one page.

    `rotation` is how many degrees clockwise (0, 90, 180, 270) the rendered page had to be
    turned to stand upright; boxes are on the upright page, `width` and `height` are its
    pixels when it was read. `trust` is 0..1: how sure the reader is of the text.
    """

    text: str
    regions: tuple[Region, ...]
    words: tuple[Word, ...]
    trust: float
    width: int
    height: int
    rotation: int
    reader: Reader
    vision: VisionTokens | None = None
    marks: tuple[ReadingMark, ...] = ()
    decoded: bool = True  # False: vision tokens, to be decoded when somebody needs the page; a text is then a draft
    tried: tuple[str, ...] = ()  # see `PagePoint.tried`


@dataclass(frozen=True, slots=True)
class Note:
    """What a decoder said of a page under another prompt than that of reading: `prompt` is its task, such as `figure`.
    It stands beside the page's text and never in it.
    """

    prompt: str
    text: str
    trust: float


class PageState(enum.StrEnum):
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class DocumentState(enum.StrEnum):
    """Derived from page states, never stored: `partial` has both done and failed parts."""

    ACCEPTED = "accepted"
    READING = "reading"
    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"


class TextLayerPolicy(enum.StrEnum):
    """What to do with a text layer: use it where it is trustworthy, or never."""

    AUTO = "auto"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Blob:
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Origin:
    """A way in which a document came: uploaded (`archive_id` None, `path` the file's name), or as the
    member `path` of an archive. A document lives as long as one of its origins does.
    """

    archive_id: str | None
    path: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Write-once facts of an accepted document. The root of truth, with its blob."""

    tenant: str
    document_id: str
    sha256: str
    size: int
    filename: str
    media_type: str
    created_at: datetime
    text_layer: TextLayerPolicy = TextLayerPolicy.AUTO


@dataclass(frozen=True, slots=True)
class PageSize:
    """Width and height of a page as it is shown, in points (1/72 inch) or, for images, in pixels."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class MemberFailure:
    """A member of an archive that could not become a document."""

    path: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Split:
    """Write-once outcome of looking into a document: its pages, or, for an archive, its members.

    `error_code` is set, and the rest empty, where the whole file could not be opened.
    """

    pages: tuple[PageSize, ...] = ()
    members: tuple[tuple[str, str], ...] = ()  # (path in the archive, document id)
    member_failures: tuple[MemberFailure, ...] = ()
    error_code: str | None = None
    error_message: str | None = None

    @property
    def final(self) -> bool:
        """Whether another look could find nothing more. A password can open what was locked, and an archive that is
        sent in by itself lies less deep than it did inside another.
        """
        again = {"encrypted", "too_deep"}
        return self.error_code is None and all(failure.code not in again for failure in self.member_failures)


@dataclass(frozen=True, slots=True)
class Tombstone:
    """That a document is deleted: kept so that a deletion survives a crash. Says nothing of what it was."""

    tenant: str
    document_id: str
    deleted_at: datetime
    pages: int


@dataclass(frozen=True, slots=True)
class PageKey:
    """Names one page for stores and queues."""

    tenant: str
    document_id: str
    page: int


@dataclass(frozen=True, slots=True)
class PageLabels:
    """Document facts that are repeated on each page point so that search can filter by them."""

    filename: str
    media_type: str
    created_at: datetime
    folders: tuple[str, ...] = ()  # every folder above it in every archive it came from, without a final slash
    paths: tuple[str, ...] = ()  # its path in each archive it came from


@dataclass(frozen=True, slots=True)
class PagePoint:
    """A page as the store holds it."""

    key: PageKey
    state: PageState
    labels: PageLabels
    attempts: int = 0
    interruptions: int = 0
    error_code: str | None = None
    text: str = ""
    passages: tuple[tuple[int, int], ...] = ()
    regions: tuple[Region, ...] = ()
    words: Sequence[Word] = ()
    width: int = 0
    height: int = 0
    rotation: int = 0
    reader: Reader | None = None
    trust: float = 0.0
    updated_at: datetime | None = None
    marks: tuple[ReadingMark, ...] = ()
    vision: VisionFormat | None = None  # set where vision tokens are stored
    vision_tokens: VisionTokens | None = None  # only where they were asked for
    decoded: bool = True  # False: done as far as vision tokens go, until a question needs it
    draft: bool = False  # not decoded, but read quickly by another engine, for search to find it by
    tried: tuple[str, ...] = ()  # what was decoded on need: prompts by task, and `finer`, a reading in a larger mode
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """All given conditions must hold."""

    document_ids: tuple[str, ...] = ()
    folder: str | None = None
    media_types: tuple[str, ...] = ()
    created_from: datetime | None = None
    created_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Snippet:
    """A passage that matched. `start`, `end` is its span in the page's text, `text` that very slice;
    `highlights` are spans inside `text`; `boxes` are where the highlighted words (or, when none is
    highlighted, the passage's lines) stand on the page.
    """

    text: str
    start: int
    end: int
    highlights: tuple[tuple[int, int], ...]
    boxes: tuple[Box, ...]
    score: float


@dataclass(frozen=True, slots=True)
class Hit:
    """One page found. `sentences` are spans in the page's text with the nearness in meaning (cosine) of the
    sentence, as it stands among its neighbours, to the query; those that were embedded, in no promised order.
    """

    key: PageKey
    labels: PageLabels
    score: float
    snippets: tuple[Snippet, ...]
    width: int
    height: int
    trust: float
    sentences: tuple[tuple[int, int, float], ...] = ()
    draft: bool = False


@dataclass(frozen=True, slots=True)
class SearchResult:
    query: str
    hits: tuple[Hit, ...]
    took_ms: float
    total_pages: int  # pages the filter leaves, read so far
    undecoded_pages: int = 0  # those of them that have no text yet, so that no search finds them
    reranked: bool = False  # a judge has read the first pages together with the query


@dataclass(frozen=True, slots=True)
class Citation:
    """A sentence quoted exactly, and where it stands: `quote == page.text[start:end]`, or, with `note`, the same of the
    page's note under that prompt. `verified`: whether decoding the page again says so too; None where nobody asked or
    it could not be done.
    """

    key: PageKey
    filename: str
    quote: str
    start: int
    end: int
    boxes: tuple[Box, ...]
    score: float
    verified: bool | None = None
    note: str | None = None
    draft: bool = False  # the page is not decoded: its text is a quick reading by another engine


@dataclass(frozen=True, slots=True)
class Statement:
    """A part of an answer's text, without marks, and the places (from 0) of the citations that it rests on."""

    text: str
    citations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """`found` False means: nothing in these documents supports an answer; then `text` says so and
    `citations` is empty. `considered` are the pages that were looked at. `statements` are what the text is made of
    where it says more than its quotes do.
    """

    question: str
    found: bool
    text: str
    citations: tuple[Citation, ...]
    confidence: float
    considered: tuple[PageKey, ...] = ()
    took_ms: float = 0.0
    extra: dict[str, str] = field(default_factory=dict)
    statements: tuple[Statement, ...] = ()
