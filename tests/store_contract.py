"""What every `Store` promises, as tests. An implementation's test module subclasses this and makes stores."""

from __future__ import annotations

import threading
from datetime import timedelta

import numpy as np
from index_kit import NOW, commit, fill, labels, reading
from store_contract_vision import VisionContract

from index.errors import StoreUnavailable
from index.store import PageCounts, PageUpdate, PassageVectors
from index.types import PageKey, PageState, SearchFilter

ALL = SearchFilter()


class StoreContract(VisionContract):
    """`store` is an open, empty store with room for vision tokens of 1280, `embedder` the one it was opened with."""

    def test_pending_pages_are_inserted_once(self, store, embedder):
        """add_pending inserts; a page that is there keeps its state and content."""
        key = PageKey("t", "d", 1)
        store.add_pending([key], labels(), NOW)
        store.update([commit(embedder, key, "The first reading.")])
        store.add_pending([key, PageKey("t", "d", 2)], labels("other.pdf"), NOW)
        first, second = store.get([key, PageKey("t", "d", 2)])
        assert (first.state, first.text, first.labels.filename) == (PageState.DONE, "The first reading.", "a.pdf")
        assert (second.state, second.labels.filename) == (PageState.PENDING, "other.pdf")

    def test_a_page_comes_back_as_it_was_committed(self, store, embedder):
        """Text, passages, regions, words, size, rotation, reader, trust and labels survive the store."""
        key = PageKey("t", "d", 3)
        of = labels("Brief Müller.tif", "image/tiff", NOW - timedelta(days=3), ("box", "box/küche"))
        store.add_pending([key], of, NOW)
        change = commit(embedder, key, "# Übersicht\n\nDer erste Satz. Der zweite Satz.", NOW + timedelta(seconds=5))
        assert store.update([change]) == [True]
        point = store.get([key])[0]
        was = change.reading
        assert (point.key, point.labels, point.text) == (key, of, was.text)
        assert (point.regions, point.reader, point.rotation) == (was.regions, was.reader, was.rotation)
        assert (point.width, point.height, point.trust) == (was.width, was.height, was.trust)
        assert point.passages == change.passages.spans
        assert [(w.start, w.end) for w in point.words] == [(w.start, w.end) for w in was.words]
        for ours, theirs in zip(point.words, was.words, strict=True):
            assert np.allclose(
                [ours.box.x0, ours.box.y0, ours.box.x1, ours.box.y1],
                [theirs.box.x0, theirs.box.y0, theirs.box.x1, theirs.box.y1],
                atol=1e-5,
            )
        assert point.updated_at == NOW + timedelta(seconds=5)

    def test_a_change_with_a_condition(self, store, embedder):
        """`only_in` changes a page in that state and no other, says which, and leaves what was read since alone."""
        fill(store, embedder, "t", "d", ["Read by somebody else.", "Broken.", "Waiting."])
        done, failed, waiting = keys = [PageKey("t", "d", n) for n in (1, 2, 3)]
        store.update([PageUpdate(failed, NOW, state=PageState.FAILED, attempts=3, error_code="damaged")])
        store.update([PageUpdate(waiting, NOW, state=PageState.PENDING, attempts=0)])
        again = [PageUpdate(key, NOW, state=PageState.PENDING, attempts=0, only_in=PageState.FAILED) for key in keys]
        assert store.update(again) == [False, True, False]
        points = store.get(keys)
        assert [point.state for point in points] == [PageState.DONE, PageState.PENDING, PageState.PENDING]
        assert points[0].text == "Read by somebody else."
        assert points[1].attempts == 0
        fields = [PageUpdate(key, NOW, error_code="slow", only_in=PageState.PENDING) for key in keys]
        assert store.update(fields) == [False, True, True]
        assert [point.error_code for point in store.get(keys)] == [None, "slow", "slow"]

    def test_a_deleted_document_stays_deleted(self, store, embedder):
        """update changes what exists and nothing else, and says so; deletion says how many pages there were."""
        keys = [PageKey("t", "d", n) for n in (1, 2, 3)]
        store.add_pending(keys, labels(), NOW)
        fill(store, embedder, "t", "kept", ["Another document."])
        assert store.delete("t", "d") == 3
        assert (
            store.update([commit(embedder, keys[0], "Too late."), PageUpdate(keys[1], NOW, attempts=1)]) == [False] * 2
        )
        assert store.get(keys) == [None, None, None]
        assert store.search("t", "late", ALL, limit=5) == []
        assert store.delete("t", "d") == 0
        assert store.count("t") == PageCounts(done=1)

    def test_fields_that_are_none_stay(self, store, embedder):
        """An attempt, a failure and new labels leave content and search alone; an empty error code clears."""
        fill(store, embedder, "t", "d", ["The lighthouse keeper's log."])
        key = PageKey("t", "d", 1)
        store.update([PageUpdate(key, NOW, attempts=2, interruptions=1, error_code="render_crash")])
        point = store.get([key])[0]
        assert (point.attempts, point.interruptions, point.error_code) == (2, 1, "render_crash")
        assert point.text == "The lighthouse keeper's log."
        store.update([PageUpdate(key, NOW, error_code="", labels=labels("moved.pdf", folders=("new",)))])
        point = store.get([key])[0]
        assert (point.error_code, point.labels.folders, point.state) == (None, ("new",), PageState.DONE)
        assert [h.labels.filename for h in store.search("t", "lighthouse", SearchFilter(folder="new"), limit=5)] == [
            "moved.pdf"
        ]

    def test_failed_pages_are_not_found(self, store, embedder):
        """Search sees pages that are done, and nothing of those that failed or wait."""
        fill(store, embedder, "t", "d", ["Coal for the boiler.", "Coal for the kitchen."])
        store.update([PageUpdate(PageKey("t", "d", 2), NOW, state=PageState.FAILED, error_code="damaged")])
        assert [h.key.page for h in store.search("t", "coal", ALL, limit=5)] == [1]
        assert store.count("t") == PageCounts(done=1, failed=1)
        assert store.get([PageKey("t", "d", 2)])[0].error_code == "damaged"

    def test_reading_again_drops_what_was_read(self, store, embedder):
        """`pending` with no attempts asks for reading anew: content, vectors and errors go, labels stay."""
        fill(store, embedder, "t", "d", ["Wrong words."])
        key = PageKey("t", "d", 1)
        store.update([PageUpdate(key, NOW, state=PageState.PENDING, attempts=0)])
        point = store.get([key])[0]
        assert (point.state, point.text, point.words, point.passages) == (PageState.PENDING, "", (), ())
        assert point.labels == labels()
        assert store.search("t", "wrong words", ALL, limit=5) == []
        store.update([commit(embedder, key, "Right words.")])
        assert store.search("t", "right words", ALL, limit=5)[0].key == key

    def test_a_blank_page_can_be_committed(self, store, embedder):
        """A page without text has no vectors, is done, and is never found."""
        fill(store, embedder, "t", "d", ["", " \n", "Words."])
        assert store.count("t") == PageCounts(done=3)
        assert [h.key.page for h in store.search("t", "words", ALL, limit=5)] == [3]

    def test_text_that_cannot_be_encoded_is_stored_all_the_same(self, store, embedder):
        """Half a surrogate pair from a broken file becomes U+FFFD and shifts no offset."""
        fill(store, embedder, "t", "d", ["Half \ud83d pair, NUL \x00 and boiler."])
        hit = store.search("t", "boiler", ALL, limit=1)[0]
        assert store.get([hit.key])[0].text == "Half \ufffd pair, NUL \x00 and boiler."

    def test_strange_labels_and_filters_do_no_harm(self, store, embedder):
        """Half surrogate pairs, NUL, quotes, ten thousand characters, other scripts, in labels and in filters."""
        odd = [
            "half \ud83d pair",
            "NUL \x00",
            "x" * 10_000,
            '"quoted" \\ {0} %s',
            "契約書.pdf",
            "a\nb",
            "\u202egnp.exe",
        ]
        for number, name in enumerate(odd):
            fill(store, embedder, "t", f"d{number}", ["Coal for the boiler."], labels(name, folders=(name,)))
        for number, name in enumerate(odd):
            clean = name.replace("\ud83d", "\ufffd")
            point = store.get([PageKey("t", f"d{number}", 1)])[0]
            assert (point.labels.filename, point.labels.folders, point.labels.paths) == (
                clean,
                (clean,),
                (f"{clean}/{clean}",),
            )
            hits = store.search("t", "coal", SearchFilter(folder=name), limit=9)
            assert [hit.key.document_id for hit in hits] == [f"d{number}"]
        nowhere = SearchFilter(document_ids=("\ud83d",), media_types=("\x00",))
        assert store.search("t", "coal", nowhere, limit=9) == []
        assert store.count("t", where=nowhere) == PageCounts()
        assert store.search("no\x00body", "coal", ALL, limit=9) == []

    def test_a_big_page(self, store, embedder):
        """A page of a hundred thousand characters comes back whole and is found."""
        text = "\n".join(f"Line {n} of the ledger, {n * 37} pounds." for n in range(2500)) + "\nZanzibar."
        fill(store, embedder, "t", "d", [text])
        assert store.get([PageKey("t", "d", 1)])[0].text == text
        assert store.search("t", "zanzibar", ALL, limit=2)[0].key == PageKey("t", "d", 1)

    def test_writers_and_a_deletion_at_once(self, store, embedder):
        """Pages are committed, tried and labelled while their document is deleted: none is left, none comes back."""
        keys = [PageKey("t", "d", n) for n in range(1, 13)]
        errors: list[BaseException] = []
        for _ in range(3):
            store.add_pending(keys, labels(), NOW)
            begin = threading.Barrier(4)

            def write(part, begin=begin):
                try:
                    begin.wait()
                    for key in part:
                        store.update([PageUpdate(key, NOW, attempts=1), commit(embedder, key, f"Page {key.page}.")])
                        store.update([PageUpdate(key, NOW, labels=labels("late.pdf"))])
                except BaseException as error:
                    errors.append(error)

            threads = [threading.Thread(target=write, args=(keys[n::3],)) for n in range(3)]
            for thread in threads:
                thread.start()
            begin.wait()
            store.delete("t", "d")
            for thread in threads:
                thread.join()
            assert errors == []
            assert store.get(keys) == [None] * len(keys)
            assert store.count("t") == PageCounts()

    def test_changes_are_applied_in_order(self, store, embedder):
        """Several changes of one page in one call: the last one holds."""
        key = PageKey("t", "d", 1)
        store.add_pending([key], labels(), NOW)
        changes = [
            PageUpdate(key, NOW, attempts=1),
            commit(embedder, key, "First."),
            commit(embedder, key, "Second."),
            PageUpdate(PageKey("t", "none", 1), NOW, attempts=1),
            PageUpdate(key, NOW, attempts=2),
        ]
        assert store.update(changes) == [True, True, True, False, True]
        point = store.get([key])[0]
        assert (point.text, point.attempts) == ("Second.", 2)

    def test_tenants_never_see_each_other(self, store, embedder):
        """Neither get, update, scan, count, search nor delete crosses tenants, not even with another's ids."""
        fill(store, embedder, "one", "d1", ["The secret recipe."])
        fill(store, embedder, "two", "d2", ["The public recipe."])
        stolen = PageKey("two", "d1", 1)
        assert store.get([stolen]) == [None]
        assert store.update([PageUpdate(stolen, NOW, state=PageState.FAILED)]) == [False]
        assert store.update([commit(embedder, stolen, "Overwritten.")]) == [False]
        assert store.delete("two", "d1") == 0
        assert [p.key.document_id for p in store.scan("two")] == ["d2"]
        assert store.count("two") == PageCounts(done=1)
        assert [h.key.document_id for h in store.search("two", "recipe", ALL, limit=9)] == ["d2"]
        assert store.search("two", "recipe", SearchFilter(document_ids=("d1",)), limit=9) == []
        assert store.get([PageKey("one", "d1", 1)])[0].text == "The secret recipe."
        assert {p.key.tenant for p in store.scan(None)} == {"one", "two"}

    def test_scan_reads_everything_in_pieces(self, store, embedder):
        """All matching points once, with or without content, by document and state."""
        keys = [PageKey("t", f"d{n // 50}", n % 50 + 1) for n in range(600)]
        for start in range(0, 600, 50):
            store.add_pending(keys[start : start + 50], labels(), NOW)
        store.update([commit(embedder, keys[7], "Some text.")])
        assert sorted((p.key.document_id, p.key.page) for p in store.scan("t")) == sorted(
            (k.document_id, k.page) for k in keys
        )
        assert len(list(store.scan("t", document_ids=["d0", "d3"]))) == 100
        done = list(store.scan("t", states=[PageState.DONE]))
        assert [(p.key, p.text, p.words) for p in done] == [(keys[7], "", ())]
        assert next(iter(store.scan("t", states=[PageState.DONE], with_content=True))).text == "Some text."
        assert store.count("t", document_id="d0") == PageCounts(pending=49, done=1)

    def test_filters(self, store, embedder):
        """Document, folder with all below it, media type and time; all given conditions must hold."""
        day = timedelta(days=1)
        fill(store, embedder, "t", "a", ["coal bill"], labels("a.pdf", created_at=NOW - 2 * day, folders=("x", "x/y")))
        fill(store, embedder, "t", "b", ["coal bill"], labels("b.png", "image/png", NOW, ("x",)))
        fill(store, embedder, "t", "c", ["coal bill"], labels("c.pdf", created_at=NOW + 2 * day, folders=("xy",)))

        def found(**conditions):
            where = SearchFilter(**conditions)
            hits = {h.key.document_id for h in store.search("t", "coal bill", where, limit=9)}
            assert store.count("t", where=where).done == len(hits)
            return hits

        assert found() == {"a", "b", "c"}
        assert found(document_ids=("a", "c")) == {"a", "c"}
        assert found(folder="x") == {"a", "b"}
        assert found(folder="x/y/") == {"a"}
        assert found(media_types=("image/png", "image/jpeg")) == {"b"}
        assert found(created_from=NOW) == {"b", "c"}
        assert found(created_from=NOW - day, created_to=NOW + day) == {"b"}
        assert found(folder="x", media_types=("application/pdf",)) == {"a"}

    def test_passages_can_be_replaced_alone(self, store, embedder):
        """New passages without a new reading keep the text and stay searchable by words."""
        fill(store, embedder, "t", "d", ["The quarry at Hollin Bank."])
        key = PageKey("t", "d", 1)
        vectors = PassageVectors(((4, 10),), embedder.embed(["quarry"]))
        assert store.update([PageUpdate(key, NOW, passages=vectors)]) == [True]
        point = store.get([key])[0]
        assert (point.text, point.passages) == ("The quarry at Hollin Bank.", ((4, 10),))
        assert store.search("t", "hollin", ALL, limit=2)[0].key == key

    def test_limit_and_offset_page_through(self, store, embedder):
        """Pages of results are the same as one long list, without repetition."""
        fill(store, embedder, "t", "d", [f"Coal report number {n} " + "coal " * n for n in range(1, 24)])
        whole = [h.key.page for h in store.search("t", "coal report", ALL, limit=23)]
        assert sorted(whole) == list(range(1, 24))
        parts = [
            h.key.page for at in range(0, 25, 5) for h in store.search("t", "coal report", ALL, limit=5, offset=at)
        ]
        assert parts == whole
        assert store.search("t", "coal report", ALL, limit=5, offset=100) == []

    def test_readers_and_writers_at_once(self, store, embedder):
        """Six threads read while three write: no error, and nothing is lost."""
        fill(store, embedder, "t", "base", ["The common word everywhere."])
        errors: list[BaseException] = []
        stop = threading.Event()

        def write(name: str) -> None:
            try:
                for n in range(25):
                    fill(store, embedder, "t", f"{name}-{n}", [f"The common word of {name} {n}."])
            except BaseException as error:
                errors.append(error)

        def read() -> None:
            try:
                while not stop.is_set():
                    assert store.search("t", "common word", ALL, limit=3)
                    assert store.count("t").done >= 1
                    list(store.scan("t"))
            except BaseException as error:
                errors.append(error)

        readers = [threading.Thread(target=read) for _ in range(6)]
        writers = [threading.Thread(target=write, args=(name,)) for name in "abc"]
        for thread in (*readers, *writers):
            thread.start()
        for thread in writers:
            thread.join()
        stop.set()
        for thread in readers:
            thread.join()
        assert errors == []
        assert store.count("t") == PageCounts(done=76)

    def test_a_closed_store_is_unavailable(self, store, embedder):
        """After close every call says that the store is away; closing twice does no harm."""
        store.add_pending([PageKey("t", "d", 1)], labels(), NOW)
        store.close()
        store.close()
        for call in (
            lambda: store.get([PageKey("t", "d", 1)]),
            lambda: store.count("t"),
            lambda: store.search("t", "x", ALL, limit=1),
            lambda: store.update([PageUpdate(PageKey("t", "d", 1), NOW, reading=reading("x"))]),
        ):
            try:
                call()
            except StoreUnavailable:
                continue
            raise AssertionError("a closed store answered")
