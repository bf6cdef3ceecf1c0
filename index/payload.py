"""The payload of a page point: `PagePoint` to plain JSON values and back.

| field | type | what |
|---|---|---|
| `tenant` | keyword | owner, from the API key |
| `document_id` | keyword | uuid5 of tenant and content hash |
| `page` | integer | physical page, from 1 |
| `state` | keyword | `pending`, `done` or `failed` |
| `attempts` | integer | how often reading was begun |
| `interruptions` | integer | how many of the attempts ended with the process |
| `error_code` | string | why it failed |
| `text` | string | the page as Markdown |
| `passages` | list of [start, end] | character spans of the embedded passages, in the order of their vectors |
| `sentences` | list of [start, end] | spans of the sentences that have vectors, in the order of these |
| `regions` | list of [kind, x0, y0, x1, y1, start, end] | blocks in reading order |
| `words` | string | base64 of little-endian uint16 rows: start low, start high, length, x0, y0, x1, y1 |
| `width`, `height` | integer | pixels of the upright page when it was read |
| `rotation` | integer | degrees clockwise that made it upright |
| `reader` | {engine, revision, mode} | who read it |
| `trust` | float | 0..1, how sure the reader is |
| `marks` | list of keyword | what went wrong while it was read: `cut_off`, `loop` |
| `vision` | {engine, revision, mode, tile_grid, page_size} | where vision tokens are stored: what decodes them |
| `awaits` | keyword | where vision tokens are not decoded yet: `draft` if `text` is another engine's, else `decoding` |
| `tried` | list of keyword | what was decoded on need: `markdown`, `figure`; `finer`: read again in a larger mode |
| `notes` | list of [prompt, text, trust] | what the decoder said of the page under other prompts, beside its text |
| `filename` | string | name of the upload |
| `media_type` | keyword | type by content |
| `created_at` | datetime | upload time, RFC 3339 in UTC |
| `folders` | list of keyword | all folders above it in its archives |
| `paths` | list of string | its paths in its archives |
| `updated_at` | datetime | last change, RFC 3339 in UTC |
| `stamp` | string | on a server only: random, new with every write, so that writers see each other |
| `conditional` | string | on a server only: the stamp of the last write that was for pages in one state only |

Boxes are fractions of the page; in `words` they are 16-bit fractions (an error below 10⁻⁵).
Knows nothing of Qdrant, so an embedded shard and a server share it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from index import vision
from index.store import PageCounts, PageUpdate
from index.types import (
    Box,
    Note,
    PageKey,
    PageLabels,
    PagePoint,
    PageReading,
    PageState,
    Reader,
    ReadingMark,
    Region,
    RegionKind,
    Word,
)

CONTENT = ("text", "passages", "sentences", "regions", "words")
"""The fields that hold a page's content: left out of scans without content, dropped when a page is read anew."""

_READING = (*CONTENT, "width", "height", "rotation", "reader", "trust", "marks", "vision", "awaits")
_ON_NEED = ("tried", "notes")  # they stay when a page gets another reading, and go when it is asked to be read anew
AWAITS_DECODING = "decoding"
HAS_DRAFT = "draft"
STAMP = "stamp"
CONDITIONAL = "conditional"
_BOX = 65535
_HALF_PAIR = re.compile("[\ud800-\udfff]")


def new_pending(key: PageKey, labels: PageLabels, at: datetime) -> dict[str, Any]:
    """Payload of a page that nobody has read yet."""
    return {
        "tenant": key.tenant,
        "document_id": key.document_id,
        "page": key.page,
        "state": PageState.PENDING.value,
        "attempts": 0,
        "interruptions": 0,
        "updated_at": encode_time(at),
        **_labels(labels),
    }


