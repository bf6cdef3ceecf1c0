"""The gRPC side of `tests/qdrant_helper.py`: the messages of the real client, turned into the same requests as JSON.

The messages, the services and the conversions are those of `qdrant-client` itself, so what is tested here is how our
store looks on the wire; what a request does is decided in one place for both interfaces.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc
from qdrant_client import grpc as g
from qdrant_client import models as m
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc

_CODES = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ALREADY_EXISTS,
    413: grpc.StatusCode.OUT_OF_RANGE,
    422: grpc.StatusCode.INVALID_ARGUMENT,
}


def serve(state, refused, most, port):
    """Serve what `state.answer` answers on a port; `refused` is its exception for answers that are not 200,
    `most` the largest request in bytes.
    """
    server = grpc.server(
        ThreadPoolExecutor(16),
        interceptors=[_Key(state.key)],
        options=[("grpc.max_receive_message_length", most), ("grpc.so_reuseport", 0)],
    )
    g.add_PointsServicer_to_server(_guarded(Points(state), refused), server)
    g.add_CollectionsServicer_to_server(_guarded(Collections(state), refused), server)
    g.add_QdrantServicer_to_server(_guarded(Root(state), refused), server)
    assert server.add_insecure_port(f"127.0.0.1:{port}") == port
    server.start()
    return server


class _Key(grpc.ServerInterceptor):
    def __init__(self, key):
        self._key = key

        def abort(_request, context):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "Must provide an API key or an Authorization bearer token")

        self._abort = grpc.unary_unary_rpc_method_handler(abort)

    def intercept_service(self, continuation, details):
        given = dict(details.invocation_metadata).get("api-key")
        return self._abort if self._key and given != self._key else continuation(details)


def _guarded(servicer, refused):
    """Every method of a service, with our errors as status codes."""

    def guard(method):
        def run(request, context):
            try:
                return method(request)
            except refused as error:
                context.abort(_CODES[error.status], str(error))
            except Exception as error:
                context.abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")

        return run

    for name in dir(servicer):
        if name[0].isupper():
            setattr(servicer, name, guard(getattr(servicer, name)))
    return servicer


def _plain(model):
    """A model of the client, or what holds some, as JSON values."""
    if isinstance(model, list):
        return [_plain(one) for one in model]
    return model.model_dump(mode="json", exclude_none=True) if hasattr(model, "model_dump") else model


def _given(request, **conversions):
    """Those of the request's fields that are set, converted."""
    return {
        name.rstrip("_"): _plain(convert(getattr(request, name.rstrip("_"))))
        for name, convert in conversions.items()
        if request.HasField(name.rstrip("_"))
    }


class Base:
    def __init__(self, state):
        self._state = state

    def ask(self, method, request, rest, body=None):
        return self._state.answer(method, f"/collections/{request.collection_name}{rest}", body or {})


