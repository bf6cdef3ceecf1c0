"""Words of pages, numbered once for the process."""

from __future__ import annotations

import random
import threading

from index import lexicon as module
from index.fuzzy import ocr_fold
from index.lexicon import Lexicon, lexicon
from index.matching import Matcher
from index.query import analyse
from index.words import STOPWORDS, fold, stem


def test_a_word_keeps_its_number():
    """Numbers, folds and lengths are the word's; stems and folds lead back to all words that have them."""
    held = Lexicon("english")
    words = ["Repairs", "repaired", "the", "Modern", "modem", "Größe", "repairs"]
    numbers = held.numbers(words)
    assert held.numbers(list(reversed(words))).tolist() == numbers.tolist()[::-1]
    assert len(set(numbers.tolist())) == len(words)
    assert held.folded(words) == [ocr_fold(fold(word)) for word in words]
    assert held.lengths(numbers).tolist() == [
        0 if fold(word) in STOPWORDS else len(ocr_fold(fold(word))) for word in words
    ]
    assert {words[n] for n in held.stemmed(stem("repair"))} == {"Repairs", "repaired", "repairs"}
    assert {words[n] for n in held.alike(ocr_fold("modern"))} == {"Modern", "modem"}
    assert held.stemmed("nowhere") == held.alike("nowhere") == []


def test_many_threads_number_alike():
    """Threads that meet the same new words give them the same numbers, and no number to two words."""
    held = Lexicon("english")
    words = [f"word{n}" for n in range(3000)]
    results: list[dict[str, int]] = []

    def number(seed: int) -> None:
        mine = random.Random(seed).sample(words, len(words))
        results.append(dict(zip(mine, held.numbers(mine).tolist(), strict=True)))

    threads = [threading.Thread(target=number, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(result == results[0] for result in results)
    assert sorted(results[0].values()) == list(range(len(words)))
    assert held.lengths(held.numbers(words)).tolist() == [len(word) for word in words]


def test_a_full_lexicon_is_followed_by_a_new_one(monkeypatch):
    """Memory is bounded; a query that began with the old one goes on with it."""
    monkeypatch.setattr(module, "MAX_WORDS", 20)
    monkeypatch.setattr(module, "_current", {})
    first = lexicon("english")
    matcher = Matcher(analyse("repaired bridge"))
    assert lexicon("english") is first
    assert matcher.summary(" ".join(f"word{n}" for n in range(30)) + " bridges were repaired").terms == {0: 1.0, 1: 1.0}
    assert lexicon("english") is not first
    assert matcher.summary("The Bridge, a repair, a brigde").terms == {0: 1.0, 1: 1.0}
    monkeypatch.setattr(module, "MAX_CHARACTERS", 100)
    second = lexicon("english")
    second.numbers(["x" * 200])
    assert lexicon("english") is not second
    assert lexicon("german") is not lexicon("english")
