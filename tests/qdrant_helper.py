"""A local stand-in for a Qdrant server: the part of its interface that we use, over the real engine (Qdrant Edge).

`QdrantHelper` starts it as a process that can be killed and started again; as a program it is
`python -m tests.qdrant_helper DIRECTORY PORT [GRPC_PORT]`. Requests of the real `qdrant-client`, by REST or by gRPC
(`tests/qdrant_grpc.py`), are translated one to one; placement, quantisation, shards and replicas, which one process has
not, are taken note of and left at that. With `FOLIOSCOPE_TEST_QDRANT_URL` set,
`QdrantHelper` is a collection of that server instead, and cannot be killed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from tests.qdrant_edge_json import Collection, Refused
from tests.stack_redis import free_port

VERSION = "1.20.0"
MAX_REQUEST = 32 << 20  # a server's own default
ROOT = Path(__file__).parent.parent


class Server:
    """All collections of a directory."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.key = os.environ.get("QDRANT__SERVICE__API_KEY")
        self.version = VERSION
        self.guard = threading.Lock()
        self.collections = {}
        for path in directory.iterdir():
            if (path / "collection.json").exists():
                self.collections[path.name] = Collection(path)
            else:
                shutil.rmtree(path)  # killed while it was being made

    def answer(self, method, path, body):
        """The `result` of a request."""
        parts = path.strip("/").split("/")
        if parts[0] != "collections" or len(parts) < 2:
            raise Refused(404, "Not found")
        name, rest = parts[1], "/".join(parts[2:])
        if not rest and method in {"PUT", "DELETE"}:
            return self._make(name, body) if method == "PUT" else self._drop(name)
        collection = self.collections.get(name)
        if collection is None:
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        if not rest:
            return collection.info()
        if room := re.fullmatch(r"vectors/(\w+)", rest):
            collection.make_room(room[1], body)
            return _done()
        calls = {
            ("PUT", "index"): collection.index,
            ("PUT", "points"): collection.upsert,
            ("POST", "points"): collection.retrieve,
            ("POST", "points/batch"): collection.batch,
            ("POST", "points/delete"): collection.delete,
            ("POST", "points/scroll"): collection.scroll,
            ("POST", "points/count"): collection.count,
            ("POST", "points/query"): collection.query,
            ("POST", "facet"): collection.facet,
        }
        if (method, rest) not in calls:
            raise Refused(404, f"Not found: {method} {rest}")
        result = calls[method, rest](body)
        if rest == "points/batch":
            return [_done() for _ in body["operations"]]
        return _done() if result is None else result

    def _make(self, name, body):
        with self.guard:
            if name in self.collections:
                raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
            self.collections[name] = Collection(self.directory / name, body)
        return True

    def _drop(self, name):
        with self.guard:
            collection = self.collections.pop(name, None)
            if collection is not None:
                collection.shard.close()
                shutil.rmtree(collection.directory)
        return collection is not None


def _done():
    return {"operation_id": 0, "status": "completed"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = f"qdrant/{VERSION}"

    def _handle(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_REQUEST:
            self.close_connection = True
            return self._json(413, {"status": {"error": "Payload error: JSON payload is larger than allowed"}})
        body = json.loads(self.rfile.read(length)) if length else {}
        path = urlsplit(self.path).path
        key = self.server.state.key
        try:
            if path in {"/readyz", "/livez", "/healthz"}:
                return self._reply(200, b"all shards are ready", "text/plain")
            if key and self.headers.get("api-key") != key:
                return self._reply(401, b"Must provide an API key or an Authorization bearer token", "text/plain")
            if path == "/":
                return self._json(200, {"title": "qdrant - vector search engine", "version": VERSION})
            result = self.server.state.answer(self.command, path, body)
            return self._json(200, {"result": result, "status": "ok", "time": 0.0})
        except Refused as error:
            return self._json(error.status, {"status": {"error": str(error)}, "time": 0.0})
        except Exception as error:
            return self._json(500, {"status": {"error": f"{type(error).__name__}: {error}"}, "time": 0.0})

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = _handle

    def _json(self, status, content):
        self._reply(status, json.dumps(content).encode(), "application/json")

    def _reply(self, status, content, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def setup(self):
        super().setup()
        self.connection.setsockopt(6, 1, 1)  # TCP_NODELAY: an answer is two writes

    def log_message(self, *_):
        pass


def main():
    directory, port, *grpc_port = Path(sys.argv[1]), *map(int, sys.argv[2:])
    directory.mkdir(parents=True, exist_ok=True)
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.request_queue_size = 128
    server.daemon_threads = True
    server.state = Server(directory)
    if grpc_port:
        from tests import qdrant_grpc

        keep = qdrant_grpc.serve(server.state, Refused, MAX_REQUEST, *grpc_port)
        assert keep
    server.serve_forever()


class QdrantHelper:
    """Keeps its port and its data over restarts. `environment` are the settings that lead to it."""

    def __init__(self, directory: Path, *, api_key=None, grpc=False):
        """`grpc`: serve and use gRPC too, on `grpc_port`."""
        self.directory = directory
        self.api_key = api_key
        self.real = os.environ.get("FOLIOSCOPE_TEST_QDRANT_URL")
        self.port = free_port()
        self.grpc_port = free_port() if grpc and not self.real else 0
        self.url = self.real or f"http://127.0.0.1:{self.port}"
        self.process = None

    @property
    def environment(self):
        if self.real:
            collection = f"test-{abs(hash(str(self.directory))):x}"
            return {"FOLIOSCOPE_QDRANT_URL": self.real, "FOLIOSCOPE_QDRANT_COLLECTION": collection}
        return {"FOLIOSCOPE_QDRANT_URL": self.url, "FOLIOSCOPE_QDRANT_GRPC_PORT": str(self.grpc_port)}

    def start(self):
        if self.real:
            return self
        grpc_port = [str(self.grpc_port)] if self.grpc_port else []
        environment = dict(os.environ) | ({"QDRANT__SERVICE__API_KEY": self.api_key} if self.api_key else {})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.qdrant_helper", str(self.directory), str(self.port), *grpc_port],
            env=environment,
            cwd=ROOT,
        )
        deadline = time.monotonic() + 180
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):
                    return self
            except OSError:
                assert self.process.poll() is None, "the helper ended"
                assert time.monotonic() < deadline, "the helper does not answer"
                time.sleep(0.05)

    def kill(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    stop = kill

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


if __name__ == "__main__":
    main()
