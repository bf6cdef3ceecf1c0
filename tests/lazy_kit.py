"""A vision engine whose tokens hold the page's text, so that tests can say what is decoded and when.

It stands at the `VisionEngine` port: encoding and decoding are a real pair (the bytes of the text are the tokens'
numbers and come back from the store), only the picture is none. A page's text may have marks:

* `[figure] …`: the rest is in a picture: decoding as Markdown gives a figure without text, the figure prompt the rest;
* `[blurred] …`: in the coarse mode every vowel is misread and the trust is low; a finer mode reads it well;
* `[hopeless] …`: so in every mode.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from index.errors import Conflict, Unavailable
from index.types import Box, PageReading, Reader, Region, RegionKind, VisionFormat, VisionTokens, Word
from tests.answers_kit import BagEmbedder
from tests.api_kit import Api
from tests.kit import Archive, FakeEngine, pdf
from worker.answer_extractive import ExtractiveAnswerer
from worker.asking.decoding import DecodingConfig
from worker.engine.engine import Decoded, Finish
from worker.engine.prompts import Prompt, Task
from worker.patience import Patience
from worker.reading import ReadingConfig

DIM = 4


@dataclass
class TokenEngine(FakeEngine):
    """Counts what is decoded (`decodes`, by text and task) and can hold decoding up (`gate`) or fail (`broken`)."""

    name: str = "token-test"
    dim: int = DIM
    decodes: Counter = field(default_factory=Counter)
    finer: Counter = field(default_factory=Counter)
    broken: dict = field(default_factory=dict)
    free: object = None
    helper: object = None
    began: threading.Event = field(default_factory=threading.Event)
    given_up: threading.Event = field(default_factory=threading.Event)

    def read(self, images):
        return [self._decoded_as(image, "coarse") for image in images]

    def look(self, images):
        return [self._encoded(image, "coarse") for image in images]

    def read_finer(self, image, form, patience=None):
        self.finer[text_of(image)] += 1
        return self._decoded_as(image, "fine") if form.mode == "coarse" else None

    def encode(self, images):
        return [self._encoded(image, "coarse").vision for image in images]

    def decodes_form(self, form):
        return form.engine == self.name and form.revision == self.revision

    def decode(self, tokens, prompts, patience=None):
        patience = patience or Patience()
        return [self._decode(one, prompt, patience) for one, prompt in zip(tokens, prompts, strict=True)]

    def _encoded(self, image, mode):
        raw = image.tobytes()
        raw += b"\0" * (-len(raw) % DIM)
        form = VisionFormat(self.name, self.revision, mode, (0, 0), image.size)
        tokens = VisionTokens(form, np.frombuffer(raw, np.uint8).reshape(-1, DIM).astype(np.float16))
        reader = Reader(self.name, self.revision, mode)
        return PageReading("", (), (), 0.0, 100, 100, 0, reader, tokens, decoded=False)

    def _decoded_as(self, image, mode):
        encoded = self._encoded(image, mode)
        text, trust, regions = said(text_of(image), mode)
        return replace(encoded, text=text, trust=trust, regions=regions, decoded=True)

    def _decode(self, tokens, prompt, patience):
        text = tokens.array.astype(np.uint8).tobytes().rstrip(b"\0").decode()
        if not self.decodes_form(tokens.format):
            raise Conflict("These tokens are another's.", code="wrong_tokens")
        self.decodes[text, prompt.task.value] += 1
        self.began.set()
        if self.gate is not None:
            while not self.gate.wait(0.02):
                if patience.over:
                    self.given_up.set()
                patience.check()
        if text in self.broken:
            raise self.broken[text]
        if prompt.task is Task.FREE:
            return decoded(prompt, self.free(text, prompt.argument), 0.9)
        if prompt.task is Task.FIGURE:
            return decoded(prompt, text.partition("[figure]")[2].strip(), 0.9)
        clean, trust, regions = said(text, tokens.format.mode)
        return decoded(prompt, clean, trust, regions)


class DraftReader:
    """Reads drafts: with an e misread as c in every word; of pages marked `[faint]` the first words, with little trust,
    `[torn]` ones not at all, `[turned]` ones the other way up.
    """

    def __init__(self):
        self.reads = Counter()
        self.at_once = self.most_at_once = 0
        self._guard = threading.Lock()

    def read(self, images):
        with self._guard:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return [self._read(text_of(image)) for image in images]
        finally:
            with self._guard:
                self.at_once -= 1

    def _read(self, text):
        self.reads[text] += 1
        if "[torn]" in text:
            raise ValueError("nothing of it can be read")
        clean = re.sub(r"\[\w+\] ?", "", text).replace("ee", "ec")
        if "[faint]" in text:
            clean = " ".join(clean.split()[:2])
        words = (Word(0, 3, Box(0.1, 0.1, 0.3, 0.2)),)
        regions = (Region(RegionKind.PARAGRAPH, Box(0, 0.1, 1, 0.4), 0, len(clean)),)
        turn = 180 if "[turned]" in text else 0
        reader = Reader("draft-test", "1", "ocr")
        return PageReading(clean, regions, words, 0.2 if "[faint]" in text else 0.9, 90, 90, turn, reader)


def decoded(prompt: Prompt, text: str, trust: float, regions=()) -> Decoded:
    return Decoded(prompt, text, text, regions, len(text), Finish.END, -0.1, 0, trust)


def text_of(image) -> str:
    return image.tobytes().rstrip(b"\0").decode()


def said(text: str, mode: str):
    """What reading in this mode makes of a page with this text: words, trust, regions."""
    clean, figure, _ = text.partition("[figure]")
    clean = clean.strip()
    sure = 0.9
    if "[hopeless]" in clean or ("[blurred]" in clean and mode == "coarse"):
        sure, clean = 0.2, re.sub("[aeiou]", "x", clean)
    clean = re.sub(r"\[\w+\] ?", "", clean)
    regions = [Region(RegionKind.PARAGRAPH, Box(0, 0.1, 1, 0.4), 0, len(clean))]
    if figure:
        regions.append(Region(RegionKind.FIGURE, Box(0, 0.5, 1, 0.9), len(clean), len(clean)))
    return clean, sure, tuple(regions)


def away(code="no_decoder"):
    return Unavailable("Nobody decodes here.", code=code)


class LazyArchive(Archive):
    """An archive that reads lazily, behind its HTTP app (`api`)."""

    def __init__(self, root: Path, *, engine=None, answerer=None, lazy=True, decoding=None):
        self.embedder_for_answers = BagEmbedder()
        super().__init__(
            root,
            engine=engine or TokenEngine(),
            answerer=answerer or ExtractiveAnswerer(self.embedder_for_answers),
            embedder=BagEmbedder(),
            reading=ReadingConfig(lazy=lazy),
            vision_dim=DIM,
            decoding=decoding or DecodingConfig(),
        )

    def open(self, *limits):
        super().open(*limits)
        self.api = Api(self.library)

    def add(self, *texts, filename="scan.pdf"):
        """A document with a page for each text, read as far as it is."""
        document = self.upload(pdf(*texts), filename)
        self.settle()
        return document

    def ask(self, question, **request):
        response = self.api.post("/v1/answers", json={"question": question, **request})
        assert response.status_code == 200, response.text
        return response.json()

    def found(self, query):
        """Pages that a search finds, as (document, page)."""
        hits = self.api.post("/v1/search", json={"query": query}).json()["hits"]
        return [(hit["document_id"], hit["page"]) for hit in hits]

    def shown(self, document, number=1):
        return self.api.get(f"/v1/documents/{document}/pages/{number}").json()


def pages(answer):
    """What an answer says was decoded: (page, prompt, ok)."""
    return [(one["page"], one["prompt"], one["ok"]) for one in answer["decoded"]]
