"""What every store does with vision tokens: a part of `store_contract.StoreContract`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from index_kit import NOW, commit, fill, labels, reading, same_bits, tokens_of

from index.errors import InvalidRequest, TooLarge
from index.store import PageUpdate, PassageVectors
from index.types import Note, PageKey, PageState, ReadingMark, SearchFilter, VisionTokens

ALL = SearchFilter()


class VisionContract:
    """Vision tokens are stored beside a page, and pages without text are told apart."""

    def test_vision_tokens_come_back_bit_for_bit(self, store, embedder):
        """Subnormal numbers, minus zero and the largest ones included; only where they are asked for."""
        plain, tiled, without = (PageKey("t", "d", n) for n in (1, 2, 3))
        store.add_pending([plain, tiled, without], labels(), NOW)
        base, gundam = tokens_of(256), tokens_of(256, 600, seed=1)
        store.update(
            [
                commit(embedder, plain, "The first page.", vision=base),
                commit(embedder, tiled, "The second page.", vision=gundam, marks=(ReadingMark.LOOP,)),
                commit(embedder, without, "The third page."),
            ]
        )
        first, second, third = store.get([plain, tiled, without], with_vision=True)
        assert same_bits(first.vision_tokens, base)
        assert same_bits(second.vision_tokens, gundam)
        assert (third.vision, third.vision_tokens) == (None, None)
        assert [point.marks for point in (first, second, third)] == [(), (ReadingMark.LOOP,), ()]
        light = store.get([plain, tiled, without])
        assert [point.vision for point in light] == [base.format, gundam.format, None]
        assert [point.vision_tokens for point in light] == [None] * 3
        assert {point.vision for point in store.scan("t")} == {base.format, gundam.format, None}
        assert store.get([PageKey("other", "d", 1)], with_vision=True) == [None]
        assert [h.key for h in store.search("t", "second page", ALL, limit=1)] == [tiled]

    def test_vision_tokens_stay_until_a_page_is_read_again(self, store, embedder):
        """Attempts, failures, labels and new passages leave them; another reading, reading anew and deletion do not."""
        key, other = PageKey("t", "d", 1), PageKey("t", "e", 1)
        tokens = tokens_of(100, 200)
        store.add_pending([key], labels(), NOW)
        store.add_pending([other], labels(), NOW)
        store.update([commit(embedder, one, "Some text.", vision=tokens) for one in (key, other)])
        for change in (
            PageUpdate(key, NOW, attempts=2, error_code="render_crash"),
            PageUpdate(key, NOW, state=PageState.FAILED, error_code="damaged"),
            PageUpdate(key, NOW, state=PageState.DONE, labels=labels("moved.pdf")),
            PageUpdate(key, NOW, passages=PassageVectors(((0, 4),), embedder.embed(["some"]))),
        ):
            assert store.update([change]) == [True]
            assert same_bits(store.get([key], with_vision=True)[0].vision_tokens, tokens), change
        store.update([commit(embedder, key, "Read by another engine.")])
        point = store.get([key], with_vision=True)[0]
        assert (point.text, point.vision, point.vision_tokens) == ("Read by another engine.", None, None)
        store.update([commit(embedder, key, "Again.", vision=tokens, marks=(ReadingMark.CUT_OFF,))])
        store.update([PageUpdate(key, NOW, state=PageState.PENDING, attempts=0)])
        point = store.get([key], with_vision=True)[0]
        assert (point.marks, point.vision, point.vision_tokens) == ((), None, None)
        assert store.delete("t", "e") == 1
        assert store.get([other], with_vision=True) == [None]
        assert store.update([commit(embedder, other, "Late.", vision=tokens)]) == [False]

    @pytest.mark.parametrize(
        ("rows", "error", "code"),
        [
            (np.zeros((820, 1280), np.float16), TooLarge, "tokens_too_large"),
            (np.zeros((16, 1280), np.float32), InvalidRequest, "bad_tokens"),
            (np.zeros((0, 1280), np.float16), InvalidRequest, "bad_tokens"),
            (np.full((16, 1280), np.inf, np.float16), InvalidRequest, "bad_tokens"),
        ],
    )
    def test_vision_tokens_that_qdrant_would_refuse(self, store, embedder, rows, error, code):
        """A multivector of 1,048,576 numbers or more, and what is no float16 array, are refused; the page stays."""
        key = PageKey("t", "d", 1)
        fill(store, embedder, "t", "d", ["As it was."])
        whole = tokens_of(819)
        assert store.update([commit(embedder, key, "The most there can be.", vision=whole)]) == [True]
        for tokens in (VisionTokens(whole.format, rows), VisionTokens(whole.format, whole.array, rows)):
            with pytest.raises(error) as refused:
                store.update([commit(embedder, key, "Too much.", vision=tokens)])
            assert refused.value.code == code
        point = store.get([key], with_vision=True)[0]
        assert point.text == "The most there can be."
        assert same_bits(point.vision_tokens, whole)

    def test_undecoded_pages_are_counted_and_found(self, store, embedder):
        """By tenant and filter; a text takes the mark away and leaves notes, being asked to read anew drops all."""
        keys = [PageKey("t", "d", number) for number in (1, 2, 3)]
        store.add_pending(keys, labels(), NOW)

        def lazily(key):
            encoded = replace(reading(""), vision=tokens_of(key.page), decoded=False, trust=0.0)
            return PageUpdate(key, NOW, state=PageState.DONE, reading=encoded)

        store.update([lazily(keys[0]), lazily(keys[1])])
        assert (store.count("t").done, store.count("t").undecoded, store.count("other").undecoded) == (2, 2, 0)
        assert store.count("t", where=SearchFilter(document_ids=("other",))).undecoded == 0
        assert {one.key.page for one in store.scan("t", undecoded=True)} == {1, 2}
        assert not list(store.scan("t", where=SearchFilter(media_types=("image/png",)), undecoded=True))
        note = Note("figure", "forty tons", 0.5)
        assert store.update([PageUpdate(keys[0], NOW, tried=("figure",), notes=(note,))]) == [True]
        assert store.get([keys[0]])[0].decoded is False
        change = commit(embedder, keys[0], "A text of the keeper.")
        read = replace(change.reading, vision=tokens_of(1))
        store.update([replace(change, reading=read, tried=("figure", "markdown"), only_in=PageState.DONE)])
        found = store.get([keys[0]], with_vision=True)[0]
        assert (found.decoded, found.notes, found.tried) == (True, (note,), ("figure", "markdown"))
        assert same_bits(found.vision_tokens, tokens_of(1))
        assert store.count("t").undecoded == 1
        assert [hit.key for hit in store.search("t", "the keeper", ALL, limit=5)] == [keys[0]]
        store.update([PageUpdate(key, NOW, state=PageState.PENDING, attempts=0) for key in keys[:2]])
        anew = store.get([keys[0]])[0]
        assert (anew.notes, anew.tried, store.count("t").undecoded) == ((), (), 0)
