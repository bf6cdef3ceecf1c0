"""Finds documents whose reading has ended, and puts a message into the outbox for each hook that wants to know.

That a document was read is nobody's message, which could get lost: it is seen in the states of its pages, compared with
the journal of what was told. So an end is told at the next look, whoever read the last page and whatever died.
Order: outbox, then journal, and the message's id follows from document, end and hook, so that what is told again after
a crash between the two is the same message.

Told is the end of what was uploaded: a document, or an archive as a whole with its members counted. Asked to be read
again (`Again`), a document is told again when that has ended, also if it ended as before; since the asking may come
before its pages are put back, an unchanged end is believed only after `_SETTLE_S`.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from index.catalog import Catalog, Entry
from index.errors import NotFound
from index.types import DocumentState
from ingest.archives import ARCHIVE_TYPES
from worker.labels import above
from worker.service import DocumentView
from worker.webhooks.beginning import Beginning, created, journal_of
from worker.webhooks.hooks import Hooks
from worker.webhooks.journal import OLD, Journal, Line
from worker.webhooks.outbox import Message, Outbox

_ENDED = {DocumentState.DONE, DocumentState.PARTIAL, DocumentState.FAILED}
_SETTLE_S = 30.0
_WATCHED_S = 3600.0
"""How long after it was asked for again a document's end may still change."""
_AT_ONCE = 200
_LONGEST_LOOK_S = 2.0


