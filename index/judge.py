"""The `Judge` port: does this sentence, among its neighbours, answer this question?

An embedder makes a vector of each by itself and can only tell what they are about. A judge reads both together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of a page, as plain words, and what stands before and after it."""

    text: str
    before: str = ""
    after: str = ""


class Judge(Protocol):
    """Thread-safe. Loads its model on first use, not on construction."""

    def prepare(self) -> None:
        """Make what takes long to make, in another process, without loading it. Never raises: `ready` tells."""

    def ready(self) -> bool:
        """Whether it can judge. Loads the model; False, from then on, where that fails (the log says why)."""

    def judge(self, question: str, pieces: Sequence[Said]) -> np.ndarray:
        """float32 `(len(pieces),)`: the log-odds of each piece against "nothing here answers". Long texts are cut by
        the judge's own limits. The same question and piece get the same number in any company.
        """
