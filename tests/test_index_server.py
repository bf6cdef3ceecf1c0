"""The store on a server: the contract of all stores, and what is its own, over a real client and the real engine."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from index_kit import NOW, HashEmbedder, commit, fill, labels, same_bits, tokens_of
from index_server_kit import VISION_DIM, config_of, emptied, server, stores
from qdrant_client import models as m
from store_contract import StoreContract
from test_index_search import PAGES

from index import server_collection, server_points
from index.errors import ConfigError, StoreUnavailable
from index.schema import INDEXED
from index.server_client import ServerClient
from index.server_config import Placement, Quantization, ServerConfig
from index.store import PageUpdate
from index.store_edge import EdgeStore
from index.store_server import ServerStore
from index.types import PageKey, PageState, SearchFilter
from index.vision import MAX_NUMBERS
from index.words import WordsConfig

__all__ = ["server", "stores"]  # fixtures


@pytest.mark.parametrize("grpc", [True, False], ids=["grpc", "rest"], scope="class")
class TestServerStore(StoreContract):
    @pytest.fixture
    def embedder(self):
        return HashEmbedder()

    @pytest.fixture
    def store(self, server, embedder, grpc):
        config = config_of(server, grpc=grpc, scan_piece=64, insert_piece=16, vision_dim=VISION_DIM)
        store = emptied(ServerStore.open(config, embedder))
        yield store
        store.close()


@pytest.mark.parametrize("tenants", [("t",), ("t", "other")])
@pytest.mark.parametrize("grpc", [True, False], ids=["grpc", "rest"])
def test_search_is_that_of_the_embedded_store(server, stores, tmp_path, grpc, tenants):
    """The same pages and queries give the same hits in the same order with the same scores and snippets."""
    embedder = HashEmbedder(dim=64)
    edge = EdgeStore.open(tmp_path / "index", embedder)
    ours = emptied(stores(config_of(server, grpc=grpc, vision_dim=VISION_DIM), embedder))
    for store in (edge, ours):
        for tenant in tenants:
            for document, pages in PAGES.items():
                fill(store, embedder, tenant, f"{document}-{tenant}", pages, labels(folders=(document,)))
        if len(tenants) > 1:  # alone, the embedded store's IDF counts deleted pages until it is opened again
            fill(store, embedder, "t", "gone", ["Minutes of a committee that nobody remembers."])
            store.delete("t", "gone")
    queries = ["treasurer funds", '"act of grace"', "INV-2024-0117", "Who reported the funds of the society?", "契約書",
               "instalation of the boilers", "the", "captain fetherstone", "invoice", "no such thing"]  # fmt: skip
    for query in queries:
        for where in (SearchFilter(), SearchFilter(folder="invoices"), SearchFilter(document_ids=("minutes-t",))):
            for offset in (0, 2):
                theirs = edge.search("t", query, where, limit=6, offset=offset)
                found = ours.search("t", query, where, limit=6, offset=offset)
                assert [hit.key for hit in found] == [hit.key for hit in theirs], query
                assert [hit.score for hit in found] == pytest.approx([hit.score for hit in theirs], abs=1e-5)
                assert [[s.text for s in h.snippets] for h in found] == [[s.text for s in h.snippets] for h in theirs]
    edge.close()


def test_a_commit_keeps_what_another_process_wrote_meanwhile(server, stores, monkeypatch):
    """New labels between reading a page's payload and writing it: the commit is made again on top of them."""
    embedder = HashEmbedder()
    one, two = emptied(stores()), stores()
    key = PageKey("t", "d", 1)
    one.add_pending([key], labels(), NOW)
    before = one._before
    calls = []

    def interrupted(changes):
        found = before(changes)
        calls.append(1)
        if len(calls) == 1:
            assert two.update([PageUpdate(key, NOW, labels=labels("moved.pdf"), attempts=2)]) == [True]
        return found

    monkeypatch.setattr(one, "_before", interrupted)
    assert one.update([commit(embedder, key, "Read text.")]) == [True]
    point = two.get([key])[0]
    assert (point.text, point.labels.filename, point.attempts) == ("Read text.", "moved.pdf", 2)
    assert len(calls) == 2


