"""Words as features, queries as plans, and matches in a text."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.flat import flat
from index.fuzzy import half_keys, identifier_fold, is_near, ocr_fold, wanted_keys
from index.matching import Matcher
from index.query import MAX_TERMS, Shape, analyse, fuzzy_features, word_features
from index.words import page_vector, tokens, unbroken
from tests.index_kit import processor_s


def _forms(text):
    return [t.form for t in tokens(text)]


def test_a_word_that_tells_is_none_that_says_nothing_in_another_language():
    """German's "für" without its accent, and "war", are what English archives are about."""
    assert [term.form for term in analyse("the war memorial").terms] == ["war", "memorial"]
    assert [term.form for term in analyse("the fur trade").terms] == ["fur", "trade"]


def test_tokens_fold_case_and_accents():
    """Case, accents, ligatures and curly apostrophes do not matter; spans are exact."""
    text = "Ærø Müller's ﬁlm CAFÉ"
    assert _forms(text) == ["aero", "muller's", "film", "cafe"]
    assert [text[t.start : t.end] for t in tokens(text)] == text.split()


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("INV-2024-0117", "inv20240117"),
        ("4711/23", "471123"),
        ("§ 12", "§12"),
        ("DE89 3704 0044 0532 0130 00", "de89370400440532013000"),
        ("B/1974/047", "b1974047"),
        ("CM.1967.3", "cm19673"),
    ],
)
def test_identifiers_are_tokens_of_their_own(text, whole):
    """Identifiers come whole, without their separators, and marked."""
    token = next(tokens(text))
    assert (token.form, token.identifier, token.end) == (whole, True, len(text))


def test_compounds_are_their_parts():
    """Joined words without digits are words, not identifiers."""
    assert _forms("well-known and/or e-mail") == ["well", "known", "and", "or", "e", "mail"]


def test_scripts_without_spaces_become_pairs():
    """Runs of such characters are split in overlapping pairs, apart from other scripts."""
    assert _forms("東京都 and 第3章") == ["東京", "京都", "and", "第", "3", "章"]


def test_words_broken_at_a_line_end_are_whole_too():
    """`infor-` and `mation` on two lines are also `information`."""
    assert list(unbroken("the infor-\n  mation of 12-\n34")) == ["information"]


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_has_a_vector(text):
    """Whatever the text: places rise strictly, weights are finite and positive."""
    places, weights = page_vector(text)
    assert np.all(np.diff(places.astype(np.int64)) > 0)
    assert np.all(np.isfinite(weights)) and np.all(weights > 0)


def test_halves_find_every_single_error():
    """Each substitution, loss or insertion of one letter leaves a half that the query asks for."""
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    letters = "abdefghkmopqtuwxyz"  # none of those that merge with a neighbour, as r and n do
    for _ in range(400):
        word = "".join(chance.choice(letters) for _ in range(chance.randint(6, 14)))
        at = chance.randrange(len(word))
        for spoilt in (
            word[:at] + chance.choice(letters) + word[at + 1 :],
            word[:at] + word[at + 1 :],
            word[:at] + chance.choice(letters) + word[at:],
        ):
            assert set(half_keys(spoilt)) & set(wanted_keys(word)), (word, spoilt)


def test_look_alikes_fold_together():
    """What a reader confuses has one key; what it does not keeps its own."""
    assert ocr_fold("modern") == ocr_fold("rnodern") == ocr_fold("m0dern")
    assert ocr_fold("illness") == ocr_fold("1llness") == ocr_fold("lllness")
    assert identifier_fold("inv2o24o1l7") == identifier_fold("inv20240117")
    assert identifier_fold("inv20240117") != identifier_fold("inv20240118")
    assert not is_near(ocr_fold("form"), ocr_fold("from"))


