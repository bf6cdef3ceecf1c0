"""What stands beside each other at the head and the foot of a letter: a date beside an address, two who sign.

Knows what stands along a gutter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from worker.layout.gutters import Gutter
from worker.layout.kinds import is_label, is_numeric
from worker.layout.pieces import Piece

APART = 1.62  # type sizes between lines that are not of one paragraph
_SIGNED, _ROOM = 4.0, 1.8  # type sizes between two who sign, and above them
_OFFICE = 2.2  # type sizes from a name to the office under it, a line to sign on between them


class Side(Protocol):
    """The pieces along one side of a gutter, and the median distance of their lines in type sizes."""

    @property
    def pieces(self) -> Sequence[Piece]: ...
    @property
    def pitch(self) -> float: ...
    @property
    def lines(self) -> int: ...


class Band(Protocol):
    """What stands along a gutter: the page's pieces, those along it, its two sides, its width and the size of type."""

    @property
    def gutter(self) -> Gutter: ...
    @property
    def pieces(self) -> Sequence[Piece]: ...
    @property
    def within(self) -> Sequence[Piece]: ...
    @property
    def left(self) -> Side: ...
    @property
    def sides(self) -> tuple[Side, Side]: ...
    @property
    def width(self) -> float: ...
    @property
    def size(self) -> float: ...


def is_address_beside(band: Band) -> bool:
    """Two lines far to the right of the first two of an address: a date and a reference, and no row of a table."""
    gutter, size = band.gutter, band.size
    if gutter.paired != 2 or any(side.lines != 2 for side in band.sides) or band.width < 8 * size:
        return False
    texts = [p.text for side in band.sides for p in side.pieces]
    if max(side.pitch for side in band.sides) > APART or any(is_label(text) or len(text) < 5 for text in texts):
        return False
    if any(sum(is_numeric(p.text) for p in side.pieces) > 0.5 * side.lines for side in band.sides):
        return False
    last = band.left.pieces[-1]
    return any(
        0 < p.yc - last.yc < APART * size and abs(p.x0 - last.x0) < size and p.x1 < gutter.x0 + size
        for p in band.pieces[gutter.last + 1 : gutter.last + 3]
    )


def are_signed(band: Band) -> bool:
    """Two names over what they are, far from each other and with room to sign between them and the text above. A third
    beside them would be left with nothing above to tell.
    """
    gutter, size = band.gutter, band.size
    pieces = [p for side in band.sides for p in side.pieces]
    if gutter.paired != 2 or not len(pieces) == len(band.within) == 4 or band.width < _SIGNED * size:
        return False
    if any(not p.text[:1].isupper() or p.text.endswith((":", ",")) or any(map(str.isdigit, p.text)) for p in pieces):
        return False
    if max(side.pitch for side in band.sides) > _OFFICE or any(len(side.pieces[0].tokens) < 2 for side in band.sides):
        return False
    above, below = band.pieces[gutter.first - 1], band.pieces[gutter.last + 1 : gutter.last + 2]
    room = min(p.y0 for p in pieces) - above.y1 > _ROOM * size and len(above.tokens) > 2
    return gutter.first > 0 and room and all(p.y0 - pieces[-1].y1 > size for p in below)
