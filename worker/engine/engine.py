"""The `Engine` port: page images to readings. `VisionEngine`: engines that read by way of vision tokens."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from index.types import PageReading, Region, VisionFormat, VisionTokens
from worker.engine.prompts import Prompt
from worker.patience import Patience

if TYPE_CHECKING:
    from PIL.Image import Image


GPU_FAILED = "gpu_failed"
"""Code of the `Unavailable` that an engine raises when its GPU is lost to this process, whatever page comes."""

NO_MEMORY = frozenset({"gpu_memory", "not_enough_memory"})
"""Codes of the `Unavailable` that an engine raises when there is no memory for a page now."""


class Engine(Protocol):
    """Reads pages. Thread-safe: the queue's threads call `read` at the same time, a page each."""

    name: str
    revision: str

    def read(self, images: Sequence[Image]) -> list[PageReading]:
        """One reading for each image, in order. A blank page gives an empty text and trust 1.0.

        The image is upright as far as EXIF and PDF rotation go; content that was scanned
        sideways or upside down is the engine's to turn (`PageReading.rotation`).
        """

    def warm(self) -> None:
        """Load weights now instead of at the first page."""


class Finish(enum.StrEnum):
    """Why decoding ended."""

    END = "end"  # the model said so
    LENGTH = "length"  # the token limit
    LOOP = "loop"  # it kept repeating itself


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a decoder wrote under one prompt.

    `raw` is its text with all tags; `text` the same without grounding tags; `regions` what the tags said, boxes on
    the encoded (upright) page, spans in `text`. `mean_logprob` is the mean of the chosen tokens' log-probabilities
    (natural logarithm), `bans` how often the no-repeat rule forbade the likeliest token. `trust` (0..1) sums these up.
    """

    prompt: Prompt
    raw: str
    text: str
    regions: tuple[Region, ...]
    tokens: int
    finish: Finish
    mean_logprob: float
    bans: int
    trust: float


class VisionEngine(Engine, Protocol):
    """An engine whose pages become vision tokens first: `read` is `encode` followed by `decode`. Thread-safe."""

    dim: int  # numbers in a vision token
    helper: object  # what it leaves single lines and turned pages to; an `Engine` where it reads pages itself

    def look(self, images: Sequence[Image]) -> list[PageReading]:
        """As `read` without its decoding: readings with vision tokens, no text and `decoded=False`. A blank page needs
        no decoding and is read.
        """

    def read_finer(self, image: Image, form: VisionFormat, patience: Patience | None = None) -> PageReading | None:
        """The page read in the next finer mode than that of `form`; None where there is none, or the mode is pinned.
        Raises what `patience` raises, with which the work ends.
        """

    def encode(self, images: Sequence[Image]) -> list[VisionTokens]:
        """Upright images to tokens, in order, each in the mode that fits its page; modes may differ."""

    def decode(
        self,
        tokens: Sequence[VisionTokens],
        prompts: Sequence[Prompt],
        patience: Patience | None = None,
    ) -> list[Decoded]:
        """One text for each pair, in order. `tokens` may mix modes; they may come from a store.

        Raises `Conflict` with code `wrong_tokens` for tokens that another model or revision made (see `decodes`), and
        what `patience` raises, with which the work ends.
        """

    def decodes(self, form: VisionFormat) -> bool:
        """Whether tokens of this format can be decoded by the weights that are loaded."""