@pytest.mark.parametrize(
    ("query", "shape"),
    [
        ("Who signed the lease?", Shape.QUESTION),
        ("what did the bridge cost", Shape.QUESTION),
        ("Wann wurde die Brücke gebaut?", Shape.QUESTION),
        ("harbour dues", Shape.KEYWORDS),
        ("annual report 1923", Shape.KEYWORDS),
        ("INV-2024-0117", Shape.LOOKUP),
        ("what about invoice 4711/23?", Shape.LOOKUP),
        ('minutes "act of grace"', Shape.LOOKUP),
    ],
)
def test_shapes(query, shape):
    """Questions, keywords and look-ups are told apart."""
    assert analyse(query).shape is shape


@pytest.mark.parametrize("text", ["a" * 40_000, "é" * 40_000 + "-", "東" * 40_000, "ab-" * 13_000 + "\n"])
def test_a_page_without_spaces_costs_no_more(text):
    """Letters without end, as of a damaged text layer: the time grows with their number and not with its square."""
    with processor_s(5):
        assert len(page_vector(text)[0])
    assert list(unbroken(f"{text}. infor-\nmation"))[-1] == "information"


def test_stop_words_count_only_alone():
    """`the` is no term beside others, and the only one where there is nothing else."""
    assert [t.form for t in analyse("the harbour of the town").terms] == ["harbour", "town"]
    assert [t.form for t in analyse("the").terms] == ["the"]


@pytest.mark.parametrize("query", ["", "   ", "😀🎉", '"' * 5000, "?!…", '""', "«»", "\x00\ufffd", "-" * 2000])
def test_queries_with_nothing_in_them(query):
    """No letters and digits: empty, and no error."""
    plan = analyse(query)
    assert plan.empty
    assert len(word_features(plan)[0]) == len(fuzzy_features(plan)[0]) == 0


def test_long_queries_are_bounded():
    """A pasted page costs no more than a long question."""
    plan = analyse(" ".join(f"word{n}x" for n in range(5000)))
    assert len(plan.terms) <= MAX_TERMS
    assert len(word_features(plan)[0]) < 4 * MAX_TERMS


def _found(query, text):
    return [(text[m.start : m.end], round(m.quality, 2)) for m in Matcher(analyse(query)).find(text).matches]


def test_matches_are_stems_in_the_text():
    """Inflected forms match with full quality, at their exact places."""
    assert _found("inspect boilers", "The Boiler was inspected.") == [("Boiler", 1.0), ("inspected", 1.0)]


def test_misread_words_match_less():
    """Look-alikes nearly count in full, changed letters less, and only where the word itself is not there."""
    assert _found("manager", "the rnanager") == [("rnanager", 0.9)]
    assert _found("treasurer", "the treasvrer") == [("treasvrer", 0.7)]
    assert _found("treasurer", "treasurer and treasvrer") == [("treasurer", 1.0)]
    assert _found("form", "from") == []


def test_identifiers_match_whatever_the_separators():
    """The same characters match; look-alikes nearly; one other digit hardly."""
    assert _found("INV-2024-0117", "INV 2024/0117, INV-2024-0118")[0] == ("INV 2024/0117", 1.0)
    assert ("lNV-2O24-0117", 0.9) in _found("INV-2024-0117", "No. lNV-2O24-0117")
    assert ("INV-2024-0118", 0.4) in _found("INV-2024-0117", "INV-2024-0118")
    assert ("INV-2024-01175", 1.0) not in _found("INV-2024-0117", "INV-2024-01175")


def test_empty_cells_of_a_table_are_no_identifier():
    """A bar may be a misread 1 where it touches other characters; the bars between cells are none, however many."""
    assert ("INV-2024-0|17", 0.9) in _found("INV-2024-0117", "No. INV-2024-0|17")
    assert _found("1911", "in |9|1 and 19|1 too") == [("|9|1", 0.9), ("19|1", 0.9)]
    for row in ("| | | | |", "| 9 | | 1 | 1 |", "||||||||", "| ||| |"):
        assert _found("1911", row) == _found("1111", f"é {row}") == []
    with processor_s(5):
        for row in ("é " + "| " * 200, "é " + "|" * 200, "é " + "1|" * 100, "é " + "| |" * 100):
            assert _found("1" * 30 + "x", row) == []


