"""Deleted text leaves the files of the index, and nothing else does."""

from __future__ import annotations

import shutil

import pytest
from index_kit import NOW, HashEmbedder, commit, labels, same_bits, tokens_of

from index import edge_compact
from index.passages import embed_passages
from index.store import PageUpdate
from index.store_edge import EdgeStore, StoreConfig
from index.types import PageKey, PageState, SearchFilter
from tests.kit import reading

SECRET = "Zanzibar"


@pytest.fixture
def directory(tmp_path):
    """An index with 150 pages, one of them deleted, closed."""
    store = EdgeStore.open(tmp_path / "index", HashEmbedder())
    embedder = HashEmbedder()
    keys = [PageKey("default", f"document-{n}", 1) for n in range(150)]
    for number, key in enumerate(keys):
        store.add_pending([key], labels(), NOW)
        text = f"{SECRET} treaty" if number == 7 else f"harbour ledger number {number}"
        store.update(
            [
                PageUpdate(
                    key,
                    NOW,
                    state=PageState.DONE,
                    reading=reading(text),
                    passages=embed_passages(embedder, text),
                )
            ]
        )
    assert store.delete("default", "document-7") == 1
    store.close()
    return tmp_path / "index"


def leaks(directory):
    return [path.name for path in directory.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


def content(store):
    points = store.scan(None, with_content=True)
    return sorted((p.key.document_id, p.text, p.passages, p.regions, p.words, p.labels, p.state) for p in points)


def ranking(store):
    hits = store.search("default", "ledger number 42", SearchFilter(), limit=5)
    # IDF still counts deleted pages before the copy, so scores differ in the fourth place.
    return hits[0].key, pytest.approx(hits[0].score, abs=1e-3), hits[0].snippets[0].text


def test_deleted_text_is_gone_after_the_next_opening(directory):
    """Qdrant keeps deleted text in its files; opening the index again takes it out and keeps all else."""
    assert leaks(directory), "if Qdrant cleans up by itself, the copy is not needed any more"
    shutil.copytree(directory, directory.with_name("untouched"))
    (directory.with_name("untouched") / "unclean").unlink()
    kept = EdgeStore.open(directory.with_name("untouched"), HashEmbedder())
    cleaned = EdgeStore.open(directory, HashEmbedder())
    assert leaks(directory) == []
    assert not (directory / "unclean").exists()
    assert content(cleaned) == content(kept)
    assert ranking(cleaned) == ranking(kept)
    assert len(content(cleaned)) == 149
    for store in (kept, cleaned):
        store.close()


def test_no_deletion_no_copy(directory, monkeypatch):
    """Without a deletion since, opening copies nothing."""
    EdgeStore.open(directory, HashEmbedder()).close()

    def fail(*_):
        raise AssertionError("copied again")

    monkeypatch.setattr(edge_compact.shutil, "rmtree", lambda *_, **__: None)
    monkeypatch.setattr(edge_compact.q, "ScrollRequest", fail)
    EdgeStore.open(directory, HashEmbedder()).close()


def test_a_large_index_is_not_copied_at_the_start(directory, monkeypatch):
    """A start does not wait for the copy of a large index: the note stays, and the log says what to do."""
    monkeypatch.setattr(edge_compact, "MAX_POINTS", 100)
    store = EdgeStore.open(directory, HashEmbedder())
    assert len(content(store)) == 149
    store.close()
    assert (directory / "unclean").exists()


def test_an_index_is_not_copied_onto_a_full_disk(directory, monkeypatch, caplog):
    """A copy that met a full disk would end the process at each start: the note stays until there is room."""
    allocated = sum(path.stat().st_blocks * 512 for path in (directory / "shard").rglob("*"))
    usage = shutil.disk_usage(directory)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=allocated))
        store = EdgeStore.open(directory, HashEmbedder())
    assert len(content(store)) == 149
    store.close()
    assert (directory / "unclean").exists()
    assert "no room" in caplog.text
    EdgeStore.open(directory, HashEmbedder()).close()
    assert leaks(directory) == []


@pytest.mark.parametrize("step", [1, 2])
def test_a_copy_that_was_cut_short(directory, monkeypatch, step):
    """Killed before or between the two renames, the next opening has all pages and no deleted text."""
    calls = 0
    rename = type(directory).rename

    class Killed(BaseException):
        pass

    def die(path, target):
        nonlocal calls
        calls += 1
        if calls == step:
            raise Killed
        return rename(path, target)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(type(directory), "rename", die)
        EdgeStore.open(directory, HashEmbedder())
    store = EdgeStore.open(directory, HashEmbedder())
    assert len(content(store)) == 149
    assert leaks(directory) == []
    assert sorted(path.name for path in directory.iterdir()) == ["index.json", "owner.lock", "shard"]
    store.close()


def test_a_copy_keeps_vision_tokens(tmp_path, monkeypatch):
    """Bit for bit, and an index with more pages with tokens than can be copied quickly is not copied."""
    embedder = HashEmbedder()
    store = EdgeStore.open(tmp_path, embedder, StoreConfig(vision_dim=1280))
    keys = [PageKey("t", f"d{n}", 1) for n in range(11)]
    for number, key in enumerate(keys):
        store.add_pending([key], labels(), NOW)
        store.update([commit(embedder, key, f"page {number}", vision=tokens_of(20, number * 3, seed=number))])
    store.delete("t", "d7")
    store.close()
    monkeypatch.setattr(edge_compact, "MAX_POINTS_WITH_TOKENS", 9)
    EdgeStore.open(tmp_path, embedder).close()
    assert (tmp_path / "unclean").exists()
    monkeypatch.undo()
    store = EdgeStore.open(tmp_path, embedder)
    assert not (tmp_path / "unclean").exists()
    points = store.get(keys, with_vision=True)
    assert points[7] is None
    for number, point in enumerate(points):
        assert number == 7 or same_bits(point.vision_tokens, tokens_of(20, number * 3, seed=number))
    store.close()
