"""The commands `folioscope worker`, `serve` and so on, with an engine that needs no weights: pages are read by hashing
their pixels, as slowly as `STACK_READ_S` says. Run as `python -m tests.stack_service COMMAND ...`.

Tests that need a moment to last make it last, in the directory `STACK_HOLD` (`Stack.hold`, `pace`).

A page whose first pixel is of a deadly colour takes its reader down. Each reading appends a line to `STACK_READS`, so
that tests can count them.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from index.errors import Unavailable
from index.types import Box, PageReading, Reader, Region, RegionKind, VisionFormat, VisionTokens
from tests.kit import HashEmbedder
from worker import wiring
from worker.engine.engine import Decoded, Finish

# First pixel of a page → what its reader dies of.
DEADLY = {(250, 0, 0): signal.SIGSEGV, (0, 0, 250): signal.SIGKILL}
# First pixel of a page that the GPU's context does not survive.
POISON = (0, 250, 0)


class StubEngine:
    """The text of a page is the hash of its pixels: equal pages give equal texts, in every run and process."""

    name = "stub"
    revision = "1"
    _lost = False  # once lost, for every page

    def read(self, images):
        return [self._read(image) for image in images]

    def read_lines(self, image, boxes):
        return [("", 0.0) for _ in boxes]

    def knows(self, text):
        return True

    def warm(self):
        pass

    def _read(self, image):
        deadly = DEADLY.get(image.getpixel((0, 0)))
        self._lost |= image.getpixel((0, 0)) == POISON
        digest = hashlib.sha256(image.tobytes()).hexdigest()
        number = _note(digest)
        if deadly is not None:
            time.sleep(0.05)
            os.kill(os.getpid(), deadly)
            time.sleep(10)
        time.sleep(float(_told("pace") or os.environ.get("STACK_READ_S", "0.02")))
        _wait_while_held("read", number)
        if self._lost:
            raise Unavailable("The GPU does not work for this process any more.", code="gpu_failed")
        text = f"page {digest}"
        region = Region(RegionKind.PARAGRAPH, Box(0, 0, 1, 1), 0, len(text))
        return PageReading(text, (region,), (), 1.0, *image.size, 0, Reader("stub", "1", "ocr"))


class StubVisionEngine(StubEngine):
    """Pages become two vision tokens; decoding repeats the prompt and their sum."""

    name = "stub-vision"
    dim = 4
    helper = StubEngine()

    def _read(self, image):
        reading = super()._read(image)
        tokens = self.encode([image])[0]
        return PageReading(
            reading.text, reading.regions, (), 1.0, *image.size, 0, Reader(self.name, "1", "base"), vision=tokens
        )

    def encode(self, images):
        form = VisionFormat(self.name, "1", "base", (0, 0), (10, 10))
        return [
            VisionTokens(form, np.full((2, self.dim), image.getpixel((0, 0))[0] / 8, np.float16)) for image in images
        ]

    def decodes(self, form):
        return form.engine == self.name

    def look(self, images):
        return [replace(one, text="", regions=(), trust=0.0, decoded=False) for one in self.read(images)]

    def read_finer(self, image, form, patience=None):
        return None

    def decode(self, tokens, prompts, patience=None):
        _wait_while_held("decode", _begun("decode"))
        time.sleep(float(os.environ.get("STACK_DECODE_S", "0")))
        return [self._decode(one, prompt) for one, prompt in zip(tokens, prompts, strict=True)]

    def _decode(self, tokens, prompt):
        if prompt.argument == "bug":
            raise RuntimeError("a bug")
        text = f"{prompt.task.value} {prompt.argument}: {float(tokens.array.sum())}"
        region = Region(RegionKind.TABLE, Box(0.1, 0.2, 0.3, 0.4), 0, len(text))
        trust = float(os.environ.get("STACK_TRUST", "0.25"))
        return Decoded(prompt, f"raw {text}", text, (region,), 7, Finish.LENGTH, -0.5, 1, trust)


def _note(line):
    """Of all processes; how many lines there are with this one."""
    return _append(os.environ.get("STACK_READS"), line)


def _append(path, line):
    if not path:
        return 0
    content = f"{line}\n".encode()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, content)
    end = os.lseek(handle, 0, os.SEEK_CUR)
    os.close(handle)
    return end // len(content)  # lines of one file are of one length


def _begun(what):
    directory = os.environ.get("STACK_HOLD")
    return _append(directory and Path(directory, f"{what}.begun"), ".")


def _told(what):
    """What the test says of it now; empty where it says nothing."""
    try:
        return Path(os.environ["STACK_HOLD"], what).read_text()
    except (KeyError, FileNotFoundError):
        return ""


def _wait_while_held(what, number):
    """Those beyond the first so many wait for as long as the test says so."""
    while (first := _told(what)) and number > int(first):
        time.sleep(0.01)


def use_light_models():
    """For this process and for good; tests restore it themselves."""
    engine = StubVisionEngine if os.environ.get("STACK_VISION") else StubEngine
    wiring.build_engine = lambda _settings: engine()
    if not os.environ.get("STACK_REAL_EMBEDDER"):
        wiring.build_embedder_for = lambda _settings: HashEmbedder()


def main():
    use_light_models()
    from api import cli

    sys.exit(cli.run())


if __name__ == "__main__":
    main()
