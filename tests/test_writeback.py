"""What is written back of a page that a question had decoded: only what is better, and never over something newer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from index.errors import Conflict, NotFound
from index.types import PageState, VisionFormat
from tests.answers_kit import page
from tests.index_kit import NOW, HashEmbedder, reading
from worker.patience import Patience
from worker.writeback import Want, Writeback

FORM = VisionFormat("deepseek-ocr", "1", "base", (0, 0), (10, 10))
FOUND = "What the tokens say."


class OnePage:
    """A `Store` and a reader of one page; `meanwhile` is what the page is by the time that it has been decoded."""

    def __init__(self, trust=0.9, **given):
        self.point = replace(page("What was read.")[1], vision=FORM, decoded=True, updated_at=NOW, trust=0.6, **given)
        self.meanwhile = self.point
        self.trust = trust
        self.written = []
        self.keep = Writeback(
            store=self, catalog=None, blobs=None, reader=self, embedder=HashEmbedder(), clock=lambda: NOW
        )

    def get(self, _keys, **_options):
        return [self.point]

    def reading_of(self, _point, _patience):
        self.point = self.meanwhile
        return reading(FOUND, self.trust)

    def update(self, changes):
        self.written += changes
        return [self.point is not None and self.point.state is PageState.DONE]

    def __call__(self):
        return self.keep(self.point.key, Want.MARKDOWN, Patience())


def test_a_better_reading_is_written():
    """With its passages, and that it was done; only while the page is done."""
    one = OnePage()
    assert one()
    [change] = one.written
    assert (change.reading.text, change.tried, change.only_in) == (FOUND, ("markdown",), PageState.DONE)
    assert change.passages


@pytest.mark.parametrize("trust", [0.6, 0.2])
def test_a_reading_that_is_no_better_is_not(trust):
    """The text stays; that it was tried is noted, so that it is not tried again."""
    one = OnePage(trust)
    assert one()
    [change] = one.written
    assert (change.reading, change.passages, change.tried) == (None, None, ("markdown",))


def test_a_page_that_was_read_anew_meanwhile_stays():
    """What somebody had read again while this was decoded is newer."""
    one = OnePage()
    one.meanwhile = replace(one.point, updated_at=NOW + timedelta(seconds=1))
    assert not one()
    assert one.written == []


@pytest.mark.parametrize(
    ("becomes", "error"),
    [(lambda _point: None, NotFound), (lambda point: replace(point, state=PageState.PENDING), Conflict)],
)
def test_a_page_that_went_meanwhile(becomes, error):
    """Deleted, or put back to be read: said so."""
    one = OnePage()
    key, one.meanwhile = one.point.key, becomes(one.point)
    with pytest.raises(error):
        one.keep(key, Want.MARKDOWN, Patience())


def test_what_was_done_is_not_done_again():
    """Whatever came of it."""
    one = OnePage(tried=("markdown",))
    assert not one()
    assert one.written == []
