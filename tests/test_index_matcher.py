"""What a matcher keeps between the steps of one question."""

from __future__ import annotations

import threading

from index import lexicon as lexicons
from index import matching
from index.matching import Matcher, matcher_of
from index.payload import PackedWords, encode_words
from index.query import analyse
from index.types import Box, Word
from index.words import WordsConfig

PAGES = [f"The harbour crane number {n} was painted green, and the ferry INV-2024-0{n:03d} sold." for n in range(200)]
QUERIES = ["harbour crane", "ferry INV-2024-0117", '"painted green"', "harbuor crane sold"]


def test_one_thread_goes_on_with_its_matcher():
    """For the same query, however it was taken apart; another query and another thread have their own."""
    first = matcher_of(analyse("harbour crane"))
    assert matcher_of(analyse("harbour crane")) is first
    other = []
    thread = threading.Thread(target=lambda: other.append(matcher_of(analyse("harbour crane"))))
    thread.start()
    thread.join()
    assert other[0] is not first
    german = matcher_of(analyse("harbour crane"), WordsConfig(language="german"))
    assert german.config.language == "german"
    assert matcher_of(analyse("harbour ferry")) is not first
    assert matcher_of(analyse("harbour crane")) is not first, "only the last one is kept"


def test_a_query_that_comes_again_and_again_keeps_no_full_lexicon(monkeypatch):
    """Its matcher goes with the lexicon that it was made with, so that neither grows for ever."""
    monkeypatch.setattr(lexicons, "_current", {})
    first = matcher_of(analyse("harbour crane"))
    assert matcher_of(analyse("harbour crane")) is first
    monkeypatch.setattr(lexicons, "MAX_WORDS", 5)
    first.summaries(PAGES[:2])
    second = matcher_of(analyse("harbour crane"))
    assert second is not first
    assert second.summaries(PAGES[:2]) == first.summaries(PAGES[:2])


def test_what_is_kept_is_what_is_found_anew():
    """Summaries and places are those of a fresh matcher, in any order and asked for twice."""
    for query in QUERIES:
        plan = analyse(query)
        kept = Matcher(plan)
        for texts in (PAGES[:30], PAGES[20:60], PAGES[::-1], [PAGES[3], PAGES[3]]):
            assert kept.summaries(texts) == [Matcher(plan).summary(text) for text in texts]
        for text in (*PAGES[100:120], *PAGES[110:130]):
            assert kept.find(text) == Matcher(plan).find(text)


def test_little_is_kept():
    """As many pages as a search ranks, and none that is very long."""
    kept = Matcher(analyse("harbour crane"))
    kept.summaries(PAGES)
    assert len(kept._summaries) <= matching._REMEMBERED, "also of what is asked for all at once"
    for text in PAGES:
        kept.summary(text)
        kept.find(text)
    assert 0 < len(kept._summaries) <= matching._REMEMBERED
    assert 0 < len(kept._found) <= matching._REMEMBERED
    long = "harbour " * matching._REMEMBERED_CHARACTERS
    assert kept.summary(long).terms == {0: 1.0}
    assert kept.find(long).matches
    assert long not in kept._summaries | kept._found


def test_words_are_unpacked_when_somebody_looks():
    """And are then a sequence like any other."""
    words = tuple(Word(n * 5, n * 5 + 4, Box(0.25, 0.25, 0.5, 0.5)) for n in range(3))
    packed = PackedWords(encode_words(words))
    assert packed._words is None
    assert packed == PackedWords(encode_words(words))
    assert packed._words is None, "what is stored alike need not be looked into"
    assert (len(packed), packed[1].start, [one.end for one in packed]) == (3, 5, [4, 9, 14])
    assert packed[:2] == packed._words[:2]
    assert packed == packed._words == tuple(packed)
    assert packed != words[:2]
    assert hash(packed) == hash(tuple(packed))
    assert not PackedWords("")
    assert list(PackedWords("")) == []