class Again:
    """Notes that documents are read again. For every process that can ask for it."""

    def __init__(self, directory: Path, catalog: Catalog, *, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._catalog = catalog
        self._clock = clock

    def __call__(self, tenant: str, document_id: str) -> None:
        """A document, or a member of an archive: then what is told is the archive's end."""
        journal = journal_of(self._directory, tenant)
        journal.refresh()
        if not journal.there:
            return
        with self._catalog.lock():
            journal.refresh()
            for one in above(self._catalog, tenant, document_id):
                entry = self._catalog.get(tenant, one)
                if entry is not None and entry.uploaded:
                    line = journal.get(one)
                    if line is None or line.created != created(entry):
                        line = Line(one, created(entry))
                    journal.append(replace(line, again_at=self._clock()))


class Ends:
    """For the one process that tells. `look_at` gives a document as it is now. Not thread-safe."""

    def __init__(
        self,
        directory: Path,
        catalog: Catalog,
        look_at: Callable[[str, str], DocumentView],
        hooks: Hooks,
        outbox: Outbox,
        beginning: Beginning,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._directory = directory
        self._catalog = catalog
        self._look_at = look_at
        self._hooks = hooks
        self._outbox = outbox
        self._beginning = beginning
        self._clock = clock
        self._journals: dict[str, Journal] = {}
        self._open: dict[str, deque[str]] = {}
        self._listed_at: dict[str, tuple[float, float]] = {}

    def look(self) -> int:
        """Find what has ended, of all tenants that have hooks; how many messages that made."""
        tenants = set(self._hooks.tenants())
        for tenant in self._journals.keys() - tenants:
            # Their next journal is another file, which may have the number of this one.
            for known in (self._journals, self._open, self._listed_at):
                known.pop(tenant, None)
        for path in (self._directory / "reported").glob("*.jsonl"):
            with self._catalog.lock():
                if path.stem not in tenants and not self._hooks.all(path.stem):
                    journal_of(self._directory, path.stem).end()  # the last hook is gone
        return sum(self._of_tenant(tenant) for tenant in sorted(tenants))

    def tidy(self) -> None:
        """Write journals anew that hold much about documents that are gone; forget secrets whose time is over."""
        for tenant in self._hooks.tenants():
            self._hooks.forget_former(tenant, datetime.fromtimestamp(self._clock(), UTC))
            with self._catalog.lock():
                journal = journal_of(self._directory, tenant)
                journal.refresh()
                there = {entry.manifest.document_id for entry in self._catalog.entries(tenant)}
                if len(journal) > 2 * len(there) + 1000:
                    journal.compact(there)

    def _of_tenant(self, tenant: str) -> int:
        journal = self._journals.setdefault(tenant, journal_of(self._directory, tenant))
        journal.refresh()
        if not journal.there:
            # A hook of the command line, or a journal that lost its beginning.
            first = min((hook.created_at for hook in self._hooks.all(tenant)), default=None)
            self._beginning(tenant, lambda: None, added_at=first)
            journal.refresh()
        if not journal.there:
            return 0  # the last hook is gone meanwhile
        began = time.monotonic()
        waiting = self._candidates(tenant, journal)
        made = 0
        for _ in range(min(_AT_ONCE, len(waiting))):
            document_id = waiting.popleft()
            ended = self._ended(tenant, document_id, journal)
            if ended is not None:
                made += self._tell(tenant, document_id, journal)
            elif self._catalog.get(tenant, document_id) is not None:
                waiting.append(document_id)
            if time.monotonic() - began > _LONGEST_LOOK_S:
                break
        return made

    def _candidates(self, tenant: str, journal: Journal) -> deque[str]:
        """Documents whose end is still to be told, oldest first. Listing all costs time: the longer, the seldomer."""
        due, _ = self._listed_at.get(tenant, (0.0, 0.0))
        if time.monotonic() >= due:
            began = time.monotonic()
            now = self._clock()
            since = datetime.fromisoformat(journal.since)
            found = [
                entry.manifest.document_id
                for entry in self._catalog.entries(tenant)
                if entry.uploaded and self._counts(entry, journal, since, now)
            ]
            known = self._open.get(tenant, deque())
            wanted = set(found)
            kept = deque(one for one in known if one in wanted)
            there = set(kept)
            kept.extend(one for one in reversed(found) if one not in there)
            self._open[tenant] = kept
            took = time.monotonic() - began
            self._listed_at[tenant] = (time.monotonic() + min(30.0, 20 * took), took)
        return self._open[tenant]

    @staticmethod
    def _counts(entry: Entry, journal: Journal, since: datetime, now: float) -> bool:
        line = journal.get(entry.manifest.document_id)
        if line is None or line.created != created(entry):
            return entry.manifest.created_at >= since
        return not line.outcome or line.told_at < line.again_at or now - line.again_at < _WATCHED_S

    def _ended(self, tenant: str, document_id: str, journal: Journal) -> DocumentView | None:
        """The document, if its reading has ended and this was not told."""
        try:
            view = self._look_at(tenant, document_id)
        except NotFound:
            return None
        if view.state not in _ENDED:
            return None
        line = journal.get(document_id)
        if line is None or line.created != view.manifest.created_at.isoformat() or not line.outcome:
            return view
        if line.outcome not in (OLD, outcome(view)):
            return view
        asked = line.told_at < line.again_at
        return view if asked and self._clock() - line.again_at >= _SETTLE_S else None

    def _tell(self, tenant: str, document_id: str, journal: Journal) -> int:
        with self._catalog.lock():  # nobody deletes it, or asks for it again, between the look and the note
            journal.refresh()
            view = self._ended(tenant, document_id, journal)
            if view is None:
                return 0
            created = view.manifest.created_at.isoformat()
            line = journal.get(document_id)
            if line is None or line.created != created:
                line = Line(document_id, created)
            told = line.told + 1
            made = 0
            for hook in self._hooks.all(tenant):
                kind = f"document.{view.state.value}"
                if kind in hook.events and hook.disabled is None:
                    mark = hashlib.sha256(f"{hook.hook_id}|{document_id}|{created}|{told}".encode()).hexdigest()
                    made += self._outbox.put(self._message(tenant, hook.hook_id, f"msg_{mark[:32]}", kind, view))
            journal.append(replace(line, told=told, outcome=outcome(view), told_at=self._clock()))
            return made

    def _message(self, tenant: str, hook_id: str, message_id: str, kind: str, view: DocumentView) -> Message:
        now = self._clock()
        body = json.dumps({"type": kind, "timestamp": datetime.fromtimestamp(now, UTC).isoformat(), "data": data(view)})
        return Message(message_id, tenant, hook_id, view.manifest.document_id, kind, body, now, now)


def data(view: DocumentView) -> dict[str, object]:
    """What an event says: ids, counts and codes; no text and no name of a file."""
    manifest, split, pages = view.manifest, view.split, view.pages
    failures = Counter(point.error_code or "error" for point in view.failed_pages)
    members = None
    if manifest.media_type in ARCHIVE_TYPES:
        broken = Counter(failure.code for failure in split.member_failures) if split else Counter()
        members = {
            "total": len(split.members) if split else 0,
            "failed": broken.total(),
            "failures": _counted(broken),
        }
    return {
        "document_id": manifest.document_id,
        "tenant": manifest.tenant,
        "kind": "document" if members is None else "archive",
        "state": view.state.value,
        "failure": split.error_code if split else None,
        "pages": {"done": pages.done, "failed": pages.failed, "total": pages.total, "failures": _counted(failures)},
        "members": members,
    }


def outcome(view: DocumentView) -> str:
    """Differs where the end of a reading differs."""
    return hashlib.sha256(json.dumps(data(view), sort_keys=True).encode()).hexdigest()[:16]


def _counted(failures: Counter[str]) -> list[dict[str, object]]:
    return [{"code": code, "count": count} for code, count in sorted(failures.items())]