class Points(Base, g.PointsServicer):
    def Upsert(self, request):
        body = _given(request, update_filter=GrpcToRest.convert_filter, update_mode=GrpcToRest.convert_update_mode)
        self.ask("PUT", request, "/points", body | {"points": [_point(point) for point in request.points]})
        return _done()

    def UpdateBatch(self, request):
        operations = [_plain(GrpcToRest.convert_points_update_operation(one)) for one in request.operations]
        for plain, one in zip(operations, request.operations, strict=True):
            # Without this the fields that are to go would be left out with those that were not given.
            plain["set_payload"]["payload"] = GrpcToRest.convert_payload(one.set_payload.payload)
        self.ask("POST", request, "/points/batch", {"operations": operations})
        return g.UpdateBatchResponse(result=[_update() for _ in operations])

    def Delete(self, request):
        self.ask("POST", request, "/points/delete", _plain(GrpcToRest.convert_points_selector(request.points)))
        return _done()

    def Get(self, request):
        found = self.ask("POST", request, "/points", _wanted(request) | {"ids": [p.uuid for p in request.ids]})
        return g.GetResponse(result=[_record(record) for record in found])

    def Scroll(self, request):
        body = _wanted(request) | _given(
            request, filter=GrpcToRest.convert_filter, offset=GrpcToRest.convert_point_id, limit=int
        )
        page = self.ask("POST", request, "/points/scroll", body)
        after = page["next_page_offset"]
        return g.ScrollResponse(
            result=[_record(record) for record in page["points"]],
            next_page_offset=None if after is None else g.PointId(uuid=after),
        )

    def Count(self, request):
        found = self.ask("POST", request, "/points/count", _given(request, filter=GrpcToRest.convert_filter))
        return g.CountResponse(result=g.CountResult(count=found["count"]))

    def Facet(self, request):
        body = _given(request, filter=GrpcToRest.convert_filter, limit=int) | {"key": request.key}
        hits = self.ask("POST", request, "/facet", body)["hits"]
        return g.FacetResponse(
            hits=[g.FacetHit(value=g.FacetValue(string_value=h["value"]), count=h["count"]) for h in hits]
        )

    def Query(self, request):
        body = _wanted(request) | _given(
            request, filter=GrpcToRest.convert_filter, query=GrpcToRest.convert_query, limit=int
        )
        body["prefetch"] = [_plain(GrpcToRest.convert_prefetch_query(one)) for one in request.prefetch]
        found = self.ask("POST", request, "/points/query", body)["points"]
        return g.QueryResponse(result=[RestToGrpc.convert_scored_point(m.ScoredPoint(**point)) for point in found])

    def CreateFieldIndex(self, request):
        schema = _plain(GrpcToRest.convert_payload_schema_params(request.field_index_params))
        body = {"field_name": request.field_name, "field_schema": schema}
        self.ask("PUT", request, "/index", body)
        return _done()

    def CreateVectorName(self, request):
        given = request.dense_config
        dense = m.DenseVectorConfig(
            size=given.size,
            distance=GrpcToRest.convert_distance(given.distance),
            multivector_config=GrpcToRest.convert_multivector_config(given.multivector_config),
            datatype=GrpcToRest.convert_datatype(given.datatype).value,
        )
        self.ask("PUT", request, f"/vectors/{request.vector_name}", {"dense": _plain(dense)})
        return _done()


class Collections(Base, g.CollectionsServicer):
    def Get(self, request):
        info = m.CollectionInfo(**self.ask("GET", request, ""))
        return g.GetCollectionInfoResponse(result=RestToGrpc.convert_collection_info(info))

    def Create(self, request):
        sparse = GrpcToRest.convert_sparse_vector_config(request.sparse_vectors_config)
        vectors = GrpcToRest.convert_vectors_config(request.vectors_config)
        body = {
            "vectors": {name: _plain(params) for name, params in vectors.items()},
            "sparse_vectors": {name: _plain(params) for name, params in sparse.items()},
            "metadata": GrpcToRest.convert_payload(request.metadata),
        }
        return g.CollectionOperationResponse(result=self.ask("PUT", request, "", body))

    def Delete(self, request):
        return g.CollectionOperationResponse(result=self.ask("DELETE", request, ""))


class Root(Base, g.QdrantServicer):
    def HealthCheck(self, _request):
        return g.HealthCheckReply(title="qdrant - vector search engine", version=self._state.version)


def _wanted(request):
    """What of a point a request asks for."""
    body = _given(request, with_payload=GrpcToRest.convert_with_payload_selector)
    if request.HasField("with_vectors"):
        body["with_vector"] = list(request.with_vectors.include.names) or request.with_vectors.enable
    return body


def _point(point):
    """As JSON, without the client's models: they would look at two million numbers one by one."""
    vectors = {}
    for name, vector in point.vectors.vectors.vectors.items():
        if vector.HasField("sparse"):
            vectors[name] = {"indices": list(vector.sparse.indices), "values": list(vector.sparse.values)}
        else:
            vectors[name] = [list(row.data) for row in vector.multi_dense.vectors]
    return {"id": point.id.uuid, "vector": vectors, "payload": GrpcToRest.convert_payload(point.payload)}


def _record(record):
    vectors = {
        name: g.VectorOutput(multi_dense=g.MultiDenseVector(vectors=[g.DenseVector(data=row) for row in rows]))
        for name, rows in record.get("vector", {}).items()
    }
    return g.RetrievedPoint(
        id=g.PointId(uuid=record["id"]),
        payload=RestToGrpc.convert_payload(record["payload"] or {}),
        vectors=g.VectorsOutput(vectors=g.NamedVectorsOutput(vectors=vectors)) if vectors else None,
    )


def _update():
    return g.UpdateResult(operation_id=0, status=g.UpdateStatus.Completed)


def _done():
    return g.PointsOperationResponse(result=_update())
