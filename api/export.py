"""Exported pages as JSON Lines or Parquet, in pieces of bounded size.

Both formats have the same columns, those of `PageRowJSON`. Knows no HTTP; Parquet needs the extra `parquet`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from api import convert
from api.schemas_pages import PageRowJSON
from index.types import PagePoint

_HALF = re.compile("[\ud800-\udfff]")
_LINE_END = re.compile("[\x85\u2028\u2029]")
_PIECE = 64 << 10
_ROWS = 256
_WEIGHT = 4 << 20
"""A Parquet row group ends after so many rows, or when what has to be held for it is some tens of megabytes: characters
of text, and words and regions at `_PER_WORD` each (as Python objects they take ten times that)."""
_PER_WORD = 100


def row(point: PagePoint, *, words: bool) -> PageRowJSON:
    """One page as exported. `words` adds every word with its box."""
    reader = point.reader
    return PageRowJSON(
        document_id=point.key.document_id,
        page=point.key.page,
        filename=_sound(point.labels.filename),
        paths=[_sound(path) for path in point.labels.paths],
        media_type=point.labels.media_type,
        created_at=point.labels.created_at,
        text=_sound(point.text),
        regions=convert.regions(point),
        words=convert.words_of(point) if words else None,
        width=point.width,
        height=point.height,
        rotation=point.rotation,
        trust=point.trust,
        marks=[mark.value for mark in point.marks],
        engine=reader.engine if reader else None,
        revision=reader.revision if reader else None,
        mode=reader.mode if reader else None,
        updated_at=point.updated_at,
    )


def json_lines(points: Iterable[PagePoint], *, words: bool) -> Iterator[bytes]:
    """One JSON object a line, in pieces of about 64 KiB; at least one piece, which may be empty."""
    held, size = [], 0
    for point in points:
        line = _one_line(row(point, words=words).model_dump_json(exclude=None if words else {"words"})).encode() + b"\n"
        held.append(line)
        size += len(line)
        if size >= _PIECE:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def parquet(points: Iterable[PagePoint], *, words: bool) -> Iterator[bytes]:
    """A Parquet file, zstd, a piece for each row group."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    schema = _schema(words=words)
    sink = _Sink()
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd") as writer:
        for group in _groups(points, words=words):
            rows = [row(point, words=words).model_dump() for point in group]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            yield sink.take()
    yield sink.take()


def _schema(*, words: bool) -> Any:
    import pyarrow as pa

    box = pa.list_(pa.float32(), 4)
    span = pa.list_(pa.int32(), 2)
    moment = pa.timestamp("us", tz="UTC")
    fields = [
        ("document_id", pa.string()),
        ("page", pa.int32()),
        ("filename", pa.string()),
        ("paths", pa.list_(pa.string())),
        ("media_type", pa.string()),
        ("created_at", moment),
        ("text", pa.string()),
        ("regions", pa.list_(pa.struct([("kind", pa.string()), ("box", box), ("span", span)]))),
        ("words", pa.list_(pa.struct([("span", span), ("box", box)]))),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("rotation", pa.int16()),
        ("trust", pa.float32()),
        ("marks", pa.list_(pa.string())),
        ("engine", pa.string()),
        ("revision", pa.string()),
        ("mode", pa.string()),
        ("updated_at", moment),
    ]
    return pa.schema([field for field in fields if words or field[0] != "words"])


def _one_line(json_text: str) -> str:
    """Without what Unicode calls the end of a line but JSON does not: many readers of lines part them there."""
    return json_text if json_text.isascii() else _LINE_END.sub(lambda end: f"\\u{ord(end[0]):04x}", json_text)


def _sound(text: str) -> str:
    """Without half surrogate pairs, which neither UTF-8 nor Arrow can carry."""
    return _HALF.sub("\ufffd", text)


def _groups(points: Iterable[PagePoint], *, words: bool) -> Iterator[list[PagePoint]]:
    group: list[PagePoint] = []
    weight = 0
    for point in points:
        group.append(point)
        weight += len(point.text) + _PER_WORD * (len(point.regions) + (len(point.words) if words else 0))
        if len(group) == _ROWS or weight >= _WEIGHT:
            yield group
            group, weight = [], 0
    if group:
        yield group


class _Sink:
    """A file that only grows, and hands out what was written since the last look."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits anywhere."""

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken
