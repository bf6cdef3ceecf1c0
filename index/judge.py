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
class Window:
    """What a judge reads at once: pieces (sentences, rows) that follow one another on a page, as plain words."""

    pieces: Sequence[str]
    opening: str = ""
    """How the page begins, where the window is not its first: whose letter it is, and what the table is of, is said
    there and not again.
    """


class Judge(Protocol):
    """Thread-safe. Loads its model on first use, not on construction."""

    def prepare(self) -> None:
        """Make what takes long to make, in another process, without loading it. Never raises: `ready` tells."""

    def ready(self, *, wait: bool = True) -> bool:
        """Whether it can judge. Loads the model; False, from then on, where that fails (the log says why). Without
        `wait` also False while it is not `prepare`d, which takes long.
        """

    def judge(self, question: str, windows: Sequence[Window]) -> list[np.ndarray]:
        """For each window float32 `(pieces,)`: the log-odds of each piece against "nothing here answers". Long texts
        are cut by the judge's own limits, and of too many long windows the last are left out; a piece of which nothing
        is read gets `UNREAD`, exactly. A window that is read gets the same numbers in any company.
        """


UNREAD = -10.0