def test_a_commit_does_not_bring_back_what_another_process_deleted_meanwhile(server, stores, monkeypatch):
    """Deleted, or deleted and uploaded again, between reading and writing."""
    embedder = HashEmbedder()
    one, two = emptied(stores()), stores()
    keys = [PageKey("t", "d", 1), PageKey("t", "d", 2)]
    before = one._before
    for again in (False, True):
        one.add_pending(keys, labels(), NOW)
        done = []

        def interrupted(changes, again=again, done=done):
            found = before(changes)
            if not done:
                done.append(two.delete("t", "d"))
                if again:
                    two.add_pending(keys[:1], labels("again.pdf"), NOW)
            return found

        monkeypatch.setattr(one, "_before", interrupted)
        assert one.update([commit(embedder, key, "Read text.") for key in keys]) == [again, False]
        points = two.get(keys)
        assert points[1] is None
        assert (points[0] and points[0].labels.filename) == ("again.pdf" if again else None)


def test_pages_that_never_rest_are_left_alone(server, stores, monkeypatch):
    """A page that others change at every try ends as StoreUnavailable, not in an endless loop."""
    one, two = emptied(stores()), stores()
    key = PageKey("t", "d", 1)
    one.add_pending([key], labels(), NOW)
    before = one._before

    def interrupted(changes):
        found = before(changes)
        two.update([PageUpdate(key, NOW, attempts=1)])
        return found

    monkeypatch.setattr(one, "_before", interrupted)
    with pytest.raises(StoreUnavailable, match="keep changing"):
        one.update([commit(HashEmbedder(), key, "Read text.")])
    assert two.get([key])[0].state is PageState.PENDING


def test_many_processes_make_one_collection(server):
    """Eight open a new collection at once: all get it, with every index, and the tenant's marked as such."""
    config = config_of(server, collection="race")
    ServerStore.drop(config)
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: ServerStore.open(config, HashEmbedder()), range(8)))
    opened[0].add_pending([PageKey("t", "d", 1)], labels(), NOW)
    assert [store.count("t").pending for store in opened] == [1] * 8
    schema = opened[0]._client.run(lambda client: client.get_collection("race")).payload_schema
    assert {name: info.data_type.value for name, info in schema.items()} == INDEXED
    assert [name for name, info in schema.items() if getattr(info.params, "is_tenant", None)] == ["tenant"]
    for store in opened:
        store.close()
    ServerStore.drop(config)


def test_a_collection_of_something_else_is_refused(server, stores):
    """Another embedder, other word settings, or a collection that is not ours: the error says what to do."""
    config = config_of(server, collection="facts")
    ServerStore.drop(config)
    stores(config, HashEmbedder("old@1"))
    with pytest.raises(ConfigError, match=r"old@1.*new@2.*folioscope rebuild"):
        ServerStore.open(config, HashEmbedder("new@2"))
    with pytest.raises(ConfigError, match=r"german.*rebuild"):
        ServerStore.open(replace(config, words=WordsConfig(language="german")), HashEmbedder("old@1"))
    client = ServerClient(config)
    server_collection.drop(client)
    plain = m.VectorParams(size=4, distance=m.Distance.COSINE)
    client.run(lambda c: c.create_collection("facts", vectors_config={"v": plain}, sparse_vectors_config={}))
    with pytest.raises(ConfigError, match="FOLIOSCOPE_QDRANT_COLLECTION"):
        ServerStore.open(config, HashEmbedder("old@1"))
    server_collection.drop(client)
    client.close()


def test_room_for_vision_tokens_comes_with_the_engine(server, stores):
    """A process without tokens makes the collection, one with tokens comes later; one with others is refused."""
    config = config_of(server, collection="room")
    ServerStore.drop(config)
    embedder = HashEmbedder()
    first = stores(config)
    later = stores(replace(config, vision_dim=64))
    key = PageKey("t", "d", 1)
    first.add_pending([key], labels(), NOW)
    read = commit(embedder, key, "Text.", vision=tokens_of(7, dim=64))
    assert later.update([read]) == [True]
    assert same_bits(later.get([key], with_vision=True)[0].vision_tokens, read.reading.vision)
    with pytest.raises(ConfigError, match="FOLIOSCOPE_KEEP_TOKENS"):
        ServerStore.open(replace(config, vision_dim=128), embedder)
    ServerStore.drop(config)


