"""Page images for people: upright, at a width, encoded; the ones shown lately are kept in memory."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from pathlib import Path

from index.errors import InvalidRequest
from index.types import Manifest, PageSize
from ingest.renderer import Renderer

KINDS = {"png": "PNG", "webp": "WEBP"}
MIN_WIDTH, MAX_WIDTH = 16, 4000
_MAX_PIXELS = 24_000_000


class PageImages:
    """Thread-safe."""

    def __init__(self, renderer: Renderer, *, cache_bytes: int) -> None:
        self._renderer = renderer
        self._cache = _ByteCache(cache_bytes)

    def image(
        self,
        path: Path,
        manifest: Manifest,
        page: int,
        password: str | None,
        *,
        size: PageSize,
        rotation: int,
        width: int,
        kind: str,
    ) -> bytes:
        """Page `page` turned clockwise by `rotation` degrees, at most `width` pixels wide."""
        if kind not in KINDS or not MIN_WIDTH <= width <= MAX_WIDTH:
            raise InvalidRequest(f"Images come as png or webp, {MIN_WIDTH} to {MAX_WIDTH} pixels wide.")
        key = (manifest.document_id, page, width, kind, rotation)
        if (known := self._cache.get(key)) is not None:
            return known
        across, down = (size.height, size.width) if rotation in {90, 270} else (size.width, size.height)
        height = width * down / max(across, 1e-6)
        # A little more than is shown, so that the last resize only ever makes smaller.
        pixels = int(min(max(width * height * 1.2, 40_000), _MAX_PIXELS))
        rendered = self._renderer.render(path, manifest.media_type, page, password, max_pixels=pixels)
        image = rendered.image
        if rotation:
            image = image.rotate(-rotation, expand=True)
        if image.width > width:
            image = image.resize((width, max(1, round(image.height * width / image.width))), reducing_gap=2.0)
        buffer = io.BytesIO()
        if kind == "webp":
            image.save(buffer, KINDS[kind], quality=80, method=2)
        else:
            image.save(buffer, KINDS[kind])
        self._cache.put(key, buffer.getvalue())
        return buffer.getvalue()


class _ByteCache:
    """Least recently used first out, bounded by bytes."""

    def __init__(self, limit: int) -> None:
        self._guard = threading.Lock()
        self._limit = limit
        self._size = 0
        self._items: OrderedDict[tuple, bytes] = OrderedDict()

    def get(self, key: tuple) -> bytes | None:
        with self._guard:
            if key in self._items:
                self._items.move_to_end(key)
            return self._items.get(key)

    def put(self, key: tuple, value: bytes) -> None:
        with self._guard:
            self._size += len(value) - len(self._items.pop(key, b""))
            self._items[key] = value
            while self._size > self._limit and self._items:
                self._size -= len(self._items.popitem(last=False)[1])
