"""The server's store when the server is away, slow, full, strange or strict; and maintenance over a server."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from dataclasses import replace

import grpc as grpc_library
import httpx
import pytest
from index_kit import NOW, HashEmbedder, commit, labels
from index_server_kit import config_of, server
from qdrant_client.http.exceptions import UnexpectedResponse
from qdrant_helper import QdrantHelper

from index.errors import ConfigError, InternalError, StorageFull, StoreUnavailable
from index.server_client import ServerClient, translate
from index.server_config import ServerConfig
from index.store_server import ServerStore
from index.types import PageKey, PageState, SearchFilter
from tests.stack_redis import free_port
from worker import maintenance, wiring
from worker.settings import Settings

__all__ = ["server"]  # a fixture


def httpx_answer(status, text):
    return UnexpectedResponse.for_response(httpx.Response(status, text=text))


def grpc_answer(code, text):
    error = grpc_library.RpcError(code)
    error.code, error.details = lambda: grpc_library.StatusCode[code], lambda: text
    return error


@pytest.mark.slow
@pytest.mark.parametrize("grpc", [True, False], ids=["grpc", "rest"])
def test_nothing_acknowledged_is_lost_when_the_server_is_killed(tmp_path, grpc):
    """Killed five times while pages are written: StoreUnavailable within bounds, then all goes on, and every page
    that was acknowledged is there once.
    """
    if os.environ.get("FOLIOSCOPE_TEST_QDRANT_URL"):
        pytest.skip("a server that is not ours cannot be killed")
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    embedder = HashEmbedder()
    acknowledged: list[PageKey] = []
    with QdrantHelper(tmp_path / "qdrant", grpc=True) as helper:
        store = ServerStore.open(config_of(helper, grpc=grpc, patience_s=0.3), embedder)
        stop = threading.Event()
        refusals: list[float] = []
        errors: list[BaseException] = []

        def write():
            number = 0
            while not stop.is_set():
                key = PageKey("t", f"d{number}", 1)
                begun = time.monotonic()
                try:
                    store.add_pending([key], labels(), NOW)
                    if store.update([commit(embedder, key, f"Ledger {number}.")]) == [True]:
                        acknowledged.append(key)
                        number += 1
                except StoreUnavailable:
                    refusals.append(time.monotonic() - begun)
                except BaseException as error:
                    errors.append(error)
                    return

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        for _ in range(5):
            before = len(acknowledged)
            _until(lambda before=before: errors or len(acknowledged) > before + 2)
            time.sleep(chance.uniform(0, 0.2))
            helper.kill()
            refused = len(refusals)
            _until(lambda refused=refused: errors or len(refusals) > refused)
            helper.start()
        before = len(acknowledged)
        _until(lambda: errors or len(acknowledged) > before + 2)
        stop.set()
        writer.join()
        assert errors == []
        assert refusals, "the server was never away: the test proves nothing"
        points = store.get(acknowledged)
        assert all(point is not None and point.state is PageState.DONE for point in points)
        assert [point.text for point in points] == [f"Ledger {n}." for n in range(len(acknowledged))]
        assert len(list(store.scan("t"))) == store.count("t").total == len({p.key for p in store.scan("t")})
        assert store.search("t", "ledger", SearchFilter(), limit=3)
        store.close()


@pytest.mark.parametrize("grpc", [True, False], ids=["grpc", "rest"])
def test_a_server_that_is_not_there(grpc):
    """Opening says StoreUnavailable within the patience that was given."""
    port = free_port()
    begun = time.monotonic()
    config = ServerConfig(f"http://127.0.0.1:{port}", grpc=grpc, grpc_port=port, patience_s=0.5)
    with pytest.raises(StoreUnavailable, match="does not answer"):
        ServerStore.open(config, HashEmbedder())
    assert time.monotonic() - begun < 120


@pytest.mark.parametrize("grpc", [True, False], ids=["grpc", "rest"])
def test_a_server_that_accepts_and_says_nothing(grpc):
    """A hanging server ends as StoreUnavailable after the time for one request, not after several of them."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        config = ServerConfig(f"http://127.0.0.1:{port}", grpc=grpc, grpc_port=port, timeout_s=1, patience_s=0.5)
        client = ServerClient(config)
        with pytest.raises(StoreUnavailable):
            client.run(lambda c: c.count("x"))
        client.close()


