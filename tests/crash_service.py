"""A service process to be killed: the real wiring, store, queue and rendering sandbox, with an engine that
needs no weights. Run as `python -m tests.crash_service DATA_DIR`; prints a line when it is up.
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

from index.types import Box, PageReading, Reader, Region, RegionKind
from tests.kit import HashEmbedder
from worker import wiring
from worker.settings import Settings


class PixelEngine:
    """The text of a page is the hash of its pixels: equal pages give equal texts, in every run."""

    name = "pixels"
    revision = "1"

    def read(self, images):
        time.sleep(0.03)
        return [self._read(image) for image in images]

    def read_lines(self, image, boxes):
        return [("", 0.0) for _ in boxes]

    def knows(self, text):
        return True

    def warm(self):
        pass

    def _read(self, image):
        text = "page " + hashlib.sha256(image.tobytes()).hexdigest()
        region = Region(RegionKind.PARAGRAPH, Box(0, 0, 1, 1), 0, len(text))
        return PageReading(text, (region,), (), 1.0, *image.size, 0, Reader("pixels", "1", "ocr"))


def settings(root: Path) -> Settings:
    return Settings(data_dir=root, min_free_bytes=0, page_pixels=100_000)


def use_light_models() -> None:
    wiring.build_engine = lambda _settings: PixelEngine()
    wiring.build_embedder_for = lambda _settings: HashEmbedder()


def main() -> None:
    use_light_models()
    with wiring.open_service(settings(Path(sys.argv[1]))) as library:
        print("up", flush=True)
        while True:
            time.sleep(0.1)
            counts, unfinished = library.overview()
            if not unfinished:
                print(f"done {counts.done} {counts.failed}", flush=True)


if __name__ == "__main__":
    main()