def changed(payload: Mapping[str, Any], change: PageUpdate) -> dict[str, Any]:
    """The payload after a change: a new dict; fields that the change leaves None stay."""
    new = dict(payload)
    new["updated_at"] = encode_time(change.updated_at)
    if change.state is PageState.PENDING and change.attempts == 0:
        for name in (*_READING, *_ON_NEED, "error_code"):
            new.pop(name, None)
    if change.state is not None:
        new["state"] = change.state.value
        if change.state is not PageState.FAILED:
            new.pop("error_code", None)
    if change.attempts is not None:
        new["attempts"] = change.attempts
    if change.interruptions is not None:
        new["interruptions"] = change.interruptions
    if change.error_code:
        new["error_code"] = change.error_code
    elif change.error_code is not None:  # empty: cleared
        new.pop("error_code", None)
    if change.labels is not None:
        new.update(_labels(change.labels))
    if change.reading is not None:
        for name in _READING:
            new.pop(name, None)
        new.update(_reading(change.reading))
        new["passages"] = []
        new["sentences"] = []
    tried = change.tried if change.tried is not None else (change.reading.tried if change.reading else ())
    if tried:
        new["tried"] = list(tried)
    if change.notes is not None:
        new["notes"] = [[note.prompt, storable(note.text), round(float(note.trust), 4)] for note in change.notes]
    if change.passages is not None:
        new["passages"] = [list(span) for span in change.passages.spans]
        new["sentences"] = [list(span) for span in change.passages.sentence_spans]
    return new


def patch(change: PageUpdate) -> dict[str, Any]:
    """Only the fields that a change without content gives; one that goes is None."""
    kept = object()
    new = changed({"error_code": kept}, change)
    if new.setdefault("error_code", None) is kept:
        del new["error_code"]
    return new


def decode(payload: Mapping[str, Any]) -> PagePoint:
    """The page that a payload describes; content that was not fetched stays empty."""
    reader = payload.get("reader")
    return PagePoint(
        key=PageKey(payload["tenant"], payload["document_id"], int(payload["page"])),
        state=PageState(payload["state"]),
        labels=decode_labels(payload),
        attempts=int(payload.get("attempts", 0)),
        interruptions=int(payload.get("interruptions", 0)),
        error_code=payload.get("error_code"),
        text=payload.get("text", ""),
        passages=tuple((int(s), int(e)) for s, e in payload.get("passages", ())),
        regions=decode_regions(payload),
        words=PackedWords(payload.get("words", "")),
        width=int(payload.get("width", 0)),
        height=int(payload.get("height", 0)),
        rotation=int(payload.get("rotation", 0)),
        reader=Reader(reader["engine"], reader["revision"], reader["mode"]) if reader else None,
        trust=float(payload.get("trust", 0.0)),
        updated_at=decode_time(payload["updated_at"]) if "updated_at" in payload else None,
        marks=tuple(ReadingMark(mark) for mark in payload.get("marks") or ()),
        vision=vision.decode_format(payload.get("vision")),
        decoded=not payload.get("awaits"),
        draft=payload.get("awaits") == HAS_DRAFT,
        tried=tuple(payload.get("tried") or ()),
        notes=tuple(Note(prompt, text, float(trust)) for prompt, text, trust in payload.get("notes") or ()),
    )


def page_counts(states: Mapping[str, int], awaits: Mapping[str, int]) -> PageCounts:
    """From how many pages have each `state`, and how many of those that are done have each `awaits`."""
    waiting = {"undecoded": awaits.get(AWAITS_DECODING, 0), "drafts": awaits.get(HAS_DRAFT, 0)}
    return PageCounts(**{state.value: states.get(state.value, 0) for state in PageState}, **waiting)


def decode_regions(payload: Mapping[str, Any]) -> tuple[Region, ...]:
    return tuple(
        Region(RegionKind(kind), Box(x0, y0, x1, y1), int(start), int(end))
        for kind, x0, y0, x1, y1, start, end in payload.get("regions", ())
    )


def decode_labels(payload: Mapping[str, Any]) -> PageLabels:
    return PageLabels(
        filename=payload["filename"],
        media_type=payload["media_type"],
        created_at=decode_time(payload["created_at"]),
        folders=tuple(payload.get("folders", ())),
        paths=tuple(payload.get("paths", ())),
    )


def encode_words(words: tuple[Word, ...]) -> str:
    """Words packed: 14 bytes each instead of some 90 as JSON."""
    if not words:
        return ""
    rows = np.zeros((len(words), 7), np.uint16)
    starts = np.array([w.start for w in words], np.uint32)
    rows[:, 0] = starts & 0xFFFF
    rows[:, 1] = starts >> 16
    rows[:, 2] = np.minimum([w.end - w.start for w in words], 0xFFFF)
    boxes = np.array([(w.box.x0, w.box.y0, w.box.x1, w.box.y1) for w in words])
    rows[:, 3:] = np.rint(np.clip(boxes, 0.0, 1.0) * _BOX)
    return base64.b64encode(rows.astype("<u2").tobytes()).decode("ascii")