@pytest.mark.parametrize("grpc", [True, False], ids=["grpc", "rest"])
def test_the_api_key(tmp_path, grpc):
    """The right key opens; a wrong one and none are a ConfigError that names the setting; no repr shows it."""
    if os.environ.get("FOLIOSCOPE_TEST_QDRANT_URL"):
        pytest.skip("that server has a key of its own")
    with QdrantHelper(tmp_path / "qdrant", api_key="s3cret", grpc=True) as helper:
        config = config_of(helper, grpc=grpc, api_key="s3cret")
        assert "s3cret" not in repr(config)
        ServerStore.open(config, HashEmbedder()).close()
        for wrong in ("other", None):
            with pytest.raises(ConfigError, match="FOLIOSCOPE_QDRANT_API_KEY"):
                ServerStore.open(replace(config, api_key=wrong), HashEmbedder())


def test_an_old_server_is_refused(server, monkeypatch):
    """A server without per-tenant IDF would quietly rank otherwise."""
    monkeypatch.setattr("index.server_client.MIN_VERSION", (99, 0))
    with pytest.raises(ConfigError, match=r"needs 99\.0"):
        ServerStore.open(config_of(server), HashEmbedder())


@pytest.mark.parametrize(
    ("said", "means"),
    [
        (httpx_answer(500, "No space left on device: WAL buffer size exceeds available disk space"), StorageFull),
        (httpx_answer(503, "shutting down"), StoreUnavailable),
        (httpx_answer(429, "slow down"), StoreUnavailable),
        (httpx_answer(404, "Not found: Collection `x` doesn't exist!"), StoreUnavailable),
        (httpx_answer(403, "Forbidden"), ConfigError),
        (httpx_answer(400, "Wrong input: Vector dimension error"), InternalError),
        (grpc_answer("UNAVAILABLE", "failed to connect"), StoreUnavailable),
        (grpc_answer("DEADLINE_EXCEEDED", "Deadline Exceeded"), StoreUnavailable),
        (grpc_answer("INTERNAL", "Service internal error: No space left on device"), StorageFull),
        (grpc_answer("PERMISSION_DENIED", "Forbidden"), ConfigError),
        (grpc_answer("INVALID_ARGUMENT", "Wrong input: Vector dimension error"), InternalError),
        (grpc_answer("UNAVAILABLE", "Ssl handshake failed: CERTIFICATE_VERIFY_FAILED"), ConfigError),
        (KeyError("x"), InternalError),
    ],
    ids=str,
)
def test_what_a_server_says_becomes_one_of_our_errors(said, means):
    """The environment's faults can be tried again, settings name themselves, and only the rest is our bug."""
    assert type(translate(said, ServerConfig("http://x"))) in {means, *means.__subclasses__()}


def test_verify_and_a_new_start_over_a_server(server, tmp_path, monkeypatch):
    """`verify` compares the catalog with the server's points; dropping the index empties it, as `rebuild` does."""
    monkeypatch.setattr(wiring, "build_embedder_for", lambda _settings: HashEmbedder())
    settings = Settings(
        data_dir=tmp_path,
        broker_url="redis://127.0.0.1:1/0",
        qdrant_url=server.url,
        qdrant_grpc_port=server.grpc_port or 6334,
        qdrant_collection="verify",
    )
    wiring.drop_index(settings)
    truth = wiring.open_truth(settings)
    truth.store.add_pending([PageKey("t", "nobody", 1)], labels(), NOW)
    truth.close()
    checked = maintenance.verify(settings)
    assert (checked.pages, [finding.code for finding in checked.findings]) == (1, ["page_unowned"])
    wiring.drop_index(settings)
    assert maintenance.verify(settings).pages == 0
    wiring.drop_index(settings)


def _until(condition, timeout_s=120.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
