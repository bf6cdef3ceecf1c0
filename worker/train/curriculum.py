"""What is trained when: from small crops with a few large characters to whole cards or pages.

A stage is a number of batches. Within it every page draws its own difficulty between easy and the stage's most, so that
easy pages never disappear. `progress` 0..1 over all stages drives the weights of the dense losses.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from worker.train.fonts import PLAIN
from worker.train.pages import Wanted


@dataclass(frozen=True, slots=True)
class Stage:
    """`share` of all batches; `pages` in a batch; the hardest page that is asked for, and the fewest characters.

    `faces` are the names of the type faces it knows; none: all. Without `reading` only the encoder is trained.
    The encoder learns at `eye` times the rate.
    """

    share: float
    pages: int
    hardest: Wanted
    fewest: int
    easiest_sizes: tuple[int, int]
    faces: tuple[str, ...] = ()
    reading: bool = True
    eye: float = 1.0


@dataclass(frozen=True, slots=True)
class Curriculum:
    """`batches` in all. `dense_until` is the progress up to which the dense losses keep their full weight."""

    stages: tuple[Stage, ...]
    batches: int
    dense_until: float = 0.7
    dense_least: float = 0.1

    def stage(self, batch: int) -> Stage:
        reached = 0.0
        for stage in self.stages:
            reached += stage.share * self.batches
            if batch < reached:
                return stage
        return self.stages[-1]

    def dense(self, batch: int) -> float:
        """Weight of the dense losses at this batch."""
        progress = min(1.0, batch / self.batches)
        if progress <= self.dense_until:
            return 1.0
        left = (1 - progress) / (1 - self.dense_until)
        return self.dense_least + (1 - self.dense_least) * left


def wanted(stage: Stage, rng: random.Random) -> Wanted:
    """One page of a stage."""
    hard = stage.hardest
    level = rng.random() ** 0.7
    low, high = stage.easiest_sizes
    size_low = round(low + (hard.sizes[0] - low) * level)
    size_high = max(size_low, round(high + (hard.sizes[1] - high) * level * 0.6))
    chars = round(stage.fewest + (hard.chars - stage.fewest) * level * rng.uniform(0.6, 1.0))
    return replace(hard, chars=max(1, chars), sizes=(size_low, size_high), wear=hard.wear * rng.random() ** 0.5)


def cards(batches: int) -> Curriculum:
    """For a CPU: cards of 256 pixels with up to 120 characters, in type of 20 to 26 pixels.

    It begins with the encoder alone, clean and full cards and six upright faces: with large letters, 66 faces, wear and
    half-empty crops at once less than half as much was learned (docs/lab.md). Then both learn, since a decoder that
    learned beside a resting encoder was slow to find its letters: tokens must be made for being looked up, too.
    """

    def stage(share: float, pages: int, wear: float, fewest: int, *, reading: bool = True) -> Stage:
        hardest, eye = Wanted(256, 120, (20, 26), 0.35, wear), 0.6 if reading else 1.0
        return Stage(share, pages, hardest, fewest, (20, 26), faces=PLAIN, reading=reading, eye=eye)

    return Curriculum(
        (
            stage(0.12, 12, 0.0, 120, reading=False),
            stage(0.23, 16, 0.1, 100, reading=False),
            stage(0.35, 16, 0.1, 60),
            stage(0.30, 24, 0.1, 40),
        ),
        batches,
        dense_until=0.8,
    )


def pages(batches: int) -> Curriculum:
    """For a GPU: crops, half pages, then pages of 640 to 1024 pixels with up to 900 characters."""
    return Curriculum(
        (
            Stage(0.20, 512, Wanted(256, 200, (13, 22), 0.4, 0.5), 60, (15, 24)),
            Stage(0.30, 256, Wanted(512, 420, (13, 24), 0.4, 0.8, "page"), 60, (18, 28)),
            Stage(0.20, 160, Wanted(640, 600, (13, 20), 0.25, 1.0, "page"), 100, (16, 24)),
            Stage(0.30, 64, Wanted(1024, 900, (15, 24), 0.2, 1.0, "page"), 200, (18, 28)),
        ),
        batches,
    )


def tiny(batches: int) -> Curriculum:
    """For tests."""
    return Curriculum((Stage(1.0, 4, Wanted(128, 16, (22, 30), 0.5, 0.0), 4, (24, 32)),), batches)


CURRICULA = {"card": cards, "page": pages, "tiny": tiny}
