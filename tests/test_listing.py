"""Listings of documents: what they are about is looked for once, and never out of date."""

from __future__ import annotations

import weakref

import pytest

from index.errors import InvalidRequest
from tests.kit import TENANT, Archive, pdf
from worker import listing
from worker.listing import Choices


@pytest.fixture
def archive(tmp_path):
    made = Archive(tmp_path)
    for name in ("letters/may.pdf", "letters/june.pdf", "letters/1911/july.pdf", "bills/may.pdf"):
        made.upload(pdf(f"one of {name}"), name)
    yield made
    made.close()


@pytest.fixture
def looks(monkeypatch):
    """How often the entries of the archive were gone through."""
    seen, real = [], listing.chosen
    monkeypatch.setattr(listing, "chosen", lambda entries, **which: seen.append(which) or real(entries, **which))
    return seen


def listed(archive, order=listing.Order.NEWEST, **which):
    """All names, step by step, with the totals of the steps."""
    names, totals, cursor = [], set(), None
    while not totals or cursor is not None:
        views, cursor = archive.library.documents(TENANT, limit=1, cursor=cursor, order=order, **which)
        names += [view.manifest.filename for view in views]
        totals.add(archive.library.count_documents(TENANT, **which))
    return sorted(names), totals


def test_all_steps_of_a_listing_look_through_the_archive_once(archive, looks):
    """And so does their total; a listing of everything need not look at all."""
    assert listed(archive, folder="letters") == (["july.pdf", "june.pdf", "may.pdf"], {3})
    assert len(looks) == 1
    assert listed(archive, folder="letters", order=listing.Order.NAME) == (["july.pdf", "june.pdf", "may.pdf"], {3})
    assert len(looks) == 1
    assert listed(archive) == (["july.pdf", "june.pdf", "may.pdf", "may.pdf"], {4})
    assert len(looks) == 1
    assert listed(archive, uploaded_only=True, name="may") == (["may.pdf", "may.pdf"], {2})
    assert len(looks) == 2


@pytest.mark.parametrize("given", listing.Order)
@pytest.mark.parametrize("order", listing.Order)
def test_a_cursor_goes_on_in_its_own_order(archive, order, given):
    """Under another one its place means something else: a listing from anywhere would look like one from there."""
    _, cursor = archive.library.documents(TENANT, limit=1, order=given)
    if given is order:
        assert len(archive.library.documents(TENANT, cursor=cursor, order=order)[0]) == 3
    else:
        with pytest.raises(InvalidRequest, match="order"):
            archive.library.documents(TENANT, cursor=cursor, order=order)


def test_what_was_chosen_before_a_change_counts_no_more(archive, looks):
    """A document that came or went since is in the next step already."""
    which = {"folder": "letters", "uploaded_only": True}
    assert listed(archive, **which)[1] == {3}
    new = archive.upload(pdf("another"), "letters/august.pdf")
    assert listed(archive, **which) == (["august.pdf", "july.pdf", "june.pdf", "may.pdf"], {4})
    archive.library.delete(TENANT, new)
    assert listed(archive, **which) == (["july.pdf", "june.pdf", "may.pdf"], {3})
    archive.upload(pdf("one of bills/may.pdf"), "letters/bill.pdf")
    assert listed(archive, **which) == (["july.pdf", "june.pdf", "may.pdf", "may.pdf"], {4})
    assert len(looks) == 4


def test_nothing_is_kept_of_what_a_tenant_had_before_a_change():
    """The entry of a document that was deleted since has its password. What others chose stays."""
    choices, before, theirs = Choices(), [Choices()], []
    deleted = weakref.ref(before[0])
    kept = choices.of("two", theirs, "letters", list)
    for which in ("letters", "bills"):
        choices.of("one", before, which, list)
    del before
    assert deleted() is not None
    choices.of("one", [], "letters", list)
    assert deleted() is None
    assert choices.of("two", theirs, "letters", list) is kept


def test_few_choices_are_kept():
    """Those that were asked for last; equal entries that are not the same are others."""
    choices, asked, entries = Choices(), [], []

    def choose(_entries):
        asked.append(len(asked))
        return ()

    for which in range(8):
        choices.of("one", entries, which, choose)
    choices.of("one", entries, 0, choose)
    assert len(asked) == 8
    choices.of("one", entries, 8, choose)  # 1 is the oldest now
    choices.of("one", entries, 0, choose)
    assert len(asked) == 9
    choices.of("one", entries, 1, choose)
    assert len(asked) == 10
    choices.of("one", [], 1, choose)
    assert len(asked) == 11
