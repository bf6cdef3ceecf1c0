"""The embedded store: the contract of all stores, and what is its own."""

from __future__ import annotations

import json

import pytest
from index_kit import NOW, HashEmbedder, commit, fill, labels
from store_contract import ALL, StoreContract

from index.errors import ConfigError
from index.store_edge import EdgeStore, StoreConfig
from index.types import PageKey
from index.words import WordsConfig


class TestEdgeStore(StoreContract):
    @pytest.fixture
    def embedder(self):
        return HashEmbedder()

    @pytest.fixture
    def store(self, tmp_path, embedder):
        store = EdgeStore.open(tmp_path / "index", embedder, StoreConfig(scan_piece=64, insert_piece=16, flush_every=7))
        yield store
        store.close()


def test_everything_is_there_after_reopening(tmp_path):
    """State, content and search outlive the process, misread words included."""
    embedder = HashEmbedder()
    store = EdgeStore.open(tmp_path, embedder)
    fill(store, embedder, "t", "d", ["The rnanager inspected the installation."])
    store.close()
    store = EdgeStore.open(tmp_path, embedder)
    assert store.search("t", "manager", ALL, limit=1)[0].key == PageKey("t", "d", 1)
    assert store.search("t", "instalation", ALL, limit=1)[0].key == PageKey("t", "d", 1)
    store.close()


def test_another_embedder_is_refused(tmp_path):
    """The error names both embedders and what to do, and leaves the index as it was."""
    EdgeStore.open(tmp_path, HashEmbedder("old@1")).close()
    with pytest.raises(ConfigError, match=r"old@1.*new@2.*folioscope rebuild"):
        EdgeStore.open(tmp_path, HashEmbedder("new@2"))
    with pytest.raises(ConfigError, match="rebuild"):
        EdgeStore.open(tmp_path, HashEmbedder("old@1", dim=32))
    EdgeStore.open(tmp_path, HashEmbedder("old@1")).close()


def test_other_word_settings_are_refused(tmp_path):
    """They shape what is stored, so mixing them would quietly lose pages."""
    EdgeStore.open(tmp_path, HashEmbedder()).close()
    with pytest.raises(ConfigError, match=r"german.*rebuild"):
        EdgeStore.open(tmp_path, HashEmbedder(), StoreConfig(words=WordsConfig(language="german")))


def test_an_older_schema_is_refused(tmp_path):
    """So is an index of another version, and one whose facts are damaged."""
    EdgeStore.open(tmp_path, HashEmbedder()).close()
    facts = tmp_path / "index.json"
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "schema": 0}))
    with pytest.raises(ConfigError, match="rebuild"):
        EdgeStore.open(tmp_path, HashEmbedder())
    facts.write_text("{")
    with pytest.raises(ConfigError, match="damaged"):
        EdgeStore.open(tmp_path, HashEmbedder())


def test_optimize_changes_no_answer(tmp_path):
    """Merging segments and dropping deleted points leaves state and search as they are."""
    embedder = HashEmbedder()
    store = EdgeStore.open(tmp_path, embedder)
    for n in range(30):
        fill(store, embedder, "t", f"d{n}", [f"Report {n} of the harbour.", f"Accounts {n} of the harbour."])
    for n in range(0, 30, 3):
        store.delete("t", f"d{n}")
    before = [h.key for h in store.search("t", "report 7 harbour", ALL, limit=10)]
    store.optimize()
    assert [h.key for h in store.search("t", "report 7 harbour", ALL, limit=10)] == before
    assert store.count("t").done == 40
    key = PageKey("t", "d1", 1)
    assert store.update([commit(embedder, key, "Written after optimising.")]) == [True]
    assert store.search("t", "optimising", ALL, limit=1)[0].key == key
    store.close()


def test_a_page_of_a_known_document_only(tmp_path):
    """Labels of one document do not leak into another's pages when ids are near."""
    embedder = HashEmbedder()
    store = EdgeStore.open(tmp_path, embedder)
    store.add_pending([PageKey("t", "d", 1)], labels("one.pdf"), NOW)
    store.add_pending([PageKey("t", "d1", 1)], labels("two.pdf"), NOW)
    assert [p.labels.filename for p in store.get([PageKey("t", "d", 1), PageKey("t", "d1", 1)])] == [
        "one.pdf",
        "two.pdf",
    ]
    store.close()
