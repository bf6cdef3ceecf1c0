"""An index that cannot be opened, or folded together at its end: what is said of it, and that nothing is lost."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from index_kit import NOW, HashEmbedder, labels
from qdrant_edge import CountRequest

from index import edge_compact
from index.errors import ConfigError, FolioscopeError, InternalError, StorageFull, StoreUnavailable, Unavailable
from index.store_edge import EdgeStore
from index.types import PageKey


@pytest.fixture
def directory(tmp_path):
    """An index of one page."""
    store = EdgeStore.open(tmp_path / "index", HashEmbedder())
    store.add_pending([PageKey("default", "document", 1)], labels(), NOW)
    store.close()
    return tmp_path / "index"


def opened(directory):
    """How many pages it has."""
    store = EdgeStore.open(directory, HashEmbedder())
    try:
        return store.count(None).total
    finally:
        store.close()


@pytest.mark.parametrize(
    ("told", "error", "rebuild"),
    [
        ("Failed to open mmap payload storage: Permission denied (os error 13)", ConfigError, False),
        ("failed to create file: Read-only file system (os error 30)", ConfigError, False),
        ("Failed to open: Too many open files (os error 24)", ConfigError, False),
        ("Failed to save structure on disk with error: No space left on device (os error 28)", StorageFull, False),
        ('Can\'t init WAL: Os { code: 28, kind: StorageFull, message: "No space left" }', StorageFull, False),
        ("Failed to open: No such file or directory (os error 2)", ConfigError, True),
        ("failed to load segment: expected value at line 1", ConfigError, True),
    ],
)
def test_to_make_an_index_anew_is_advised_only_where_it_may_be_damaged(directory, monkeypatch, told, error, rebuild):
    """It takes as long as reading all documents did: neither a full disk nor a backup that was put back as another
    user's is a reason.
    """

    def fail(_directory):
        raise Exception(f"Service runtime error: {told}")

    with monkeypatch.context() as patch:
        patch.setattr(edge_compact, "recover", fail)
        with pytest.raises(error) as caught:
            opened(directory)
    assert ("rebuild" in caught.value.message) is rebuild
    assert str(directory) in caught.value.message
    assert opened(directory) == 1


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ("IO Error: failed to write to file: No space left on device (os error 28)", StorageFull),
        ('Can\'t write WAL: Os { code: 28, kind: StorageFull, message: "No space left on device" }', StorageFull),
        ("failed to create file: Read-only file system (os error 30)", Unavailable),
        ("WAL flush failed: Can't write WAL: Os { code: 30, kind: ReadOnlyFilesystem }", Unavailable),
        ("Wrong input: Vector dimension error", InternalError),
    ],
)
def test_a_disk_that_cannot_be_written_to_is_not_our_bug(directory, told, error):
    """Whichever way Qdrant tells it: what is to be written then is tried again."""
    store = EdgeStore.open(directory, HashEmbedder())
    shard = store._shard._shard

    def update(_operation):
        raise Exception(f"Service runtime error: {told}")

    store._shard._shard = SimpleNamespace(update=update, flush=shard.flush, close=shard.close)
    with pytest.raises(FolioscopeError) as caught:
        store.add_pending([PageKey("default", "document", 2)], labels(), NOW)
    store.close()
    assert type(caught.value) is error


def test_facts_that_may_not_be_read_are_told(directory, monkeypatch):
    """As what they are, not as damage."""

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ConfigError, match=r"index\.json.*mend that"):
        opened(directory)


def test_a_full_disk_does_not_keep_an_index_from_closing(directory, caplog):
    """The service ends in order; the next one has what was written, and may have the directory."""
    store = EdgeStore.open(directory, HashEmbedder())
    store.add_pending([PageKey("default", "document", 2)], labels(), NOW)
    shard = store._shard._shard

    def flush():
        raise Exception("Service runtime error: No space left on device (os error 28)")

    store._shard._shard = SimpleNamespace(flush=flush, close=shard.close)
    store.close()
    assert "No space left" in caplog.text
    assert opened(directory) == 2


def test_an_index_that_is_closed_while_it_is_asked_is_away(directory):
    """A service that stops: threads that still ask are told so, and not of an error of ours."""
    store = EdgeStore.open(directory, HashEmbedder())

    def counted(shard):
        store.close()
        return shard.count(CountRequest(exact=True))

    with pytest.raises(StoreUnavailable, match="is stopping"):
        store._shard.run(counted)
    with pytest.raises(StoreUnavailable, match="is stopping"):
        store.count(None)
