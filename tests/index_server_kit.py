"""What tests of the server's store share: a server for each module, settings for it, stores that are closed."""

from __future__ import annotations

import pytest
from index_kit import HashEmbedder
from qdrant_helper import QdrantHelper

from index.server_config import ServerConfig
from index.store_server import ServerStore

VISION_DIM = 1280


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with QdrantHelper(tmp_path_factory.mktemp("qdrant"), grpc=True) as helper:
        yield helper


@pytest.fixture
def stores(server):
    """Opens stores that are closed at the end of the test."""
    opened = []

    def open_one(config=None, embedder=None):
        store = ServerStore.open(config or config_of(server), embedder or HashEmbedder())
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


def config_of(server, *, grpc=True, collection="contract", **more):
    port = server.grpc_port or 6334  # 0 for a real server, which has its usual one
    return ServerConfig(server.url, collection=collection, grpc=grpc, grpc_port=port, **more)


def emptied(store):
    """An open store without pages: much faster than a new collection."""
    for tenant, document in {(point.key.tenant, point.key.document_id) for point in store.scan(None)}:
        store.delete(tenant, document)
    return store
