"""Search for what stands on several pages of a document, for its numbered parts, and for dates."""

from __future__ import annotations

import pytest
from index_kit import HashEmbedder, fill

from index.dates import date_pattern, dates_named
from index.flat import flat
from index.matching import Matcher
from index.query import Shape, analyse, word_features
from index.store_edge import EdgeStore
from index.types import SearchFilter
from index.words import page_vector

PARTIES = ("Visser", "Oduya", "Pilbeam")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    embedder = HashEmbedder(dim=384)
    store = EdgeStore.open(tmp_path_factory.mktemp("index"), embedder)
    for number, party in enumerate(PARTIES):
        pages = [
            f"This lease of rooms is made with {party}. It is subject to clause 8.1.",
            "The walls are painted white.",
            "8. Deposit\n\n8.1 The tenant has paid a deposit to the agents.",
        ]
        fill(store, embedder, "t", f"doc-{number}", pages)
    fill(
        store, embedder, "t", "dated", ["The pavilion closed on 5 July 1948.", "The pavilion closed on 5 August 1948."]
    )
    fill(store, embedder, "t", "figures", ["The ferry sank on 9.4.1950.", "The ferry sank on 4.9.1950."])
    yield store
    store.close()


def _first(store, query):
    hit = store.search("t", query, SearchFilter(), limit=3)[0]
    return hit.key.document_id, hit.key.page


@pytest.mark.parametrize("number", range(3))
def test_a_numbered_part_is_found_where_it_stands(store, number):
    """The page that has the clause, and not one that refers to it; that of the document which is named."""
    assert _first(store, f"clause 8.1 {PARTIES[number].lower()} lease") == (f"doc-{number}", 3)


@pytest.mark.parametrize(
    "query", ["pavilion 5.8.1948", "Which pavilion closed on 5/8/1948?", "pavilion August 5th, 1948"]
)
def test_a_date_is_found_however_it_is_written(store, query):
    """Figures, names of months and their order do not matter."""
    assert _first(store, query) == ("dated", 2)


def test_the_day_is_told_from_the_month(store):
    """4.9. and 9.4. have the same figures; the one that is meant comes first."""
    assert _first(store, "ferry September 4th, 1950") == ("figures", 2)
    assert _first(store, "ferry April 9th, 1950") == ("figures", 1)


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("on 5/7/1948", (1948, 7, 5)),
        ("7/25/1948", (1948, 7, 25)),
        ("July 5th, 1948", (1948, 7, 5)),
        ("den 5. Juli 1948", (1948, 7, 5)),
        ("le 1er février 1900", (1900, 2, 1)),
        ("1948-07-05", (1948, 7, 5)),
        ("3.000.1948", None),
        ("40/13/1948", None),
        ("July 1948", None),
    ],
)
def test_dates_are_read_in_all_forms(text, date):
    """A whole date is a day, a month and a year; what is read is also found where it is written so."""
    found = dates_named(flat(text))
    assert [(d.year, d.month, d.day) for d in found] == ([date] if date else [])
    assert all(date_pattern(d.year, d.month, d.day).search(flat(text)) for d in found)


@pytest.mark.parametrize("word", ["5th", "1920s", "10am", "12kg", "1er"])
def test_ordinals_and_measures_are_no_identifiers(word):
    """Letters behind a figure do not make it the name of one thing; `12b` and `B12` may be one."""
    assert not any(term.strong for term in analyse(f"ferry {word}").terms)
    assert any(term.strong for term in analyse("ferry B12").terms)


@pytest.mark.parametrize(
    ("query", "mark"),
    [
        ("MS 45", "ms45"),
        ("ms 45", "ms45"),
        ("For how much was MS. 45a insured?", "ms45a"),
        ("NW 7731", "nw7731"),
        ("BGE L 221", "bgel221"),
        ("jgr 2009 0388", "jgr20090388"),
        ("bp 2017 00977", "bp201700977"),
        ("fire 1909 1910", None),
        ("room 204 1986", None),
        ("may 2009 012", None),
        ("NHS 1948", None),
        ("EUR 250", None),
        ("may 12", None),
        ("men 40 years old", None),
    ],
)
def test_letters_and_figures_that_stand_apart_are_one_identifier(query, mark):
    """A shelf mark with a space in it is looked for whole; years, sums and dates are none."""
    whole = [term.form for term in analyse(query).terms if term.identifier and term.strong]
    assert whole == ([mark] if mark else [])


def test_a_question_with_a_date_is_a_question():
    """A date in a question does not make it a look-up of these figures."""
    assert analyse("What happened to the pavilion on 5/7/1948?").shape is Shape.QUESTION
    assert analyse("5/7/1948").shape is Shape.LOOKUP


@pytest.mark.parametrize(
    ("query", "text", "marked"),
    [
        ("27 Bernard Street", "Owners: 27 Bernard St., Leith", ["27", "Bernard", "St"]),
        ("Doctor Muir", "Present: Dr. Muir and Mr. Tait", ["Dr", "Muir"]),
        ("Dr. Muir", "Doctor Muir was present", ["Doctor", "Muir"]),
        ("Thos. Cowan & Co.", "Thomas Cowan and Company", ["Thomas", "Cowan", "Company"]),
        ("number of goats", "there were no goats", ["goats"]),
        ("who was baptised", "Baptized on Lady Day", ["Baptized"]),
        ("organization of labor", "the organisation of labour", ["organisation", "labour"]),
        ("harbor theaters", "The Harbour Theatres", ["Harbour", "Theatres"]),
        ("jail", "the county gaol", ["gaol"]),
    ],
)
def test_words_are_found_in_full_and_short(query, text, marked):
    """Who writes "Street" finds "St.", in either spelling of English; of what is none ("no") nothing is made."""
    found = Matcher(analyse(query)).find(text)
    assert [text[m.start : m.end] for m in found.matches] == marked
    assert all(m.quality == 1.0 for m in found.matches)
    assert set(word_features(analyse(query))[0]) & set(page_vector(text)[0])


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("the register", "a registration of births"),
        ("who authorised it", "its author"),
        ("the goals scored", "the pots were scoured"),
        ("Gray", "Mr. Grey"),
        ("sale of timber", "the timbre of the bell"),
    ],
)
def test_another_word_is_no_other_spelling(query, text):
    """Also where only the stem of what would be written ("authorized") is that of another word."""
    assert all(m.quality < 1.0 for m in Matcher(analyse(query)).find(text).matches)