def test_requests_stay_below_the_servers_limit(server, stores):
    """Five pages with all the tokens that a page can have, some 40 MB, in one call."""
    store = emptied(stores(config_of(server, vision_dim=VISION_DIM)))
    embedder = HashEmbedder()
    keys = [PageKey("t", "d", n) for n in range(1, 6)]
    store.add_pending(keys, labels(), NOW)
    changes = [commit(embedder, key, f"Page {key.page}.", vision=tokens_of(819, 819, seed=key.page)) for key in keys]
    assert store.update(changes) == [True] * 5
    for point, change in zip(store.get(keys, with_vision=True), changes, strict=True):
        assert same_bits(point.vision_tokens, change.reading.vision)


def test_what_is_quantised_and_what_is_not():
    """Quantisation is for passages alone: sentences and vision tokens keep every bit that they have."""
    for quantization in Quantization:
        config = ServerConfig("http://x", quantization=quantization, placement=Placement.COLD, vision_dim=1280)
        vectors = server_collection.vectors(384, config)
        assert vectors.keys() == {"passages", "sentences", "vision", "vision_tiles"}
        quantised = {name for name, params in vectors.items() if params.quantization_config}
        assert quantised == ({"passages"} if quantization is Quantization.INT8 else set())
        assert vectors["passages"].memory is m.Memory.COLD
        assert {params.datatype for params in vectors.values()} == {m.Datatype.FLOAT16}
        assert {vectors[name].distance for name in ("vision", "vision_tiles")} == {m.Distance.DOT}
        assert all(p.hnsw_config.m == 0 for p in vectors.values()), "no graph over all tenants"
        assert {name for name, p in vectors.items() if p.hnsw_config.payload_m} == {"passages"}


def test_half_precision_survives_json():
    """Every finite float16, as the store writes it for REST, is the same float16 again."""
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    every = every[np.isfinite(every)].reshape(1, -1)
    point = server_points.point("x", {}, {"vision": every.astype(np.float32)}, text=True)
    back = np.array(json.loads(json.dumps(point.vector["vision"])), np.float32).astype(np.float16)
    assert np.array_equal(back.view(np.uint16), every.view(np.uint16))
    assert max(len(repr(x)) for x in point.vector["vision"][0]) <= 11


def test_a_page_that_was_put_back_and_taken_at_once_was_put_back(server, stores, monkeypatch):
    """A worker may begin a page before who put it back sees that it was: it is told all the same, and what another put
    back before is not taken for one's own.
    """
    first, second = (stores(config_of(server), HashEmbedder()) for _ in range(2))
    emptied(first)
    fill(first, HashEmbedder(), "t", "d", ["One page.", "Another page."])
    keys = [PageKey("t", "d", number) for number in (1, 2)]
    again = [PageUpdate(key, NOW, state=PageState.PENDING, attempts=0, only_in=PageState.DONE) for key in keys]
    fields = [PageUpdate(key, NOW, error_code="slow", only_in=PageState.PENDING) for key in keys]

    write, run = first._compare_and_set, first._client.run

    def begun(*arguments):
        write(*arguments)
        second.update([PageUpdate(key, NOW, attempts=1) for key in keys])

    def begun_again(call):
        found = run(call)
        second.update([PageUpdate(key, NOW, attempts=2) for key in keys])
        return found

    assert second.update(again[1:]) == [True]
    with monkeypatch.context() as patch:
        patch.setattr(first, "_compare_and_set", begun)
        assert first.update(again) == [True, False]
    assert [(point.state, point.attempts) for point in second.get(keys)] == [(PageState.PENDING, 1)] * 2
    with monkeypatch.context() as patch:
        patch.setattr(first._client, "run", begun_again)
        assert first.update(fields) == [True, True]
        assert first.update(again) == [False, False]


def test_a_page_of_more_sentences_than_one_vector_takes(server, stores):
    """A ledger printed on one sheet is kept, and found like any other page; a server refuses so large a multivector."""
    embedder = HashEmbedder("wide@1", dim=4096)
    store, key = stores(config_of(server, collection="wide"), embedder), PageKey("t", "d", 1)
    text = "\n".join(f"- ton {number} of coal" for number in range(1 + MAX_NUMBERS // embedder.dim))
    store.add_pending([key], labels(), NOW)
    assert store.update([commit(embedder, key, text)]) == [True]
    assert [hit.key for hit in store.search("t", "ton 254 of coal", SearchFilter(), limit=2)] == [key]
