"""A block: what becomes one region of the page, before it is written as Markdown."""

from __future__ import annotations

from dataclasses import dataclass, field

from index.types import RegionKind
from worker.layout.rows import Row
from worker.layout.tables import Table


@dataclass(slots=True)
class Block:
    """A paragraph, heading, list item or table.

    `breaks[i]` says whether the line break after `rows[i]` is kept. A table has `table` and no rows.
    `goes_on`: the block continues the one before it (over a column end) in the same paragraph.
    """

    kind: RegionKind
    rows: list[Row] = field(default_factory=list)
    breaks: list[bool] = field(default_factory=list)
    table: Table | None = None
    bullet: bool = False  # the first token is a bullet, and becomes Markdown's "-"
    ordered: bool = False  # the first token is a number that Markdown knows as such ("1.", "2)")
    level: int = 0  # of a heading
    goes_on: bool = False
    centred: bool = False  # in the middle over the text that follows
    beside: bool = False  # a note or a box that was put after the paragraph beside it

    @property
    def text(self) -> str:
        return " ".join(row.text for row in self.rows)

    @property
    def y0(self) -> float:
        if self.table is not None:
            return min(p.y0 for row in self.table.rows for cell in row for p in cell)
        return min(row.y0 for row in self.rows)

    @property
    def y1(self) -> float:
        if self.table is not None:
            return max(p.y1 for row in self.table.rows for cell in row for p in cell)
        return max(row.y1 for row in self.rows)
