"""An in-memory `ServiceProtocol` for tests of the HTTP side, and clients for it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import tempfile
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import uvicorn

from api.app import create_app
from api.config import ApiConfig
from api.serve import bind
from index import ids
from index.errors import BadDocument, Conflict, NotFound, StorageFull, TooLarge
from index.store import PageCounts
from index.types import (
    Answer,
    Box,
    Citation,
    DocumentState,
    Hit,
    Manifest,
    Origin,
    PageKey,
    PageLabels,
    PagePoint,
    PageSize,
    PageState,
    Reader,
    Region,
    RegionKind,
    SearchResult,
    Snippet,
    Split,
    TextLayerPolicy,
    Word,
)
from worker.asking.pipeline import Cited, Done, Selected, Told
from worker.asking.selection import Considered
from worker.decoding import Located
from worker.engine.engine import Decoded, Finish
from worker.engine.prompts import Prompt, Task
from worker.folders import Folder
from worker.idempotency import IdempotencyKeys
from worker.overview import Disk, Inside, Overview, QueueFacts, WorkerState
from worker.read_again import Asked, Step
from worker.service import DocumentView, Readiness, Receipt
from worker.uploads import ResumableUploads, UploadConfig, accepting
from worker.webhooks.desk import Webhooks
from worker.webhooks.targets import HostRules

LOCAL = "http://127.0.0.1:8321"
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
WEBP = b"RIFF\x00\x00\x00\x00WEBPVP8 "


class FakeStaging:
    def __init__(self, service, limit):
        self.size = 0
        self.chunks = []
        self.discarded = 0
        self.largest_write = 0
        self._service = service
        self._limit = limit

    def write(self, chunk):
        if self._service.write_error:
            raise self._service.write_error
        self.size += len(chunk)
        self.largest_write = max(self.largest_write, len(chunk))
        if self.size > self._limit:
            raise TooLarge("The file is over the limit.")
        if self._service.keep_bytes:
            self.chunks.append(bytes(chunk))

    def discard(self):
        self.discarded += 1

    @property
    def content(self):
        return b"".join(self.chunks)


class FakeService:
    """Documents are text: pages are separated by form feeds. `settle` reads what was accepted."""

    def __init__(self, *, limit=1 << 40, keep_bytes=True, read_at_once=True):
        self.limit = limit
        self.keep_bytes = keep_bytes
        self.read_at_once = read_at_once
        self.write_error = None
        self.fail_with = None  # every call raises it
        self.refused = 0  # calls that did
        self.staged = []
        self.accepted = []  # (tenant, filename, password, text_layer)
        self.views = {}
        self.texts = {}
        self.looks = 0
        self.asked_again = []  # (document id, page, everything)
        self.reranked = []  # of searches, in turn
        self.conversed = []  # (conversation id, history)
        self.fail_answers = None  # after the selection
        self.heeds_folders = False
        self._directory = tempfile.TemporaryDirectory()
        self.uploads = ResumableUploads(Path(self._directory.name) / "uploads", UploadConfig(limit))
        self.idempotency = IdempotencyKeys(Path(self._directory.name) / "idempotency")
        self.webhooks = Webhooks(Path(self._directory.name) / "webhooks", HostRules())
        self.prepared = threading.Event()

    def prepare(self) -> None:
        self.prepared.set()

    def stage(self):
        self._check()
        self.staged.append(FakeStaging(self, self.limit))
        return self.staged[-1]

    def accept(self, tenant, staged, *, filename, password=None, text_layer=TextLayerPolicy.AUTO):
        self._check()
        content = staged.content
        if content.startswith(b"!locked") and password != "pässword":
            raise BadDocument("The file is encrypted; send its password along.", code="encrypted")
        sha256 = hashlib.sha256(content).hexdigest()
        document_id = ids.document_id(tenant, sha256)
        self.accepted.append((tenant, filename, password, text_layer))
        if document_id in self.views:
            return self.views[document_id], False
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=len(self.views))
        name = filename.rpartition("/")[2]
        manifest = Manifest(tenant, document_id, sha256, len(content), name, "application/pdf", at, text_layer)
        view = DocumentView(manifest, DocumentState.ACCEPTED, PageCounts(), None, (Origin(None, filename),))
        self.views[document_id] = view
        self.texts[document_id] = content.decode("utf-8", "replace").split("\f")
        (Path(self._directory.name) / document_id).write_bytes(content)
        if self.read_at_once:
            self.settle(document_id)
        return view, True

    def finish_upload(self, tenant, upload_id):
        return self.uploads.finish(tenant, upload_id, accepting(self))

    def settle(self, document_id, done=None):
        """Read the first `done` pages, or all."""
        view, texts = self.views[document_id], self.texts[document_id]
        done = len(texts) if done is None else done
        counts = PageCounts(len(texts) - done, done)
        state = DocumentState.READING if counts.pending else DocumentState.DONE
        split = Split(tuple(PageSize(100, 100) for _ in texts))
        self.views[document_id] = replace(view, state=state, pages=counts, split=split)

    def count_documents(self, tenant, *, folder=None, **which):
        return sum(1 for view in self.views.values() if not folder or self._lies_in(view, folder))

    def _lies_in(self, view, folder):
        return any(origin.path.startswith(f"{folder}/") for origin in view.origins)

    def folders(self, tenant, within=""):
        return [Folder(f"{within}/letters".lstrip("/"), len(self.views))]

    def reading(self, tenant):
        return self.counts(tenant), 0

    def documents(self, tenant, *, cursor=None, limit=50, **which):
        self._check()
        views = sorted(self.views.values(), key=lambda view: view.manifest.created_at, reverse=True)
        start = int(cursor or 0)
        return views[start : start + limit], str(start + limit) if start + limit < len(views) else None

    def document(self, tenant, document_id):
        self._check()
        self.looks += 1
        if document_id not in self.views or self.views[document_id].manifest.tenant != tenant:
            raise NotFound(f"There is no document {document_id}.")
        return self.views[document_id]

    def unknown(self, tenant, document_ids):
        known = {one for one, view in self.views.items() if view.manifest.tenant == tenant}
        return tuple(one for one in document_ids if one not in known)

    def watch(self, tenant, document_id, *, poll_s=0.3):
        yield self.document(tenant, document_id)

    def original(self, tenant, document_id):
        return self.document(tenant, document_id).manifest, Path(self._directory.name) / document_id

    def page(self, tenant, document_id, page):
        view = self.document(tenant, document_id)
        if page > len(self.texts[document_id]):
            raise NotFound(f"There is no page {page}.")
        return view, self._point(view, page)

    def page_image(self, tenant, document_id, page, *, width, kind):
        self.page(tenant, document_id, page)
        return WEBP + f"{kind} {width}".encode()

    def decode(self, tenant, document_id, page, prompt):
        text = self.page(tenant, document_id, page)[1].text
        if "!no tokens" in text:
            raise Conflict("The page was read by fake@1/ocr and has no vision tokens.", code="no_vision_tokens")
        region = Region(RegionKind.PARAGRAPH, Box(0.1, 0.1, 0.9, 0.2), 0, len(text))
        raw = f"<|ref|>{prompt.argument}<|/ref|><|det|>[[100, 100, 500, 200]]<|/det|>"
        finish = Finish.LENGTH if "!long" in text else Finish.END
        return Decoded(prompt, raw, f"{prompt.task}: {text}", (region,), 7, finish, -0.05, 0, 0.95)

    def locate(self, tenant, document_id, page, phrase):
        found = phrase.lower() in self.page(tenant, document_id, page)[1].text.lower()
        decoded = self.decode(tenant, document_id, page, Prompt(Task.LOCATE, phrase))
        return Located((Box(0.1, 0.1, 0.5, 0.2),) if found else (), decoded)

    def read_again(self, tenant, document_id, page=None, *, everything=False):
        self.document(tenant, document_id)
        if page is not None:
            self.page(tenant, document_id, page)
        self.asked_again.append((document_id, page, everything))
        return Asked(1 if page else 2, 0)

    def read_failed_again(self, tenant, *, cursor=None, limit=200):
        self.asked_again.append((None, cursor, limit))
        return Step(Asked(200), (), "1.0_files-") if cursor is None else Step(Asked(0, 3, 0), (), None)

    def inside(self):
        self._check()
        queues = (QueueFacts("read.cpu", 3), QueueFacts("read.gpu", 0))
        return Inside(True, queues, tuple(WorkerState(n, ("read.cpu", "x"), "e", 1, 0.0, 0) for n in ("w1", "w2")))

    def disk(self):
        return Disk(1000, 400, 100)

    def overlook(self, tenant):
        readiness = self.ready()
        return Overview(readiness, len(self.views), 0, PageCounts(), (), (), 0, (), 0, Inside(), None, len(self.views))

    def export(self, tenant, where):
        self._check()
        for document_id, view in self.views.items():
            if view.manifest.tenant == tenant and (not where.document_ids or document_id in where.document_ids):
                for number in range(1, len(self.texts[document_id]) + 1):
                    yield self._point(view, number)

    def delete(self, tenant, document_id):
        view = self.document(tenant, document_id)
        del self.views[document_id]
        return Receipt(
            document_id,
            view.manifest.filename,
            view.manifest.sha256,
            datetime(2026, 2, 1, tzinfo=UTC),
            view.pages.total,
            1,
            1,
            {"points": 0, "manifests": 0, "blobs": 0},
        )

    def search(self, tenant, query, where, *, limit, offset=0, rerank=False):
        self._check()
        self.last_filter = where
        self.reranked.append(rerank)
        word = query.strip('"').lower()
        hits = []
        there = self.count_documents(tenant, folder=where.folder) and not where.created_from
        if self.heeds_folders and where.folder and not there:
            return SearchResult(query, (), 1.5, 0, reranked=rerank)
        for document_id, view in self.views.items():
            for number, text in enumerate(self.texts[document_id], 1):
                at = text.lower().find(word)
                if at >= 0:
                    end = at + len(word)
                    snippet = Snippet(text, 0, len(text), ((at, end),), (Box(0.1, 0.1, 0.5, 0.2),), 1.0)
                    key = PageKey(tenant, document_id, number)
                    hits.append(Hit(key, self._labels(view), 1.0 / (1 + len(hits)), (snippet,), 100, 100, 0.9))
        return SearchResult(query, tuple(hits[offset : offset + limit]), 1.5, len(self.texts), reranked=rerank)

    def ask(self, tenant, question, where):
        result = self.search(tenant, question.split()[-1].rstrip("?"), where, limit=1)
        if not result.hits:
            return Answer(question, False, "Nothing in these documents answers that.", (), 0.0)
        hit = result.hits[0]
        text = hit.snippets[0].text
        citation = Citation(hit.key, hit.labels.filename, text, 0, len(text), (Box(0.1, 0.1, 0.5, 0.2),), 0.9)
        return Answer(question, True, f"{text} [1]", (citation,), 0.9, (hit.key,), 2.0)

    def converse(
        self, tenant, question, where, *, conversation_id=None, history=(), verify=False, cancelled=lambda: False
    ):
        self.conversed.append((conversation_id, list(history)))
        answer = self.ask(tenant, question, where)
        considered = tuple(Considered(key, 1.0, True, "the best match") for key in answer.considered)
        yield Selected(question, considered, 1.0, 0.5)
        if self.fail_answers:
            raise self.fail_answers
        yield Told(answer.text)
        yield Cited(answer.citations)
        yield Done(answer, considered, {"total": 2.0}, conversation_id)

    def new_conversation(self):
        return "0" * 32

    def counts(self, tenant):
        self._check()
        return PageCounts(1, 2, 3)

    def queue_depth(self):
        return 7

    def ready(self):
        self._check()
        return Readiness(True, "fake@1", "hash@1", {"index": "memory"})

    def close(self):
        self._directory.cleanup()

    def _check(self):
        if self.fail_with:
            self.refused += 1
            raise self.fail_with

    def _labels(self, view):
        return PageLabels(view.manifest.filename, view.manifest.media_type, view.manifest.created_at)

    def _point(self, view, page):
        text = self.texts[view.manifest.document_id][page - 1]
        key = PageKey(view.manifest.tenant, view.manifest.document_id, page)
        return PagePoint(
            key,
            PageState.DONE,
            self._labels(view),
            text=text,
            regions=(Region(RegionKind.PARAGRAPH, Box(0, 0, 1, 1), 0, len(text)),),
            words=(Word(0, 1, Box(0, 0, 0.123456789, 1)),),
            width=100,
            height=100,
            reader=Reader("fake", "1", "ocr"),
            trust=0.9,
        )


def storage_full():
    return StorageFull("The disk is full.")


class Api:
    """A service behind its app, called in the process without a socket."""

    def __init__(self, service=None, **config):
        self.service = service or FakeService()
        self.app = create_app(self.service, ApiConfig(**config))

    def request(self, method, url, **options):
        async def send():
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=LOCAL) as client:
                return await client.request(method, url, **options)

        return asyncio.run(send())

    def get(self, url, **options):
        return self.request("GET", url, **options)

    def post(self, url, **options):
        return self.request("POST", url, **options)

    def add(self, content=b"one\ftwo", filename="scan.pdf", **data):
        response = self.post("/v1/documents", files={"file": (filename, content)}, data=data)
        assert response.status_code == 202, response.text
        return response.json()["id"]


@contextlib.contextmanager
def serving(app):
    """The app behind a real socket; yields its URL."""
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        wait_for(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(60)


def wait_for(condition, seconds=90.0):
    """Until the condition holds; an assertion error after `seconds`, which no machine that is merely slow needs."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


def assert_problem(response, status, code):
    """The response is a problem of this status and code, in the one shape."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert {"type", "title", "status", "detail", "code"} <= body.keys()
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"] == f"urn:folioscope:error:{code}"
    assert body["detail"]
    assert response.headers["x-request-id"]
    return body
