"""A local stand-in for a Qdrant server: the part of its REST interface that we use, over the real engine (Qdrant Edge).

`QdrantHelper` starts it as a process that can be killed and started again; as a program it is
`python -m tests.qdrant_helper DIRECTORY PORT`. Requests of the real `qdrant-client` are translated one to one; nothing
is simulated but placement, shards and replicas, which one process has not. With `FOLIOSCOPE_TEST_QDRANT_URL` set,
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

import qdrant_edge as q

from tests.stack_redis import free_port

VERSION = "1.20.0"
ROOT = Path(__file__).parent.parent
_KINDS = {
    "keyword": q.PayloadSchemaType.Keyword,
    "datetime": q.PayloadSchemaType.Datetime,
    "integer": q.PayloadSchemaType.Integer,
}
_MODES = {"insert_only": q.UpdateMode.InsertOnly, "update_only": q.UpdateMode.UpdateOnly, "upsert": q.UpdateMode.Upsert}


class Refused(Exception):
    """An answer that is not 200."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Collection:
    """One shard and what made it."""

    def __init__(self, directory: Path, wanted=None):
        self.directory = directory
        self._facts = directory / "collection.json"
        if wanted is not None:
            directory.mkdir(parents=True)
            self.shard = q.EdgeShard.create(str(_made(directory / "shard")), _config(wanted))
            self.wanted, self.indexed = wanted, {}
            self.note()
        else:
            known = json.loads(self._facts.read_text())
            self.wanted, self.indexed = known["wanted"], known["indexed"]
            self.shard = q.EdgeShard.load(str(directory / "shard"))
        self.guard = threading.Lock()

    def note(self):
        partial = self._facts.with_suffix(".part")
        partial.write_text(json.dumps({"wanted": self.wanted, "indexed": self.indexed}))
        partial.replace(self._facts)

    def info(self):
        return {
            "status": "green",
            "optimizer_status": "ok",
            "segments_count": 1,
            "config": {
                "params": {"vectors": self.wanted["vectors"], "sparse_vectors": self.wanted["sparse_vectors"]},
                "hnsw_config": {"m": 0, "ef_construct": 100, "full_scan_threshold": 10000},
                "optimizer_config": {
                    "deleted_threshold": 0.2,
                    "vacuum_min_vector_number": 1000,
                    "default_segment_number": 0,
                    "flush_interval_sec": 5,
                },
                "metadata": self.wanted.get("metadata"),
            },
            "payload_schema": {name: {"data_type": kind, "points": 0} for name, kind in self.indexed.items()},
        }

    def index(self, body):
        kind = body["field_schema"]["type"] if isinstance(body["field_schema"], dict) else body["field_schema"]
        self.update(q.UpdateOperation.create_field_index(body["field_name"], _KINDS[kind]))
        self.indexed[body["field_name"]] = kind
        self.note()

    def make_room(self, name, body):
        if name in self.wanted["vectors"]:
            raise Refused(409, f"Wrong input: Vector {name} already exists!")
        dense = body["dense"]
        self.update(
            q.UpdateOperation.create_dense_vector(
                name, dense["size"], _distance(dense), _most_similar(), q.VectorStorageDatatype.Float16
            )
        )
        self.wanted["vectors"][name] = dense
        self.note()

    def update(self, operation):
        with self.guard:
            self.shard.update(operation)

    def upsert(self, body):
        points = [q.Point(p["id"], _vectors(p["vector"]), p.get("payload") or {}) for p in body["points"]]
        mode = _MODES[body.get("update_mode") or "upsert"]
        self.update(
            q.UpdateOperation.upsert_points(points, condition=_filter(body.get("update_filter")), update_mode=mode)
        )

    def batch(self, body):
        for operation in body["operations"]:
            [(name, given)] = operation.items()
            assert name == "set_payload", name
            self.update(q.UpdateOperation.set_payload_by_filter(_filter(given["filter"]), given["payload"]))

    def delete(self, body):
        self.update(q.UpdateOperation.delete_points_by_filter(_filter(body["filter"])))

    def retrieve(self, body):
        with_vector = body.get("with_vector") or False
        return [_record(r) for r in self.shard.retrieve(body["ids"], _fields(body.get("with_payload")), with_vector)]

    def scroll(self, body):
        request = q.ScrollRequest(
            offset=body.get("offset"),
            limit=body.get("limit") or 10,
            filter=_filter(body.get("filter")),
            with_payload=_fields(body.get("with_payload")),
        )
        records, offset = self.shard.scroll(request)
        return {"points": [_record(r) for r in records], "next_page_offset": None if offset is None else str(offset)}

    def count(self, body):
        return {"count": self.shard.count(q.CountRequest(exact=True, filter=_filter(body.get("filter"))))}

    def facet(self, body):
        request = q.FacetRequest(
            body["key"], limit=body.get("limit") or 10, exact=True, filter=_filter(body.get("filter"))
        )
        return {"hits": [{"value": hit.value, "count": hit.count} for hit in self.shard.facet(request).hits]}

    def query(self, body):
        request = q.QueryRequest(
            limit=body.get("limit") or 10,
            prefetches=_prefetches(body),
            query=_query(body),
            filter=_filter(body.get("filter")),
            with_payload=_fields(body.get("with_payload")),
        )
        found = self.shard.query(request)
        return {"points": [{**_record(p), "version": 0, "score": p.score} for p in found]}


