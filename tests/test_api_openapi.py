"""The OpenAPI document is complete: descriptions, examples that are true, and every error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from api import (
    chat,
    problems,
    schemas,
    schemas_admin,
    schemas_asking,
    schemas_listing,
    schemas_pages,
    schemas_webhooks,
)
from tests.api_kit import Api

SCHEMA = Api().app.openapi()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in SCHEMA["paths"].items()
    for method, operation in operations.items()
}
LENIENT = {"OPTIONS /v1/uploads", "GET /v1/models", "GET /livez", "GET /readyz", "GET /metrics"}
DOCS = Path(__file__).parent.parent / "docs"


def test_all_routes_are_there():
    """Those that were promised, and no others."""
    assert set(OPERATIONS) == {
        "POST /v1/documents",
        "GET /v1/documents",
        "GET /v1/documents/{document_id}",
        "DELETE /v1/documents/{document_id}",
        "GET /v1/documents/{document_id}/events",
        "GET /v1/documents/{document_id}/original",
        "GET /v1/documents/{document_id}/pages/{page}",
        "GET /v1/documents/{document_id}/pages/{page}/image",
        "POST /v1/documents/{document_id}/pages/{page}/decode",
        "POST /v1/documents/{document_id}/pages/{page}/locate",
        "POST /v1/documents/{document_id}/pages/{page}/read-again",
        "POST /v1/documents/{document_id}/read-again",
        "POST /v1/read-again",
        "GET /v1/admin/overview",
        "OPTIONS /v1/uploads",
        "POST /v1/uploads",
        "HEAD /v1/uploads/{upload_id}",
        "PATCH /v1/uploads/{upload_id}",
        "DELETE /v1/uploads/{upload_id}",
        "GET /v1/export",
        "GET /v1/folders",
        "GET /v1/progress",
        "POST /v1/search",
        "POST /v1/answers",
        "POST /v1/chat/completions",
        "GET /v1/models",
        "GET /v1/models/{model}",
        "POST /v1/session",
        "DELETE /v1/session",
        "POST /v1/webhooks",
        "GET /v1/webhooks",
        "DELETE /v1/webhooks/{webhook_id}",
        "POST /v1/webhooks/{webhook_id}/rotate",
        "POST /v1/webhooks/{webhook_id}/test",
        "GET /livez",
        "GET /readyz",
        "GET /metrics",
    }


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_described_with_examples_and_errors(name):
    """Description, tag, parameters, an example of each body but files, and at least the errors that all routes have."""
    operation = OPERATIONS[name]
    assert operation["description"]
    assert operation["tags"]
    for parameter in operation.get("parameters", []):
        assert parameter["description"], parameter
        assert parameter["schema"].get("examples") or parameter.get("examples"), parameter
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    for body in bodies:
        for media_type, content in body.get("content", {}).items():
            binary = content.get("schema", {}).get("format") == "binary"
            assert binary or "example" in content or content["examples"], media_type
    assert {"421", "500"} <= operation["responses"].keys()
    takes_values = bool(operation.get("parameters") or operation.get("requestBody"))
    # What takes none can be asked with one all the same, but where others' clients may add their own.
    assert ("422" in operation["responses"]) == (takes_values or name not in LENIENT)
    if name.startswith(("POST", "DELETE")):
        assert "403" in operation["responses"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_error_response_is_a_problem(name):
    """In the one media type, with examples that say the status they stand under."""
    for status, response in OPERATIONS[name]["responses"].items():
        if status < "400":
            continue
        assert list(response["content"]) == ["application/problem+json"]
        content = response["content"]["application/problem+json"]
        assert content["schema"] == {"$ref": "#/components/schemas/ProblemJSON"}
        for code, example in content["examples"].items():
            value = example["value"]
            schemas.ProblemJSON.model_validate(value)
            assert (str(value["status"]), value["code"]) == (status, code)
            assert problems.CODES[code].title == value["title"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_examples_fit_their_schemas(name):
    """An example that the code would not accept or send is worse than none."""
    operation = OPERATIONS[name]
    checked = 0
    for body in (operation.get("requestBody", {}), *operation["responses"].values()):
        content = body.get("content", {}).get("application/json")
        if content is None:
            continue
        name_of = content["schema"]["$ref"].rsplit("/", 1)[1]
        parts = (schemas, schemas_admin, schemas_asking, schemas_listing, schemas_pages, schemas_webhooks, chat)
        model = next(getattr(part, name_of) for part in parts if hasattr(part, name_of))
        for example in [content["example"]] if "example" in content else _values(content):
            TypeAdapter(model).validate_python(example)
            checked += 1
    assert (
        checked
        or name.endswith(("/events", "/original", "/image", "/metrics", "/export"))
        or {"201", "204"} & operation["responses"].keys()
        or name.startswith("HEAD ")
    )


def _values(content):
    return [example["value"] for example in content["examples"].values()]


def test_every_reference_resolves():
    """And nothing unused of the framework is left."""
    names = set(re.findall(r"#/components/schemas/(\w+)", str(SCHEMA)))
    assert names == set(SCHEMA["components"]["schemas"])


def test_the_document_is_served():
    """As JSON at /openapi.json."""
    assert Api().get("/openapi.json").json()["info"]["title"] == "Folioscope"


def test_docs_list_every_route_and_code():
    """docs/api.md names what the code has, and nothing else."""
    text = (DOCS / "api.md").read_text()
    routes = set(re.findall(r"^\| `((?:GET|POST|DELETE|HEAD|PATCH|OPTIONS) /[^`?]*)", text, re.MULTILINE))
    assert routes == set(OPERATIONS)
    codes = {
        (code, int(status), meaning)
        for code, status, meaning in re.findall(r"^\| `(\w+)` \| (\d{3}) \| (.*) \|$", text, re.MULTILINE)
    }
    assert codes == {(code, known.status, known.meaning) for code, known in problems.CODES.items()}
