"""Schemathesis over the whole OpenAPI document: nothing that the document allows or forbids ends in a 5xx, and every
answer is one that the document tells of. Against an in-process app over a real small library.

`FOLIOSCOPE_FUZZ_EXAMPLES` asks for more examples for each route than the few of CI. Failing examples print their seed.
"""

from __future__ import annotations

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.access_kit import ALL, KeyedApi
from tests.api_kit import Api

load_all_checks()
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
NAMES = sorted(
    f"{method.upper()} {path}" for path, methods in Api().app.openapi()["paths"].items() for method in methods
)
EXAMPLES = int(os.environ.get("FOLIOSCOPE_FUZZ_EXAMPLES", "15"))
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    made = KeyedApi(tmp_path_factory.mktemp("data"), body_timeout_s=5.0)
    # The caller begins and ends the app anew for each request, which MCP's part is not made for.
    made.app.state.running.clear()
    made.headers = made.key(scopes=ALL)
    made.ids = made.fill(made.headers)
    yield made
    made.archive.close()


@pytest.fixture(scope="module")
def schema(api):
    return schemathesis.openapi.from_asgi("/openapi.json", api.app, headers={"Host": "localhost"})


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", NAMES)
def test_the_document_is_true(name, mode, api, schema):
    """Requests as the document allows them, and others; with ids that exist where the path has some."""
    method, path = name.split(" ", 1)

    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def ask(case):
        for known, value in vars(api.ids).items():
            if known in case.path_parameters and method != "DELETE":
                case.path_parameters[known] = value
        case.call_and_validate(checks=CHECKS, headers=api.headers | {"Host": "localhost"})

    try:
        ask()
    except Unsatisfiable:
        pytest.skip("nothing in this route can be wrong")
