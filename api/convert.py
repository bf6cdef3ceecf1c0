"""Domain types to the API's JSON and back. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from api import schemas as s
from api import schemas_asking as a
from api import schemas_pages as p
from api.document_ids import spelled
from api.filenames import folder_path
from api.media_types import media_types
from index.errors import InvalidRequest
from index.payload import storable
from index.store import PageCounts
from index.types import Box, Citation, DocumentState, Hit, PagePoint, SearchFilter, SearchResult, VisionFormat
from worker.answer.support import weakly_supported
from worker.asking.decoding import Decoding
from worker.asking.pipeline import Done
from worker.asking.selection import Considered
from worker.decoding import Located, token_count
from worker.engine.engine import Decoded
from worker.service import DocumentView, Readiness, Receipt

ARCHIVE_TYPES = frozenset(
    {"application/zip", "application/x-tar", "application/gzip", "application/x-gzip", "application/x-gtar"}
)


def document(view: DocumentView) -> s.DocumentJSON:
    split = view.split
    return s.DocumentJSON(
        **_facts(view),
        page_failures=[_page_failure(point) for point in view.failed_pages],
        members=[s.MemberJSON(path=path, document_id=member) for path, member in (split.members if split else ())],
        member_failures=[
            s.MemberFailureJSON(path=one.path, code=one.code, message=one.message)
            for one in (split.member_failures if split else ())
        ],
    )


def item(view: DocumentView) -> s.DocumentItemJSON:
    """Without what grows with the document: members, and what failed in it."""
    return s.DocumentItemJSON(**_facts(view))


def _facts(view: DocumentView) -> dict[str, Any]:
    manifest, split = view.manifest, view.split
    archive = manifest.media_type in ARCHIVE_TYPES or bool(split and (split.members or split.member_failures))
    return {
        "id": manifest.document_id,
        "filename": manifest.filename,
        "media_type": manifest.media_type,
        "size": manifest.size,
        "sha256": manifest.sha256,
        "created_at": manifest.created_at,
        "text_layer": manifest.text_layer.value,
        "state": view.state.value,
        "kind": "archive" if archive else "document",
        "pages": counts(view.pages),
        "failure": _failure(view, archive=archive),
        "origins": [
            s.OriginJSON(archive_id=origin.archive_id, path=origin.path)
            for origin in view.origins
            if origin.archive_id is not None
        ],
        "paths": [origin.path for origin in view.origins if origin.archive_id is None and "/" in origin.path],
    }


def _failure(view: DocumentView, *, archive: bool) -> s.FailureJSON | None:
    split = view.split
    if split and split.error_code:
        return s.FailureJSON(code=split.error_code, message=split.error_message or "The file could not be opened.")
    if archive and view.state is DocumentState.FAILED:
        message = "Nothing in the archive could be read; its member_failures and page_failures say why."
        return s.FailureJSON(code="no_member_read", message=message)
    return None


def progress(view: DocumentView) -> s.ProgressJSON:
    return s.ProgressJSON(document_id=view.manifest.document_id, state=view.state.value, pages=counts(view.pages))


def counts(pages: PageCounts) -> s.PageCountsJSON:
    return s.PageCountsJSON(
        pending=pages.pending,
        done=pages.done,
        failed=pages.failed,
        total=pages.total,
        undecoded=pages.undecoded,
        drafts=pages.drafts,
    )


def page(view: DocumentView, point: PagePoint, *, words: bool) -> p.PageJSON:
    reader = point.reader
    return p.PageJSON(
        document_id=point.key.document_id,
        page=point.key.page,
        pages=view.pages.total,
        filename=view.manifest.filename,
        state=point.state.value,
        error_code=point.error_code or None,
        text=point.text,
        regions=regions(point),
        words=words_of(point) if words else [],
        width=point.width,
        height=point.height,
        rotation=point.rotation,
        trust=point.trust,
        marks=[mark.value for mark in point.marks],
        vision=vision(point.vision) if point.vision else None,
        decoded=point.decoded,
        draft=point.draft,
        notes=[p.NoteJSON(prompt=note.prompt, text=storable(note.text), trust=note.trust) for note in point.notes],
        reader=p.ReaderJSON(engine=reader.engine, revision=reader.revision, mode=reader.mode) if reader else None,
        image_url=image_url(point.key.document_id, point.key.page),
    )


def regions(point: PagePoint | Decoded) -> list[p.RegionJSON]:
    return [
        p.RegionJSON(kind=region.kind.value, box=_box(region.box), span=[region.start, region.end])
        for region in point.regions
    ]


def words_of(point: PagePoint) -> list[p.WordJSON]:
    return [p.WordJSON(span=[word.start, word.end], box=_box(word.box)) for word in point.words]


def vision(form: VisionFormat) -> p.VisionJSON:
    return p.VisionJSON(
        engine=form.engine,
        revision=form.revision,
        mode=form.mode,
        tile_grid=list(form.tile_grid),
        page_size=list(form.page_size),
        tokens=token_count(form),
    )


def decoded(document_id: str, page_number: int, given: Decoded, *, took_ms: float) -> p.DecodedJSON:
    return p.DecodedJSON(
        document_id=document_id,
        page=page_number,
        task=given.prompt.task.value,
        prompt=given.prompt.text().strip(),
        text=storable(given.text),
        regions=regions(given),
        trust=round(given.trust, 4),
        finish=given.finish.value,
        tokens=given.tokens,
        took_ms=took_ms,
    )


def located(document_id: str, page_number: int, phrase: str, given: Located, *, took_ms: float) -> p.LocatedJSON:
    return p.LocatedJSON(
        document_id=document_id,
        page=page_number,
        phrase=phrase,
        boxes=_boxes(given.boxes),
        trust=round(given.decoded.trust, 4),
        finish=given.decoded.finish.value,
        took_ms=took_ms,
    )


def image_url(document_id: str, page_number: int) -> str:
    return f"/v1/documents/{document_id}/pages/{page_number}/image"


def search_filter(given: a.FilterJSON) -> SearchFilter:
    """`InvalidRequest` for one that nothing can pass: an empty result would say that there is nothing."""
    begin, end = _aware(given.created_from), _aware(given.created_to)
    if begin is not None and end is not None and begin > end:
        raise InvalidRequest("created_from is later than created_to: no document can be of such a time.")
    return SearchFilter(
        document_ids=tuple(dict.fromkeys(spelled(one) for one in given.document_ids)),
        folder=folder_path(given.folder or "") or None,
        media_types=media_types(given.media_types),
        created_from=begin,
        created_to=end,
    )


def search_response(result: SearchResult) -> a.SearchResponseJSON:
    return a.SearchResponseJSON(
        query=result.query,
        hits=[hit(one) for one in result.hits],
        total_pages=result.total_pages,
        undecoded_pages=result.undecoded_pages,
        reranked=result.reranked,
        took_ms=round(result.took_ms, 2),
    )


def hit(found: Hit) -> a.HitJSON:
    return a.HitJSON(
        document_id=found.key.document_id,
        page=found.key.page,
        filename=found.labels.filename,
        media_type=found.labels.media_type,
        paths=list(found.labels.paths),
        score=found.score,
        trust=found.trust,
        width=found.width,
        height=found.height,
        snippets=[
            a.SnippetJSON(
                text=snippet.text,
                span=[snippet.start, snippet.end],
                highlights=[list(span) for span in snippet.highlights],
                boxes=_boxes(snippet.boxes),
                score=snippet.score,
            )
            for snippet in found.snippets
        ],
        draft=found.draft,
        image_url=image_url(found.key.document_id, found.key.page),
    )


def citations(given: Sequence[Citation]) -> list[a.CitationJSON]:
    return [
        a.CitationJSON(
            number=number,
            document_id=citation.key.document_id,
            page=citation.key.page,
            filename=citation.filename,
            quote=citation.quote,
            span=[citation.start, citation.end],
            boxes=_boxes(citation.boxes),
            score=citation.score,
            image_url=image_url(citation.key.document_id, citation.key.page),
            verified=citation.verified,
            note=citation.note,
            draft=citation.draft,
        )
        for number, citation in enumerate(given, 1)
    ]


def considered(given: Considered) -> a.ConsideredJSON:
    return a.ConsideredJSON(
        document_id=given.key.document_id,
        page=given.key.page,
        score=round(given.score, 4),
        selected=given.selected,
        reason=given.reason,
    )


def answer(done: Done, unknown_documents: Sequence[str] = (), unknown_folder: str | None = None) -> a.AnswerJSON:
    given = done.answer
    return a.AnswerJSON(
        question=given.question,
        found=given.found,
        text=given.text,
        citations=citations(given.citations),
        confidence=given.confidence,
        weak_support=weakly_supported(given),
        considered=[considered(one) for one in done.considered],
        took_ms=round(given.took_ms, 2),
        timings_ms={step: round(took, 2) for step, took in done.timings_ms.items()},
        conversation_id=done.conversation_id,
        decoded=[
            a.DecodedPageJSON(
                document_id=one.key.document_id,
                page=one.key.page,
                prompt=one.prompt,
                reason=one.reason,
                took_ms=round(one.took_ms, 2),
                ok=one.ok,
                code=one.code,
            )
            for one in done.decoded
        ],
        incomplete=done.incomplete,
        missing=[
            a.MissingJSON(document_id=one.key.document_id, page=one.key.page, code=one.code, reason=one.reason)
            for one in done.missing
        ],
        undecoded_pages=done.undecoded,
        unknown_documents=list(unknown_documents),
        unknown_folder=unknown_folder,
        answerer=done.answerer,
        note=given.extra.get("note"),
    )


def decoding(given: Decoding) -> a.DecodingJSON:
    return a.DecodingJSON(
        document_id=given.key.document_id,
        page=given.key.page,
        prompt=given.prompt,
        reason=given.reason,
        state=given.state,
        took_ms=None if given.took_ms is None else round(given.took_ms, 2),
        code=given.code,
    )


def receipt(given: Receipt) -> s.ReceiptJSON:
    return s.ReceiptJSON(
        document_id=given.document_id,
        filename=given.filename,
        sha256=given.sha256,
        deleted_at=given.deleted_at,
        pages_deleted=given.pages_deleted,
        documents_deleted=given.documents_deleted,
        blobs_deleted=given.blobs_deleted,
        remaining=dict(given.remaining),
    )


def ready(given: Readiness, version: str) -> s.ReadyJSON:
    return s.ReadyJSON(
        ready=given.ready, version=version, engine=given.engine, embedder=given.embedder, checks=dict(given.checks)
    )


def _page_failure(point: PagePoint) -> s.PageFailureJSON:
    return s.PageFailureJSON(
        document_id=point.key.document_id,
        page=point.key.page,
        code=point.error_code or "error",
        attempts=point.attempts,
    )


def _box(box: Box) -> list[float]:
    return [round(edge, 5) for edge in (box.x0, box.y0, box.x1, box.y1)]


def _boxes(boxes: Iterable[Box]) -> list[list[float]]:
    return [_box(box) for box in boxes]


def _aware(moment: datetime | None) -> datetime | None:
    """Times without a zone are UTC; the ends of the calendar stay its ends in every zone."""
    if moment is None or moment.tzinfo is None:
        return moment and moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        end = datetime.min if moment.year == 1 else datetime.max  # noqa: DTZ901  it gets its zone below
        return end.replace(tzinfo=UTC)
