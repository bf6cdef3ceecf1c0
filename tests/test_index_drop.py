"""An index that is thrown away: all of it, or it is said why not."""

from __future__ import annotations

import shutil

import pytest
from index_kit import NOW, HashEmbedder, labels

from index.errors import ConfigError
from index.store_edge import EdgeStore
from index.types import PageKey


def fill(directory):
    store = EdgeStore.open(directory, HashEmbedder())
    store.add_pending([PageKey("default", "document", 1)], labels(), NOW)
    store.close()


def count(directory):
    store = EdgeStore.open(directory, HashEmbedder())
    try:
        return store.count(None).total
    finally:
        store.close()


def test_a_dropped_index_is_empty(tmp_path):
    """And what is not there need not be dropped."""
    EdgeStore.drop(tmp_path / "index")
    assert not (tmp_path / "index").exists()
    fill(tmp_path / "index")
    EdgeStore.drop(tmp_path / "index")
    assert list((tmp_path / "index").iterdir()) == []
    assert count(tmp_path / "index") == 0


def test_an_index_on_another_disk_is_dropped_there(tmp_path):
    """The directory may be a link; the link stays, and what lies behind it goes."""
    (tmp_path / "fast").mkdir()
    (tmp_path / "index").symlink_to(tmp_path / "fast")
    fill(tmp_path / "index")
    EdgeStore.drop(tmp_path / "index")
    assert (tmp_path / "index").is_symlink()
    assert list((tmp_path / "fast").iterdir()) == []


def test_what_cannot_be_removed_is_told(tmp_path, monkeypatch):
    """A rebuild over an index that is still there would read nothing and say that all was well. What is left of it is
    not opened as an index any more.
    """
    directory = tmp_path / "index"
    fill(directory)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", refuse)
        with pytest.raises(ConfigError, match="Permission denied.*shard"):
            EdgeStore.drop(directory)
        with pytest.raises(ConfigError, match="Permission denied.*shard"):
            EdgeStore.open(directory, HashEmbedder())
    assert count(directory) == 0