def decode_words(packed: str) -> tuple[Word, ...]:
    if not packed:
        return ()
    rows = np.frombuffer(base64.b64decode(packed), "<u2").reshape(-1, 7)
    starts = rows[:, 0].astype(np.int64) | (rows[:, 1].astype(np.int64) << 16)
    ends = starts + rows[:, 2]
    boxes = (rows[:, 3:] / _BOX).tolist()
    return tuple(
        Word(start, end, Box(*box)) for start, end, box in zip(starts.tolist(), ends.tolist(), boxes, strict=True)
    )


class PackedWords(Sequence[Word]):
    """A page's words as they are stored, unpacked when somebody looks at one: most who fetch a page do not."""

    __slots__ = ("_packed", "_words")

    def __init__(self, packed: str) -> None:
        self._packed = packed
        self._words: tuple[Word, ...] | None = None

    def _unpacked(self) -> tuple[Word, ...]:
        if self._words is None:
            self._words = decode_words(self._packed)
        return self._words

    def __len__(self) -> int:
        return len(self._unpacked())

    def __getitem__(self, at: Any) -> Any:
        return self._unpacked()[at]

    def __iter__(self) -> Iterator[Word]:
        return iter(self._unpacked())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, PackedWords) and self._packed == other._packed:
            return True
        return tuple(other) == self._unpacked() if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._unpacked())

    def __repr__(self) -> str:
        return repr(self._unpacked())


class WordTable:
    """Packed words to be asked for the boxes under a span, without unpacking all of them."""

    def __init__(self, packed: str) -> None:
        rows = np.frombuffer(base64.b64decode(packed), "<u2").reshape(-1, 7)
        starts = rows[:, 0].astype(np.int64) | (rows[:, 1].astype(np.int64) << 16)
        order = np.argsort(starts, kind="stable")
        self._starts = starts[order]
        self._ends = self._starts + rows[order, 2]
        self._boxes = rows[order, 3:]

    def boxes(self, start: int, end: int) -> list[Box]:
        """Boxes of the words that the span touches, in text order."""
        first = int(np.searchsorted(self._starts, start))
        first -= first > 0 and bool(self._ends[first - 1] > start)
        last = int(np.searchsorted(self._starts, end))
        return [Box(*box) for box in (self._boxes[first:last] / _BOX).tolist()]


def labels_as_stored(labels: PageLabels) -> PageLabels:
    """What comes back of labels that are written: not all names can be stored as they are."""
    return decode_labels(_labels(labels))


def storable(text: str) -> str:
    """The text with halves of surrogate pairs, which no encoding can carry, as U+FFFD: offsets stay."""
    return _HALF_PAIR.sub("\ufffd", text)


def encode_time(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds, so that text order is time order. Naive times are taken as UTC."""
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return at.isoformat(timespec="microseconds")


def decode_time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _labels(labels: PageLabels) -> dict[str, Any]:
    return {
        "filename": storable(labels.filename),
        "media_type": labels.media_type,
        "created_at": encode_time(labels.created_at),
        "folders": [storable(folder) for folder in labels.folders],
        "paths": [storable(path) for path in labels.paths],
    }


def _reading(reading: PageReading) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "text": storable(reading.text),
        "regions": [
            [r.kind.value, *(round(v, 5) for v in (r.box.x0, r.box.y0, r.box.x1, r.box.y1)), r.start, r.end]
            for r in reading.regions
        ],
        "words": encode_words(reading.words),
        "width": reading.width,
        "height": reading.height,
        "rotation": reading.rotation,
        "reader": {"engine": reading.reader.engine, "revision": reading.reader.revision, "mode": reading.reader.mode},
        "trust": round(float(reading.trust), 4),
    }
    # Most pages have neither, and pay nothing for them.
    if reading.marks:
        fields["marks"] = [mark.value for mark in reading.marks]
    if not reading.decoded:
        fields["awaits"] = HAS_DRAFT if reading.text else AWAITS_DECODING
    if reading.vision is not None:
        fields["vision"] = vision.encode_format(reading.vision.format)
    return fields
