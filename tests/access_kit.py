"""An API with keys in front of a small real library, and a caller that knows how to call every route it documents."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from types import SimpleNamespace

from api.app import create_app
from api.config import ApiConfig
from api.keyring import KeyRing
from index.keys import KeyDirectory, Scope, key_id_of
from tests.api_kit import Api
from tests.kit import Archive, HashEmbedder, pdf
from worker.answer_extractive import ExtractiveAnswerer

ALL = frozenset(Scope)
READ, WRITE, ADMIN = (frozenset({scope}) for scope in (Scope.READ, Scope.WRITE, Scope.ADMIN))
HOOK_URL = "http://127.0.0.1:9/hook"
SECRET = "The zanzibar fund stands at 412 pounds."
OPEN = {"GET /livez", "GET /readyz", "OPTIONS /v1/uploads"}


class KeyedApi(Api):
    """`Api` over an `Archive` whose service wants keys."""

    def __init__(self, root, *, limits=None, required=True, **config):
        self.archive = Archive(root, answerer=ExtractiveAnswerer(HashEmbedder()))
        self.service = self.archive.library
        self.keys = KeyDirectory(root)
        self.ring = KeyRing(self.keys, required=required)
        self.app = create_app(
            self.service, ApiConfig(poll_s=0.01, max_upload_bytes=1 << 20, **config), ring=self.ring, limits=limits
        )
        self.schema = self.app.openapi()

    def key(self, tenant="default", scopes=ALL, **options):
        """Headers with a new key."""
        token, _ = self.keys.create(name=tenant, tenant=tenant, scopes=scopes, now=datetime.now(UTC), **options)
        return {"Authorization": f"Bearer {token}"}

    def fill(self, headers, text=SECRET, filename="zanzibar.pdf"):
        """A document that is read, an upload that is not finished: the ids that paths can name."""
        answer = self.post("/v1/documents", files={"file": (filename, pdf(text, "Page two."))}, headers=headers)
        assert answer.status_code == 202, answer.text
        self.archive.settle()
        tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "9"}
        upload = self.request("POST", "/v1/uploads", headers=headers | tus)
        assert upload.status_code == 201, upload.text
        hook = self.service.webhooks.register(self.keys.get(key_id_of(headers["Authorization"][7:])).tenant, HOOK_URL)
        return SimpleNamespace(
            document_id=answer.json()["id"],
            page=1,
            upload_id=upload.headers["location"].rpartition("/")[2],
            webhook_id=hook.hook_id,
        )

    @property
    def operations(self):
        return {
            f"{method.upper()} {path}": operation
            for path, methods in self.schema["paths"].items()
            for method, operation in methods.items()
        }

    def call(self, name, ids, headers=None):
        """Call a route as its own documentation shows it, with these ids. A route with an id, a required parameter or
        a body that nobody described to this test fails here."""
        method, path = name.split(" ", 1)
        operation = self.operations[name]
        headers, query = dict(headers or {}), {}
        for parameter in operation.get("parameters", []):
            where, called = parameter["in"], parameter["name"]
            if called == "model":  # of this service, and nobody's own
                path = path.replace("{model}", "folioscope")
            elif where == "path":
                assert hasattr(ids, called), f"{name}: teach tests/access_kit.py what a {called} is"
                path = path.replace(f"{{{called}}}", str(getattr(ids, called)))
            elif called == "document_id":
                query[called] = ids.document_id
            elif where == "header":
                headers[called] = str((parameter["schema"].get("examples") or parameter["examples"])[0])
            else:
                assert not parameter.get("required"), f"{name}: teach tests/access_kit.py a value for {called}"
        body = self._body(name, operation, ids, headers)
        return self.request(method, path, headers=headers, params=query, **body)

    def _body(self, name, operation, ids, headers):
        content = operation.get("requestBody", {}).get("content", {})
        if "multipart/form-data" in content:
            return {"files": {"file": ("a.pdf", pdf("another text"))}}
        if "application/json" in content:
            examples = content["application/json"]["examples"]
            value = next(iter(examples.values()))["value"]
            return {"json": with_documents(value, ids.document_id)}
        if content:
            (headers["Content-Type"],) = content
            headers["Upload-Metadata"] = "filename " + base64.b64encode(b"a.pdf").decode()
            return {"content": b"%PDF-1.7\n"[:9]}
        return {}


def with_documents(value, document_id):
    """A request body whose every list of documents names this one."""
    if isinstance(value, dict):
        changed = {name: with_documents(inner, document_id) for name, inner in value.items()}
        if "query" in value or "question" in value:
            changed["filter"] = {"document_ids": [document_id]}
        if "model" in value:
            changed["folioscope"] = {"filter": {"document_ids": [document_id]}}
        return changed
    return value


def scopes_of(operation):
    """What the document says that a route needs; None where no key is needed."""
    security = operation.get("security")
    return None if not security else frozenset(map(Scope, security[0]["key"]))


def without(text, *ids):
    """The text with ids taken out, so that two answers about two ids can be compared byte for byte."""
    return re.sub("|".join(map(re.escape, ids)), "ID", text)
