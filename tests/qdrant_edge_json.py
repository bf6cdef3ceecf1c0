"""Collections of the stand-in for a Qdrant server: requests as JSON, answered by the real engine (Qdrant Edge)."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import qdrant_edge as q

from index.vision import MAX_NUMBERS

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
                "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0},
                "metadata": self.wanted.get("metadata"),
            },
            "payload_schema": {
                name: {"data_type": params["type"], "params": params, "points": 0}
                for name, params in self.indexed.items()
            },
        }

    def index(self, body):
        params = body["field_schema"]
        self.update(q.UpdateOperation.create_field_index(body["field_name"], _KINDS[params["type"]]))
        self.indexed[body["field_name"]] = params
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
    for name, value in (given or {}).items():
        if not isinstance(value, dict) and sum(map(len, value)) >= MAX_NUMBERS:
            # As a real one does, by REST and by gRPC: common/validation.rs of Qdrant.
            raise Refused(422, f"Validation error in JSON body: [{name}: multivector is too large]")
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
