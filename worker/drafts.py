"""Drafts: what another engine reads of a page that is left undecoded, so that search finds it.

Vision tokens cannot be searched. A quick reading on the processor can, while the accelerator encodes; what it misreads
is mended when a question needs the page and has it decoded.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from index.types import PageReading
from worker import metrics
from worker.engine.engine import Engine

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger("folioscope.reading")


class Drafts:
    """Reads drafts with `engine`, at most `at_once` at a time (unless told, as many as there are cores): a vision
    engine has far more pages in hand, and each takes memory. Thread-safe.
    """

    def __init__(self, engine: Engine, at_once: int | None = None) -> None:
        self._engine = engine
        self._places = threading.BoundedSemaphore(at_once or len(os.sched_getaffinity(0)))

    def add(self, encoded: PageReading, image: Image) -> PageReading:
        """The encoded page with a draft of `image`, the page as it was rendered. Where there is nothing to read, or
        reading it failed, it stays without text: a draft is never the reason that a page fails.
        """
        try:
            with self._places, metrics.step("draft"):
                draft = self._engine.read([image])[0]
        except Exception as error:
            log.warning("a page stays without a draft: %s", error)
            return encoded
        if not draft.text.strip():
            return encoded
        drafted = replace(encoded, text=draft.text, trust=draft.trust, reader=draft.reader)
        if draft.rotation != encoded.rotation:
            return drafted  # the two disagree on which way up it stands: the places of words would be wrong
        return replace(drafted, regions=draft.regions, words=draft.words)
