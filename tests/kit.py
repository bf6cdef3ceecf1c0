"""Small stand-ins for models and the sandbox, so that tests of jobs and recovery are fast and exact.

They implement the same ports as the real ones. Nothing here is a mock of our own code: store, catalog,
blobs, queue and jobs are the real ones in all tests.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from index.blobs_dir import DirBlobStore
from index.catalog_dir import DirCatalog
from index.errors import BadDocument
from index.store_edge import EdgeStore, StoreConfig
from index.types import Box, PageReading, PageSize, Reader, Region, RegionKind, TextLayerPolicy, Word
from ingest.archives import ArchiveLimits
from ingest.renderer import RenderedPage
from worker.asking.conversation import Conversations
from worker.asking.cooldown import Cooldowns
from worker.decoding import LocalDecoder
from worker.deletion import Deletion
from worker.idempotency import IdempotencyKeys
from worker.images import PageImages
from worker.jobs import JobLimits, Jobs, now
from worker.library import Library
from worker.queue import Expand, Job
from worker.reading import PageReader
from worker.recovery import Recovery
from worker.service import Readiness
from worker.uploads import ResumableUploads, UploadConfig
from worker.webhooks.setup import WebhookParts
from worker.webhooks.targets import HostRules

TENANT = "default"
WEBHOOK_HOSTS = ["hooks.example", "http://127.0.0.1:9"]  # nobody listens at port 9


class HashEmbedder:
    """Words to fixed random directions: texts with common words are near each other."""

    name = "hash@test"
    dim = 32

    def embed(self, texts):
        rows = np.zeros((len(texts), self.dim), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().split() or [""]:
                seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
                row += np.random.default_rng(seed).standard_normal(self.dim).astype(np.float32)
            row /= max(float(np.linalg.norm(row)), 1e-6)
        return rows


def pdf(*pages: str) -> bytes:
    """Bytes that `FakeRenderer` takes for a PDF, and `sniff` too; each argument is a page's text.
    `!code` is a page whose rendering fails with that code."""
    return ("%PDF-1.7\n" + "\f".join(pages)).encode()


class FakeRenderer:
    """Reads what `pdf` writes. The page's text travels as pixels, so nothing is kept beside the image."""

    def __init__(self):
        self.rendered = Counter()

    def split(self, path: Path, media_type, password):
        pages = self._pages(path)
        if pages == ["!locked"] and password != "open sesame":
            raise BadDocument("needs a password", code="encrypted")
        if pages == ["!broken"]:
            raise BadDocument("cannot be opened", code="damaged")
        return tuple(PageSize(100, 100) for _ in pages)

    def render(self, path, media_type, page, password, *, max_pixels=None, text_layer=False):
        text = self._pages(path)[page - 1]
        self.rendered[text] += 1
        if text.startswith("!") and text not in {"!locked", "!bug"}:
            raise BadDocument("this page does not render", code=text[1:])
        raw = text.encode().ljust(300, b"\0")
        return RenderedPage(Image.frombytes("RGB", (len(raw) // 3, 1), raw[: len(raw) // 3 * 3]), None)

    def close(self):
        pass

    @staticmethod
    def _pages(path: Path):
        return path.read_bytes().decode().split("\n", 1)[1].split("\f")


@dataclass
class FakeEngine:
    """Text out of the pixels of `FakeRenderer`. Counts reads, can be slow, can fail."""

    name: str = "fake"
    revision: str = "1"
    seconds: float = 0.0
    fail: dict[str, list[Exception]] = field(default_factory=dict)
    reads: Counter = field(default_factory=Counter)
    gate: threading.Event | None = None

    def read(self, images):
        return [self._read(image) for image in images]

    def warm(self):
        pass

    def read_lines(self, image, boxes):
        return [("", 0.0) for _ in boxes]

    def knows(self, text):
        return True

    def _read(self, image):
        text = image.tobytes().rstrip(b"\0").decode()
        self.reads[text] += 1
        if self.gate:
            self.gate.wait(120)
        time.sleep(self.seconds)
        if self.fail.get(text):
            raise self.fail[text].pop(0)
        return reading(text)


def reading(text: str, *, rotation: int = 0) -> PageReading:
    """A reading with a word box for every word, in a row."""
    words, at = [], 0
    for word in text.split():
        start = text.index(word, at)
        at = start + len(word)
        words.append(Word(start, at, Box(start / 1000, 0.1, at / 1000, 0.2)))
    region = Region(RegionKind.PARAGRAPH, Box(0, 0.1, 1, 0.2), 0, len(text))
    return PageReading(text, (region,), tuple(words), 0.9, 100, 100, rotation, Reader("fake", "1", "ocr"))


class Archive:
    """A whole service without threads: `settle` does what the queue would, in order."""

    def __init__(
        self,
        root: Path,
        *,
        engine=None,
        max_attempts=3,
        limits=None,
        answerer=None,
        embedder=None,
        reading=None,
        vision_dim=None,
        decoding=None,
    ):
        self.root = root
        self.answerer = answerer
        self.engine = engine or FakeEngine()
        self.renderer = FakeRenderer()
        self.embedder = embedder or HashEmbedder()
        self.reading = reading
        self.vision_dim = vision_dim
        self.decoding = decoding
        self.rung: list[Job] = []
        self.late_s = 0.0  # by which clocks of what is kept for a while go ahead
        self.open(max_attempts, limits)

    def open(self, max_attempts=3, limits=None):
        self.store = EdgeStore.open(self.root / "index", self.embedder, StoreConfig(vision_dim=self.vision_dim))
        self.blobs = DirBlobStore(self.root)
        self.catalog = DirCatalog(self.root)
        self.jobs = Jobs(
            blobs=self.blobs,
            catalog=self.catalog,
            store=self.store,
            renderer=self.renderer,
            reader=PageReader(self.renderer, self.engine, self.engine, self.reading),
            embedder=self.embedder,
            ring=self.rung.extend,
            limits=JobLimits(max_attempts=max_attempts, archives=limits or ArchiveLimits()),
        )
        self.recovery = Recovery(self.catalog, self.store, self.rung.extend, now)
        self.deletion = Deletion(self.blobs, self.catalog, self.store, now)
        self.cooldowns = Cooldowns(self.root / "cooldowns", clock=lambda: time.time() + self.late_s)
        self.library = Library(
            blobs=self.blobs,
            catalog=self.catalog,
            store=self.store,
            jobs=self.jobs,
            queue=self,
            deletion=self.deletion,
            images=PageImages(self.renderer, cache_bytes=1 << 20),
            answerer=self.answerer,
            readiness=Readiness(True, "fake@1", self.embedder.name, {}),
            max_upload_bytes=1 << 20,
            uploads=ResumableUploads(self.root / "uploads", UploadConfig(1 << 20)),
            conversations=Conversations(self.root / "conversations"),
            cooldowns=self.cooldowns,
            idempotency=IdempotencyKeys(self.root / "idempotency"),
            webhooks=WebhookParts(self.root / "webhooks", HostRules(WEBHOOK_HOSTS), self.catalog, self.store).desk,
            decoder=LocalDecoder(self.store, self.engine, self.jobs.keep),
            decoding=self.decoding,
            embedder=self.embedder,
        )

    def depth(self):
        return len(self.rung)

    def close(self):
        self.store.close()

    def restart(self, *, crashed=False):
        """As after a kill: everything in memory is gone, the files stay."""
        self.close()
        self.rung.clear()
        self.open()
        self.deletion.finish()
        self.recovery.reclaim(crashed=crashed)
        self.recovery.reconcile()

    def upload(self, content: bytes, filename="scan.pdf", password=None, text_layer=TextLayerPolicy.AUTO):
        staged = self.library.stage()
        staged.write(content)
        view, _ = self.library.accept(TENANT, staged, filename=filename, password=password, text_layer=text_layer)
        return view.manifest.document_id

    def settle(self, limit=10_000):
        """Run all jobs that were rung for, and those they ring for, expands first."""
        for _ in range(limit):
            if not self.rung:
                return
            self.rung.sort(key=lambda job: not isinstance(job, Expand))
            self.jobs.run(self.rung.pop(0))
        raise AssertionError("jobs ring for each other without end")

    def view(self, document_id):
        return self.library.document(TENANT, document_id)

    def texts(self, document_id):
        """Text of each page, in order."""
        pages = self.view(document_id).pages.total
        return [self.library.page(TENANT, document_id, page)[1].text for page in range(1, pages + 1)]
