"""A shelf of drawn pages behind `ServiceProtocol`, for tests of the web page in a browser.

Everything the page talks to is real but the reading: pages are drawn here, so words and their boxes are exact and no
weights are loaded. An upload is JSON (`{"pages": [...], "password": ..., "broken": [...]}`), its pages are "read" one
every `page_s` seconds, and anything else is a damaged file.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from index.catalog import Entry
from index.errors import NotFound
from index.store import PageCounts
from index.types import (
    Answer,
    Citation,
    DocumentState,
    Hit,
    Manifest,
    MemberFailure,
    Origin,
    PageKey,
    PageLabels,
    PagePoint,
    PageSize,
    PageState,
    Reader,
    ReadingMark,
    SearchFilter,
    SearchResult,
    Snippet,
    Split,
    VisionFormat,
)
from tests.web_pages import HEIGHT, WIDTH, Drawn, draw
from worker.asking.pipeline import Cited, Done, Selected, Told
from worker.asking.selection import Considered
from worker.decoding import Located
from worker.engine.engine import Decoded, Finish
from worker.engine.prompts import Prompt, Task
from worker.folders import Folder, folders
from worker.listing import Order, chosen, step
from worker.overview import Disk, FailedDocument, FailedPage, Inside, Overview, QueueFacts, WorkerState
from worker.read_again import Asked, Step
from worker.service import DocumentView, Readiness, Receipt

OPENING_S = 0.8
STOP = frozenset("a an and are at by did do for how in is it of on the to was what when where who why".split())  # noqa: SIM905


def _wait_while(condition, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while condition() and time.monotonic() < end:
        time.sleep(0.01)


@dataclass
class Shelved:
    """A document on the shelf. `page_s` 0 means: read at once."""

    manifest: Manifest
    pages: list[Drawn] = field(default_factory=list)
    broken: frozenset[int] = frozenset()
    error: tuple[str, str] | None = None
    members: tuple[tuple[str, str], ...] = ()
    member_failures: tuple[MemberFailure, ...] = ()
    origins: tuple[Origin, ...] = ()
    trust: float = 0.97
    page_s: float = 0.0
    since: float = 0.0
    opens: bool = False  # anew, for a moment after it was sent again: until then its old failure says nothing


class _Staged:
    def __init__(self) -> None:
        self.data = bytearray()

    @property
    def size(self) -> int:
        return len(self.data)

    def write(self, chunk: bytes) -> None:
        self.data += chunk

    def discard(self) -> None:
        self.data.clear()


class ShelfService:
    """`ServiceProtocol` over drawn pages. One tenant; thread-safe enough for a test server."""

    def __init__(self, *, page_s: float = 0.15) -> None:
        self.page_s = page_s
        self.delays: dict[str, float] = {}  # query -> seconds that its search takes
        self.phrases = True  # words in quotes must stand together
        self.word_s = 0.0  # between two words of an answer
        self.fail_answer: Exception | None = None  # after the first words
        self.asked: list[tuple[str, str | None]] = []  # question, conversation
        self.sent: list[str] = []  # names and paths, as they were accepted
        self.accept_s = 0.0  # that taking a file takes
        # Tests that need a moment to last make it last with these, and take them away again.
        self.most_files: int | None = None  # that are taken; those after them wait
        self.most_pages: int | None = None  # of a document that are read
        self.most_words: int | None = None  # of an answer that are told
        self.held: set[str] = set()  # queries and tasks that wait
        self._files = 0
        self.stays_broken = False  # what is read again fails again
        self.inside = Inside(
            queues=(QueueFacts("open", 0), QueueFacts("read", 3)),
            workers=(WorkerState("reader-0", ("read",), "drawn@1", 1, 2.5, 41),),
        )
        self.disk = Disk(500_000_000_000, 200_000_000_000, 1_000_000_000)
        self.in_archives = 0  # of the documents, for the overview
        self.given_up = 0  # answers that somebody stopped listening to
        self.queries: list[str] = []
        self.reranked: dict[str, bool] = {}  # by query
        self.prompts: list[Prompt] = []
        self.decode_error: Exception | None = None
        self.finish = Finish.END
        self.vision: VisionFormat | None = None  # of all pages
        self.marks: tuple[ReadingMark, ...] = ()
        self._shelf: dict[str, Shelved] = {}
        self._lock = threading.Lock()

    # ---- filling it ----

    def put(self, filename: str, pages: list[str], *, media_type: str = "application/pdf", **more: object) -> str:
        """Shelve a document that is read already; returns its id."""
        digest = hashlib.sha256(f"{filename}{pages}".encode()).hexdigest()
        drawn = [draw(text, seed) for seed, text in enumerate(pages)]
        manifest = self._manifest(filename, digest, sum(map(len, pages)) * 731, media_type)
        self._shelf[manifest.document_id] = Shelved(manifest, drawn, **more)
        return manifest.document_id

    def put_archive(self, filename: str, members: list[tuple[str, str]], failures: list[MemberFailure]) -> str:
        """Shelve an archive of documents that are shelved already, given as (path, document id)."""
        digest = hashlib.sha256(filename.encode()).hexdigest()
        manifest = self._manifest(filename, digest, 4_812_331, "application/zip")
        archive_id = manifest.document_id
        self._shelf[archive_id] = Shelved(manifest, members=tuple(members), member_failures=tuple(failures))
        for path, member in members:
            self._shelf[member].origins = (Origin(archive_id, path),)
        return archive_id

    def find(self, filename: str) -> str:
        """The id of a shelved document."""
        return next(item.manifest.document_id for item in self._shelf.values() if item.manifest.filename == filename)

    def _manifest(self, filename: str, digest: str, size: int, media_type: str) -> Manifest:
        document_id = str(uuid.uuid5(uuid.NAMESPACE_OID, digest))
        return Manifest("default", document_id, digest, size, filename, media_type, datetime.now(UTC))

    # ---- ServiceProtocol ----

    def stage(self) -> _Staged:
        return _Staged()

    def accept(
        self, tenant: str, staged: _Staged, *, filename: str, password: str | None = None, text_layer: object = None
    ) -> tuple[DocumentView, bool]:
        time.sleep(self.accept_s)
        with self._lock:
            self._files += 1
            number = self._files
        _wait_while(lambda: self.most_files is not None and number > self.most_files)
        data = bytes(staged.data)
        self.sent.append(filename)
        name = filename.rpartition("/")[2]
        manifest = self._manifest(name, hashlib.sha256(data).hexdigest(), len(data), "application/pdf")
        with self._lock:
            known = self._shelf.get(manifest.document_id)
            if known and not (known.error and password):
                return self._view(known), False
            again = bool(known and known.error)
            item = Shelved(manifest, page_s=self.page_s, since=time.monotonic(), opens=again)
            item.origins = (Origin(None, filename),)
            try:
                recipe = json.loads(data)
                if recipe.get("password") not in (None, password):
                    item.error = ("encrypted", "This PDF is protected; upload it again with its password.")
                else:
                    item.pages = [draw(text, seed) for seed, text in enumerate(recipe["pages"])]
                    item.broken = frozenset(recipe.get("broken", ()))
            except (ValueError, AttributeError):
                item.error = ("bad_document", "This file is damaged: it ends in the middle of a page.")
            self._shelf[manifest.document_id] = item
            return self._view(item), known is None

    def get(self, tenant: str, document_id: str) -> Entry | None:
        """As the `Catalog` of what is shelved."""
        item = self._shelf.get(document_id)
        return Entry(item.manifest, item.origins or (Origin(None, ""),)) if item else None

    def _entries(self) -> list[Entry]:
        return [entry for id_ in reversed(list(self._shelf)) if (entry := self.get("default", id_))]

    def _listed(self, *, troubled: bool = False, **which) -> list[Entry]:
        bad = {id_ for id_, item in self._shelf.items() if item.broken or item.error}
        listed = chosen(self._entries(), catalog=self, **which)
        return [entry for entry in listed if not troubled or entry.manifest.document_id in bad]

    def documents(self, tenant, *, cursor=None, limit=50, order=Order.NEWEST, uploaded_only=False, name=None, **which):
        entries = self._listed(uploaded_only=uploaded_only, name=name, **which)
        pages = {id_: len(item.pages) for id_, item in self._shelf.items()}
        pages_of = lambda entry: pages[entry.manifest.document_id]  # noqa: E731
        found, next_cursor = step(entries, cursor, limit, order=order, pages_of=pages_of)
        return [self._view(self._shelf[entry.manifest.document_id]) for entry in found], next_cursor

    def count_documents(self, tenant, *, uploaded_only=False, name=None, **which) -> int:
        return len(self._listed(uploaded_only=uploaded_only, name=name, **which))

    def folders(self, tenant: str, within: str = "") -> list[Folder]:
        return folders(self, self._entries(), within)

    def reading(self, tenant: str) -> tuple[PageCounts, int]:
        return self.counts(tenant), 0

    def document(self, tenant: str, document_id: str) -> DocumentView:
        item = self._get(document_id)
        done = self._seen(item)
        failed = tuple(self._point(item, n) for n in range(1, done + 1) if n in item.broken)
        return replace(self._view(item), failed_pages=failed)

    def unknown(self, tenant: str, document_ids) -> tuple[str, ...]:
        return tuple(one for one in document_ids if one not in self._shelf)

    def watch(self, tenant: str, document_id: str, *, poll_s: float = 0.3) -> Iterator[DocumentView]:
        last = None
        while True:
            item = self._shelf.get(document_id)
            if item is None:
                return
            view = self._view(item)
            if view != last:
                yield view
            last = view
            if not view.pages.pending and view.state not in (DocumentState.ACCEPTED, DocumentState.READING):
                return
            time.sleep(0.03)

    def original(self, tenant: str, document_id: str) -> tuple[Manifest, Path]:
        return self._get(document_id).manifest, Path(__file__)

    def page(self, tenant: str, document_id: str, page: int) -> tuple[DocumentView, PagePoint]:
        item = self._get(document_id)
        if not 1 <= page <= len(item.pages):
            raise NotFound(f"The document has {len(item.pages)} pages; there is no page {page}.")
        return self._view(item), self._point(item, page)

    def decode(self, tenant: str, document_id: str, page: int, prompt: Prompt) -> Decoded:
        self.prompts.append(prompt)
        time.sleep(self.delays.get(prompt.task.value, 0.0))
        _wait_while(lambda: prompt.task.value in self.held)
        if self.decode_error:
            raise self.decode_error
        text = f"Under {prompt.task.value}: a bar chart of dues, 1874 to 1878."
        return Decoded(prompt, text, text, (), 12, self.finish, -0.02, 0, 0.9)

    def locate(self, tenant: str, document_id: str, page: int, phrase: str) -> Located:
        decoded = self.decode(tenant, document_id, page, Prompt(Task.LOCATE, phrase))
        point = self.page(tenant, document_id, page)[1]
        words = {word.lower() for word in phrase.split()}
        return Located(tuple(w.box for w in point.words if point.text[w.start : w.end].lower() in words), decoded)

    def read_again(self, tenant, document_id, page=None, *, everything=False) -> Asked:
        """What failed is whole from now on."""
        item = self._get(document_id)
        wanted = item.broken if page is None else item.broken & {page}
        if not self.stays_broken:
            item.broken -= wanted
        unopened = int(bool(item.error) and page is None)
        item.error = None if page is None else item.error
        return Asked(len(wanted), unopened)

    def read_failed_again(self, tenant: str, *, cursor: str | None = None, limit: int = 200) -> Step:
        """A document a step; those that fail again are not tried another time."""
        last = int(cursor or "-1")
        for number, document_id in enumerate(list(self._shelf)[last + 1 :], last + 1):
            item = self._shelf[document_id]
            if item.broken or item.error:
                asked = self.read_again(tenant, document_id)
                return Step(asked, (document_id,), str(number))
        return Step(Asked(), (), None)

    def overlook(self, tenant: str) -> Overview:
        failed = [
            FailedPage(id_, item.manifest.filename, page, "render_timeout", 3, item.manifest.created_at)
            for id_, item in self._shelf.items()
            for page in sorted(item.broken)
        ]
        unopened = [
            FailedDocument(id_, item.manifest.filename, *item.error) for id_, item in self._shelf.items() if item.error
        ]
        codes = (("render_timeout", len(failed)),) if failed else ()
        facts = (len(self._shelf), 0, self.counts(tenant), codes, tuple(failed), 0, tuple(unopened), 0)
        uploaded = len(self._shelf) - self.in_archives
        return Overview(self.ready(), *facts, self.inside, self.disk, uploaded)

    def page_image(self, tenant: str, document_id: str, page: int, *, width: int, kind: str) -> bytes:
        item = self._get(document_id)
        if not 1 <= page <= len(item.pages):
            raise NotFound("There is no such page.")
        image = item.pages[page - 1].image
        out = io.BytesIO()
        image.resize((width, round(image.height * width / image.width))).save(out, kind)
        return out.getvalue()

    def delete(self, tenant: str, document_id: str) -> Receipt:
        with self._lock:
            item = self._get(document_id)
            del self._shelf[document_id]
        facts = item.manifest
        none = {"points": 0, "manifests": 0, "blobs": 0}
        return Receipt(document_id, facts.filename, facts.sha256, datetime.now(UTC), len(item.pages), 1, 1, none)

    def search(
        self,
        tenant: str,
        query: str,
        where: SearchFilter,
        *,
        limit: int,
        offset: int = 0,
        rerank: bool = False,
    ) -> SearchResult:
        self.queries.append(query)
        self.reranked[query] = rerank
        time.sleep(self.delays.get(query, 0.0))
        _wait_while(lambda: query in self.held)
        terms = _terms(query)
        points = list(self._points(where))
        phrase = query.strip('"').lower() if query.startswith('"') and self.phrases else ""
        hits = [hit for point in points if phrase in point.text.lower() and (hit := _hit(point, terms))]
        hits.sort(key=lambda hit: -hit.score)
        return SearchResult(query, tuple(hits[offset : offset + limit]), 4.2, len(points))

    def ask(self, tenant: str, question: str, where: SearchFilter) -> Answer:
        terms = _terms(question)
        points = list(self._points(where))
        best: tuple[int, PagePoint, re.Match[str]] | None = None
        for point in points:
            for sentence in re.finditer(r"[^.\n#|]+\.", point.text):
                told = len(terms & _terms(sentence.group()))
                if told and (best is None or told > best[0]):
                    best = (told, point, sentence)
        considered = tuple(point.key for point in points[:5])
        if best is None or best[0] * 2 < len(terms):
            return Answer(question, False, "Not found in these documents.", (), 0.0, considered, 9.0)
        _, point, sentence = best
        start = sentence.start() + len(sentence.group()) - len(sentence.group().lstrip())
        quote = point.text[start : sentence.end()]
        boxes = tuple(word.box for word in point.words if start <= word.start < sentence.end())
        citation = Citation(point.key, point.labels.filename, quote, start, sentence.end(), boxes, 0.9)
        return Answer(question, True, f"{quote} [1]", (citation,), 0.9, considered, 9.0)

    def converse(
        self, tenant, question, where, *, conversation_id=None, history=(), verify=False, cancelled=lambda: False
    ):
        self.asked.append((question, conversation_id))
        answer = self.ask(tenant, question, where)
        considered = tuple(
            Considered(key, 1.0, not n, "the best match" if not n else "it adds nothing")
            for n, key in enumerate(answer.considered)
        )
        yield Selected(question, considered, 1.0, 0.1)
        for n, word in enumerate(re.findall(r"\S+\s*", answer.text)):
            _wait_while(lambda n=n: self.most_words is not None and n >= self.most_words and not cancelled())
            if cancelled():
                self.given_up += 1
                return
            yield Told(word)
            time.sleep(self.word_s)
            if n and self.fail_answer:
                raise self.fail_answer
        yield Cited(answer.citations)
        yield Done(answer, considered, {"retrieve": 1.0, "answer": 3.0, "total": answer.took_ms}, conversation_id)

    def new_conversation(self) -> str:
        return "0" * 32

    def counts(self, tenant: str) -> PageCounts:
        views = [self._view(item).pages for item in self._shelf.values() if not item.members]
        return PageCounts(*(sum(getattr(view, part) for view in views) for part in ("pending", "done", "failed")))

    def queue_depth(self) -> int:
        return 0

    def ready(self) -> Readiness:
        return Readiness(True, "drawn", "none", {})

    def close(self) -> None:
        pass

    # ---- inside ----

    def _get(self, document_id: str) -> Shelved:
        if document_id not in self._shelf:
            raise NotFound("There is no such document.")
        return self._shelf[document_id]

    def _seen(self, item: Shelved) -> int:
        """How many pages have been looked at by now."""
        if not item.page_s:
            return len(item.pages)
        most = len(item.pages) if self.most_pages is None else min(self.most_pages, len(item.pages))
        return min(most, int((time.monotonic() - item.since) / item.page_s))

    def _view(self, item: Shelved) -> DocumentView:
        parts = [self._shelf[member] for _, member in item.members if member in self._shelf] or [item]
        done = failed = pending = 0
        for part in parts:
            seen = self._seen(part)
            bad = sum(1 for n in part.broken if n <= seen)
            done, failed, pending = done + seen - bad, failed + bad, pending + len(part.pages) - seen
        state = DocumentState.DONE
        opens = item.opens and time.monotonic() - item.since < OPENING_S
        error = None if opens else item.error
        if opens:
            state, done, failed, pending = DocumentState.ACCEPTED, 0, 0, 0
        elif error:
            state = DocumentState.FAILED
        elif pending:
            state = DocumentState.READING
        elif failed or item.member_failures:
            state = DocumentState.PARTIAL if done else DocumentState.FAILED
        code, message = error or (None, None)
        sizes = tuple(PageSize(595, 842) for _ in item.pages)
        split = Split(sizes, item.members, item.member_failures, code, message)
        return DocumentView(item.manifest, state, PageCounts(pending, done, failed), split, item.origins)

    def _point(self, item: Shelved, page: int) -> PagePoint:
        facts = item.manifest
        paths = tuple(origin.path for origin in item.origins)
        folders = tuple(path[:at] for path in paths for at in (m.start() for m in re.finditer("/", path)))
        labels = PageLabels(facts.filename, facts.media_type, facts.created_at, folders, paths)
        key = PageKey("default", facts.document_id, page)
        if page in item.broken:
            return PagePoint(key, PageState.FAILED, labels, attempts=3, error_code="render_timeout")
        if page > self._seen(item):
            return PagePoint(key, PageState.PENDING, labels)
        drawn = item.pages[page - 1]
        return PagePoint(
            key, PageState.DONE, labels, 1, 0, None, drawn.text, ((0, len(drawn.text)),), drawn.regions, drawn.words,
            WIDTH, HEIGHT, 0, Reader("drawn", "1", "test"), item.trust, facts.created_at, self.marks, self.vision,
        )  # fmt: skip

    def _points(self, where: SearchFilter) -> Iterator[PagePoint]:
        for item in list(self._shelf.values()):
            facts = item.manifest
            for n in range(1, len(item.pages) + 1):
                point = self._point(item, n)
                if point.state is not PageState.DONE:
                    continue
                if where.document_ids and facts.document_id not in where.document_ids:
                    continue
                if where.folder and where.folder not in point.labels.folders:
                    continue
                if where.media_types and facts.media_type not in where.media_types:
                    continue
                if where.created_from and facts.created_at < where.created_from:
                    continue
                if where.created_to and facts.created_at > where.created_to:
                    continue
                yield point


def _terms(text: str) -> frozenset[str]:
    words = (re.sub(r"^\W+|\W+$", "", word.lower()) for word in text.split())
    return frozenset(word for word in words if word and word not in STOP)


def _hit(point: PagePoint, terms: frozenset[str]) -> Hit | None:
    """The page, if it has one of the terms; its snippets are the blocks that have most of them."""
    found = [word for word in point.words if _terms(point.text[word.start : word.end]) & terms]
    if not found:
        return None
    snippets = []
    for region in point.regions:
        inside = [word for word in found if region.start <= word.start < region.end]
        if inside:
            highlights = tuple((word.start - region.start, word.end - region.start) for word in inside)
            text = point.text[region.start : region.end]
            boxes = tuple(word.box for word in inside)
            snippets.append(Snippet(text, region.start, region.end, highlights, boxes, float(len(inside))))
    snippets.sort(key=lambda snippet: -snippet.score)
    covered = {term for word in found for term in _terms(point.text[word.start : word.end]) & terms}
    score = len(covered) + len(found) / 100
    return Hit(point.key, point.labels, score, tuple(snippets[:3]), point.width, point.height, point.trust)