def _made(path):
    path.mkdir(parents=True)
    return path


def _distance(params):
    return {"Cosine": q.Distance.Cosine, "Dot": q.Distance.Dot}[params["distance"]]


def _most_similar():
    return q.MultiVectorConfig(q.MultiVectorComparator.MaxSim)


def _config(wanted):
    vectors = {}
    for name, params in wanted["vectors"].items():
        options = {}
        if params.get("datatype") == "float16":
            options["datatype"] = q.VectorStorageDatatype.Float16
        if (params.get("hnsw_config") or {}).get("payload_m") == 0:
            options["hnsw_config"] = q.HnswIndexConfig(m=0, ef_construct=16, full_scan_threshold=10_000)
        vectors[name] = q.EdgeVectorParams(
            size=params["size"], distance=_distance(params), multivector_config=_most_similar(), **options
        )
    sparse = {name: q.EdgeSparseVectorParams(modifier=q.Modifier.Idf) for name in wanted["sparse_vectors"]}
    return q.EdgeConfig(vectors=vectors, sparse_vectors=sparse)


def _vectors(given):
    return {
        name: q.SparseVector(value["indices"], value["values"]) if isinstance(value, dict) else value
        for name, value in (given or {}).items()
    }


def _filter(given):
    return q.Filter(must=[_condition(one) for one in given["must"]]) if given else None


def _condition(given):
    if "has_id" in given:
        return q.HasIdCondition(set(given["has_id"]))
    match, between = given.get("match"), given.get("range")
    if match and "any" in match:
        return q.FieldCondition(given["key"], match=q.MatchAny(match["any"]))
    if match:
        return q.FieldCondition(given["key"], match=q.MatchValue(match["value"]))
    return q.FieldCondition(given["key"], range=q.RangeDateTime(gte=between.get("gte"), lte=between.get("lte")))


def _fields(given):
    if isinstance(given, list):
        return q.PayloadSelector.Include(given)
    if isinstance(given, dict):
        return q.PayloadSelector.Exclude(given["exclude"])
    return bool(given)


def _prefetches(body):
    return [
        q.Prefetch(
            limit=one.get("limit") or 10,
            query=_query(one),
            prefetches=_prefetches(one),
            filter=_filter(one.get("filter")),
            params=_params(one.get("params")),
        )
        for one in body.get("prefetch") or ()
    ]


def _params(given):
    if not given or not given.get("idf"):
        return None
    return q.SearchParams(idf=q.IdfParams(corpus=_filter(given["idf"]["corpus"])))


def _query(body):
    query = body["query"]
    if "formula" in query:
        return q.Formula(_expression(query["formula"]), defaults=query.get("defaults"))
    nearest = query["nearest"]
    vector = q.SparseVector(nearest["indices"], nearest["values"]) if isinstance(nearest, dict) else nearest
    return q.Query.Nearest(vector, using=body["using"])


def _expression(given):
    if isinstance(given, str):
        return q.Expression.Variable(given)
    if isinstance(given, int | float):
        return q.Expression.Constant(float(given))
    [(name, value)] = given.items()
    if name == "div":
        zero = value.get("by_zero_default")
        return q.Expression.Div(_expression(value["left"]), _expression(value["right"]), by_zero_default=zero)
    return {"mult": q.Expression.Mult, "sum": q.Expression.Sum}[name]([_expression(one) for one in value])


def _record(record):
    vector = record.vector or {}
    content = {"id": str(record.id), "payload": record.payload}
    if vector:
        content["vector"] = {
            name: value if isinstance(value, list) else value.tolist() for name, value in vector.items()
        }
    return content


class Server:
    """All collections of a directory."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.key = os.environ.get("QDRANT__SERVICE__API_KEY")
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
    directory, port = Path(sys.argv[1]), int(sys.argv[2])
    directory.mkdir(parents=True, exist_ok=True)
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.request_queue_size = 128
    server.daemon_threads = True
    server.state = Server(directory)
    server.serve_forever()


class QdrantHelper:
    """Keeps its port and its data over restarts. `environment` are the settings that lead to it."""

    def __init__(self, directory: Path, *, api_key=None):
        self.directory = directory
        self.api_key = api_key
        self.real = os.environ.get("FOLIOSCOPE_TEST_QDRANT_URL")
        self.port = free_port()
        self.url = self.real or f"http://127.0.0.1:{self.port}"
        self.process = None

    @property
    def environment(self):
        if self.real:
            collection = f"test-{abs(hash(str(self.directory))):x}"
            return {"FOLIOSCOPE_QDRANT_URL": self.real, "FOLIOSCOPE_QDRANT_COLLECTION": collection}
        return {"FOLIOSCOPE_QDRANT_URL": self.url, "FOLIOSCOPE_QDRANT_GRPC_PORT": "0"}

    def start(self):
        if self.real:
            return self
        environment = dict(os.environ) | ({"QDRANT__SERVICE__API_KEY": self.api_key} if self.api_key else {})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.qdrant_helper", str(self.directory), str(self.port)],
            env=environment,
            cwd=ROOT,
        )
        deadline = time.monotonic() + 60
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
