"""The store on a server: the contract of all stores, and what is its own, over a real client and the real engine."""

from __future__ import annotations

import pytest
from index_kit import HashEmbedder
from qdrant_helper import QdrantHelper
from store_contract import StoreContract

from index.server_config import ServerConfig
from index.store_server import ServerStore


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with QdrantHelper(tmp_path_factory.mktemp("qdrant")) as helper:
        yield helper


def config_of(server, grpc=False, **more):
    return ServerConfig(server.url, collection="test", grpc=grpc, **more)


class TestServerStore(StoreContract):
    @pytest.fixture
    def embedder(self):
        return HashEmbedder()

    @pytest.fixture
    def store(self, server, embedder):
        config = config_of(server, scan_piece=64, insert_piece=16, vision_dim=1280)
        ServerStore.drop(config)
        store = ServerStore.open(config, embedder)
        yield store
        store.close()
