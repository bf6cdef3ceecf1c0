"""The embedded store: the contract of all stores, and what is its own."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import pytest
from index_kit import NOW, HashEmbedder, commit, fill, labels, same_bits, tokens_of
from store_contract import ALL, StoreContract

from index import edge_shard
from index.errors import ConfigError, StorageFull
from index.schema import facts
from index.store import PageUpdate
from index.store_edge import EdgeStore, StoreConfig
from index.types import PageKey, SearchFilter
from index.words import WordsConfig


class TestEdgeStore(StoreContract):
    @pytest.fixture
    def embedder(self):
        return HashEmbedder()

    @pytest.fixture
    def store(self, tmp_path, embedder):
        store = EdgeStore.open(
            tmp_path / "index", embedder, StoreConfig(scan_piece=64, insert_piece=16, flush_every=7, vision_dim=1280)
        )
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


def test_a_disk_that_is_nearly_full_takes_no_pages(tmp_path, monkeypatch):
    """Qdrant's mapped files would end the process on one: it is said in time, states and deletions still go through."""
    embedder, disk, free = HashEmbedder(), os.statvfs(tmp_path), [1 << 40]
    monkeypatch.setattr(
        os, "statvfs", lambda _: SimpleNamespace(f_bavail=free[0] // disk.f_frsize, f_frsize=disk.f_frsize)
    )
    store = EdgeStore.open(tmp_path, embedder, StoreConfig(least_free=128 << 20, flush_every=1))
    key = PageKey("t", "d", 1)
    store.add_pending([key], labels(), NOW)
    free[0] = 100 << 20
    for change in (
        lambda: store.add_pending([PageKey("t", "d", 2)], labels(), NOW),
        lambda: store.update([commit(embedder, key, "A page.")]),
    ):
        with pytest.raises(StorageFull, match="Less than 128 MiB"):
            change()
    assert store.update([PageUpdate(key, NOW, attempts=1)]) == [True]
    free[0] = 1 << 20
    with pytest.raises(StorageFull, match="Less than 64 MiB"):
        store.update([PageUpdate(key, NOW, attempts=2)])
    assert store.get([key])[0].attempts == 1
    assert store.delete("t", "d") == 1
    free[0] = 1 << 40
    fill(store, embedder, "t", "e", ["The page that waited."])
    assert store.search("t", "waited", ALL, limit=1)[0].key == PageKey("t", "e", 1)
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


def test_an_index_gets_room_for_vision_tokens_later(tmp_path):
    """One that was made without, as all were before there were tokens, is used as it is; its pages stay."""
    embedder = HashEmbedder()
    store = EdgeStore.open(tmp_path, embedder)
    fill(store, embedder, "t", "d", ["The harbour office.", "The customs house."])
    key, tokens = PageKey("t", "d", 1), tokens_of(64, 100)
    with pytest.raises(ConfigError, match="no room for vision tokens.*folioscope rebuild"):
        store.update([commit(embedder, key, "Refused.", vision=tokens)])
    store.close()
    assert "vision_dim" not in json.loads((tmp_path / "index.json").read_text())
    store = EdgeStore.open(tmp_path, embedder, StoreConfig(vision_dim=1280))
    assert [point.text for point in store.scan("t", with_content=True)] != []
    assert store.search("t", "customs house", ALL, limit=1)[0].key == PageKey("t", "d", 2)
    store.update([commit(embedder, key, "The harbour office, read again.", vision=tokens)])
    store.close()
    for config in (StoreConfig(), StoreConfig(vision_dim=1280)):
        store = EdgeStore.open(tmp_path, embedder, config)
        assert same_bits(store.get([key], with_vision=True)[0].vision_tokens, tokens)
        assert store.optimize() in {True, False}
        assert same_bits(store.get([key], with_vision=True)[0].vision_tokens, tokens)
        store.close()
    config = json.loads((tmp_path / "shard" / "edge_config.json").read_text())
    for name in ("vision", "vision_tiles"):
        assert config["vectors"][name]["distance"] == "Dot"
        assert config["vectors"][name]["datatype"] == "float16"
        assert config["vectors"][name]["hnsw_config"]["m"] == 0


def test_tokens_of_another_dimension(tmp_path):
    """Refused with what to do where pages have tokens, and the index stays as it was; else the room is made anew."""
    embedder = HashEmbedder()
    key = PageKey("t", "d", 1)
    EdgeStore.open(tmp_path, embedder, StoreConfig(vision_dim=64)).close()
    store = EdgeStore.open(tmp_path, embedder, StoreConfig(vision_dim=1280))
    store.add_pending([key], labels(), NOW)
    store.update([commit(embedder, key, "With tokens.", vision=tokens_of(16))])
    store.close()
    with pytest.raises(ConfigError, match=r"of 1280 numbers.*of 64.*folioscope rebuild.*FOLIOSCOPE_KEEP_TOKENS"):
        EdgeStore.open(tmp_path, embedder, StoreConfig(vision_dim=64))
    store = EdgeStore.open(tmp_path, embedder)
    assert same_bits(store.get([key], with_vision=True)[0].vision_tokens, tokens_of(16))
    with pytest.raises(ConfigError, match="rebuild"):
        store.update([commit(embedder, key, "Other tokens.", vision=tokens_of(16, dim=64))])
    store.close()


def test_making_room_that_was_cut_short(tmp_path, monkeypatch):
    """Killed before it was recorded, the next opening makes room again."""
    embedder = HashEmbedder()
    store = EdgeStore.open(tmp_path, embedder)
    fill(store, embedder, "t", "d", ["The harbour office."])
    store.close()

    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("index.edge_shard._record", die)
        EdgeStore.open(tmp_path, embedder, StoreConfig(vision_dim=64))
    store = EdgeStore.open(tmp_path, embedder, StoreConfig(vision_dim=1280))
    key = PageKey("t", "d", 1)
    assert store.update([commit(embedder, key, "With tokens.", vision=tokens_of(16))]) == [True]
    assert same_bits(store.get([key], with_vision=True)[0].vision_tokens, tokens_of(16))
    store.close()


def test_an_index_from_before_keeps_its_precision(tmp_path):
    """Passages are in half precision; an index made with single precision keeps it when it gets room for tokens and
    when it is copied without deleted text, and finds the same.
    """
    embedder = HashEmbedder()
    words = WordsConfig()
    shard = edge_shard._create(tmp_path / "shard", edge_shard.Layout(embedder.dim, None, half=False))
    shard.close()
    (tmp_path / "index.json").write_text(json.dumps(facts(embedder, words)))

    def precision():
        config = json.loads((tmp_path / "shard" / "edge_config.json").read_text())
        return config["vectors"]["passages"].get("datatype") or "float32"

    store = EdgeStore.open(tmp_path, embedder)
    fill(store, embedder, "t", "d", ["The ferry to the island.", "The customs house on the quay."])
    fill(store, embedder, "t", "gone", ["A page that is deleted."])
    before = store.search("t", "customs house", ALL, limit=1)[0]
    store.delete("t", "gone")
    store.close()
    for config in (StoreConfig(), StoreConfig(vision_dim=64), StoreConfig()):
        store = EdgeStore.open(tmp_path, embedder, config)
        hit = store.search("t", "customs house", ALL, limit=1)[0]
        assert hit.key == before.key
        assert hit.score == pytest.approx(before.score, abs=0.1)  # IDF no longer counts the deleted page
        store.close()
        assert precision() == "float32"
    EdgeStore.open(tmp_path / "new", embedder).close()
    tmp_path = tmp_path / "new"
    assert precision() == "float16"


def test_counts_follow_every_change(tmp_path):
    """What is kept of them never outlives a change, for any filter."""
    embedder = HashEmbedder()
    store = EdgeStore.open(tmp_path, embedder, StoreConfig(counts=2))
    wheres = [SearchFilter(document_ids=(name,)) for name in ("a", "b", "c")]
    for name in ("a", "b", "c"):
        before = [store.count("t", where=where).done for where in wheres]
        fill(store, embedder, "t", name, ["One page.", "Another page."])
        after = [store.count("t", where=where).done for where in wheres]
        assert sum(after) == sum(before) + 2
        assert store.count("t", document_id=name).done == 2
        assert store.count(None).done == store.count("t").done == sum(after)
    store.delete("t", "b")
    assert [store.count("t", where=where).done for where in wheres] == [2, 0, 2]
    store.close()