@pytest.mark.parametrize(
    ("text", "quality"),
    [
        ("as an Act of\n  Grace, without", 1.0),
        ("as an act-\n of grace", 1.0),
        ("an act 0f grace", 0.9),
        ("an act of qrace", 0.7),
        ("grace of an act", 0.0),
        ("act of kindness and grace", 0.0),
    ],
)
def test_phrases(text, quality):
    """White space, case and line ends do not matter; a misread letter counts less; another order is no match."""
    assert Matcher(analyse('"act of grace"')).find(text).phrases == (quality,)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ('"Lange Straße"', "an der Langen und der Lange Straße ist"),
        ('"lange strasse"', "die Lange Straße"),
        ('"Lange Straße"', "DIE LANGE STRASSE"),
        ('"das Maß"', "das Maß ist voll"),
        ('"lange Wasserstraße"', "die lange Wasser-\nstraße hinab"),
        ('"ο λόγος του"', "ότι ο λόγος του ήταν"),
        ('"les oeuvres du coeur"', "les Œuvres du cœur"),
        ('"les œuvres du cœur"', "les oeuvres du coeur"),
        ('"les œuvres"', "les œu-\nvres complètes"),
        ('"Smorrebrod fra Kobenhavn"', "Smørrebrød fra København"),
        ('"Lodz i Gdansk"', "Łódź i Gdańsk"),
    ],
)
def test_quoted_words_of_other_alphabets_stand_literally(query, text):
    """German ß is ss, and a Greek sigma is one at a word's end as inside."""
    found = Matcher(analyse(query)).find(text)
    assert found.phrases == (1.0,)
    assert [text[m.start : m.end] for m in found.matches if m.term == -1] != []


def test_a_summary_agrees_with_the_matches():
    """Ranking sees the same terms and phrases as the snippets show."""
    text = "The rnanager of the harbour signed INV-2024-0117 as an act of grace. 東京都の港。"
    matcher = Matcher(analyse('manager harbour INV-2024-0117 "act of grace" 東京 unknown'))
    found, summary = matcher.find(text), matcher.summary(text)
    best = {}
    for match in found.matches:
        if match.term >= 0:
            best[match.term] = max(best.get(match.term, 0), match.quality)
    assert summary.terms == best
    assert summary.phrases == found.phrases


@settings(deadline=None)
@given(st.text(max_size=200))
def test_flat_text_keeps_its_length(text):
    """Folding for patterns never shifts an offset."""
    assert len(flat(text)) == len(text)


@settings(deadline=None)
@given(st.text(max_size=80), st.text(max_size=200))
def test_matching_never_fails(query, text):
    """Any query on any text: spans inside the text, qualities in 0..1."""
    for match in Matcher(analyse(query)).find(text).matches:
        assert 0 <= match.start < match.end <= len(text)
        assert 0 < match.quality <= 1


@pytest.mark.parametrize(
    ("query", "text", "found"),
    [
        ("D'Arcy", "Received of Mr. D'Arcy the sum", "D'Arcy"),
        ("d'arcy", "Received of Mr. D’Arcy the sum", "D’Arcy"),
        ("O’Rourke", "Mr. J. P. O'Rourke said", "O'Rourke"),
        ("O'Rourke's", "of O'Rourke, it", "O'Rourke"),
        ("didn't", "I didn't see", "didn't"),
        ("l'acte", "Madame, l'acte de vente", "l'acte"),
        ("rock'n'roll", "some rock'n'roll here", "rock'n'roll"),
    ],
)
def test_words_with_an_apostrophe_are_found_as_they_are(query, text, found):
    """Straight or curly, in names and in shortened words, exactly, and only as whole words."""
    matcher = Matcher(analyse(query))
    matches = matcher.find(text).matches
    assert [(text[m.start : m.end], m.quality) for m in matches if m.quality == 1.0] == [(found, 1.0)]
    assert set(matcher.summary(text).terms.values()) == {1.0}
    longer = text.replace(found, f"{found}son")
    assert not [m for m in Matcher(analyse(query)).find(longer).matches if m.quality == 1.0]
