"""How well an archive answers questions whose pages somebody knows.

Reads a file of JSON Lines, one question each:

    {"question": "Who lit the lamp?", "pages": [{"document": "letters/1911.pdf", "page": 2}], "answer": "the keeper"}

`pages` are those that answer it (each by itself: one of them among the first k counts for recall@k), empty where none
does; `document` is an id, a file name, or a path in an archive or the end of one. `answer` (words that a right quote
holds) and `kind` (rows of the table) may be left out. Pure functions; `run` asks through the HTTP client, so that any
service can be measured.

Source of recall@k and nDCG@k (here with binary relevance): Järvelin and Kekäläinen 2002, "Cumulated gain-based
evaluation of IR techniques".
"""

from __future__ import annotations

import json
import math
import re
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import anyio
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from api.cli_client import ApiError, Client
from api.filenames import folder_path
from api.numbers import Whole
from api.questions import asked_text
from index.errors import InvalidRequest

DEPTH = 10
_Place = tuple[str, int, str | None]
"""A page of a document, or its note under a prompt."""
_GIVEN_UP = 5
"""Failures in a row: the service is away, and not one question too hard for it."""
_PAUSES_S = (2.0, 4.0, 8.0, 16.0)
"""After each of them that was no answer at all: a service that is started again is there by then."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_GOOD_PART = 3
"""A quote inside the answer's words must be at least one part in so many of them."""


class KnownPage(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    document: str = Field(min_length=1)
    page: Whole = Field(ge=1)


class KnownQuestion(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    question: str = Field(min_length=1, max_length=2000)
    pages: tuple[KnownPage, ...]
    answer: str | None = None
    kind: str = "questions"

    @field_validator("pages")
    @classmethod
    def _once_each(cls, pages: tuple[KnownPage, ...]) -> tuple[KnownPage, ...]:
        return tuple(dict.fromkeys(pages))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one question brought. `ranks` are the places (from 1) of right pages among the first `DEPTH`."""

    asked: KnownQuestion
    ranks: tuple[int, ...]
    found: bool
    page_right: bool  # the first citation is on a page that answers
    quotes: int
    quotes_right: int  # literally on the page that they name
    answer_quoted: bool | None  # None: the file does not say what a right quote holds
    pages_decoded: int  # for this answer
    search_ms: float
    first_ms: float  # until the first words of the answer came
    answer_ms: float
    answerer: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """A question that the service could not answer; `error` None: it was not asked any more."""

    asked: KnownQuestion
    error: ApiError | None


@dataclass(slots=True)
class _Known:
    """What earlier questions found out of pages' texts and documents' paths."""

    texts: dict[_Place, str | None]
    paths: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Row:
    """Shares 0..1, None where nothing was there to be measured; times in milliseconds."""

    kind: str
    questions: int
    recall_1: float | None
    recall_5: float | None
    ndcg_10: float | None
    page_right: float | None
    quote_literal: float | None
    answer_quoted: float | None
    not_found_precision: float | None
    not_found_recall: float | None
    pages_decoded: float  # per answer, on average
    search_p95_ms: float
    first_p50_ms: float
    first_p95_ms: float
    answer_p50_ms: float
    answer_p95_ms: float


def read_questions(lines: Iterable[str]) -> list[KnownQuestion]:
    """Raises `InvalidRequest` that names the line that is wrong."""
    questions = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            questions.append(KnownQuestion.model_validate_json(line))
            asked_text(questions[-1].question, "question")
        except InvalidRequest as error:
            raise InvalidRequest(f"Line {number}: {error.message}") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the line"
            raise InvalidRequest(f"Line {number}: {where}: {first['msg']}.") from None
    if not questions:
        raise InvalidRequest("There are no questions in this file.")
    return questions


async def run(
    client: Client,
    questions: Sequence[KnownQuestion],
    progress: Callable[[int], None] = lambda _done: None,
    *,
    rerank: bool = False,
    outcomes: list[Outcome] | None = None,
    failed: list[Failed] | None = None,
) -> list[Outcome]:
    """Search and ask each question in turn. `outcomes` takes what comes of each at once, for who is interrupted.
    `failed` takes those that the service could not answer, so that one of them does not cost the others: all but
    `_GIVEN_UP` in a row, after which no more is asked. Raises `ApiError` without it, and where nothing was answered at
    all.
    """
    outcomes = [] if outcomes is None else outcomes
    known = _Known({}, {})
    in_a_row = 0
    for done, asked in enumerate(questions, 1):
        try:
            outcomes.append(await _ask(client, asked, known, rerank=rerank))
            in_a_row = 0
        except ApiError as error:
            in_a_row += 1
            last = done == len(questions) or in_a_row == _GIVEN_UP
            if failed is None or (last and not outcomes):
                raise
            failed.append(Failed(asked, error))
            if last:
                failed += [Failed(left, None) for left in questions[done:]]
                break
            if not error.status:
                await anyio.sleep(_PAUSES_S[in_a_row - 1])
        progress(done)
    return outcomes


async def _ask(client: Client, asked: KnownQuestion, known: _Known, *, rerank: bool) -> Outcome:
    began = time.perf_counter()
    found = await client.search({"query": asked.question, "limit": DEPTH} | ({"rerank": True} if rerank else {}))
    searched = time.perf_counter()
    answer, first_s = await client.ask_streamed({"question": asked.question})
    answered = time.perf_counter()
    ranks = tuple(rank for rank, hit in enumerate(found["hits"], 1) if _is_known(hit, asked.pages))
    citations = answer["citations"]
    literal = [citation for citation in citations if await _literal(client, citation, known.texts)]
    known.paths |= {hit["document_id"]: hit["paths"] for hit in found["hits"]}
    first_page = citations and citations[0] | {"paths": await _paths(client, citations[0]["document_id"], known.paths)}
    decoded = {(one["document_id"], one["page"]) for one in answer["decoded"] if one["ok"]}
    return Outcome(
        asked=asked,
        ranks=ranks,
        found=answer["found"],
        page_right=bool(first_page) and _is_known(first_page, asked.pages),
        quotes=len(citations),
        quotes_right=len(literal),
        answer_quoted=_holds(citations, asked.answer),
        pages_decoded=len(decoded),
        search_ms=(searched - began) * 1000,
        first_ms=first_s * 1000,
        answer_ms=(answered - searched) * 1000,
        answerer=answer["answerer"],
    )


async def absent(client: Client, outcomes: Sequence[Outcome]) -> list[KnownPage]:
    """Pages that questions name and that are not in the archive: each counts as missed, and may be a slip in the file.
    Only those of questions for which search did not bring as many are looked for. Raises `ApiError`.
    """
    named = [page for one in outcomes if len(one.ranks) < len(one.asked.pages) for page in one.asked.pages]
    return [page for page in dict.fromkeys(named) if not await _is_here(client, page)]


async def _is_here(client: Client, known: KnownPage) -> bool:
    if _UUID.fullmatch(known.document):
        try:
            return known.page <= (await client.document(known.document))["pages"]["total"]
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return False
    async for document in client.documents(folder_path(known.document).rpartition("/")[2] or None):
        names = (document["filename"], *document["paths"], *(origin["path"] for origin in document["origins"]))
        if _is_named(names, known.document) and known.page <= document["pages"]["total"]:
            return True
    return False


def rows(outcomes: Sequence[Outcome]) -> list[Row]:
    """One for each kind, and one for all where there are several."""
    kinds = list(dict.fromkeys(outcome.asked.kind for outcome in outcomes))
    made = [_row(kind, [o for o in outcomes if o.asked.kind == kind]) for kind in kinds]
    return made if len(kinds) == 1 else [*made, _row("all", outcomes)]


def _row(kind: str, outcomes: Sequence[Outcome]) -> Row:
    with_answer = [o for o in outcomes if o.asked.pages]
    without = [o for o in outcomes if not o.asked.pages]
    silent = [o for o in outcomes if not o.found]
    quotes = sum(o.quotes for o in outcomes)
    holding = [o.answer_quoted for o in with_answer if o.answer_quoted is not None]
    return Row(
        kind=kind,
        questions=len(outcomes),
        recall_1=_mean(1 in o.ranks for o in with_answer),
        recall_5=_mean(any(rank <= 5 for rank in o.ranks) for o in with_answer),
        ndcg_10=_mean(ndcg(o.ranks, len(o.asked.pages)) for o in with_answer),
        page_right=_mean(o.page_right for o in with_answer),
        quote_literal=sum(o.quotes_right for o in outcomes) / quotes if quotes else None,
        answer_quoted=_mean(holding),
        not_found_precision=_mean(not o.asked.pages for o in silent),
        not_found_recall=_mean(not o.found for o in without),
        pages_decoded=_mean(o.pages_decoded for o in outcomes) or 0.0,
        search_p95_ms=percentile([o.search_ms for o in outcomes], 0.95),
        first_p50_ms=percentile([o.first_ms for o in outcomes], 0.5),
        first_p95_ms=percentile([o.first_ms for o in outcomes], 0.95),
        answer_p50_ms=percentile([o.answer_ms for o in outcomes], 0.5),
        answer_p95_ms=percentile([o.answer_ms for o in outcomes], 0.95),
    )


def ndcg(ranks: Sequence[int], relevant: int) -> float:
    """Normalised discounted cumulated gain at `DEPTH` of `relevant` right pages that stand at `ranks`."""
    gained = sum(1 / math.log2(rank + 1) for rank in ranks if rank <= DEPTH)
    best = sum(1 / math.log2(rank + 1) for rank in range(1, min(relevant, DEPTH) + 1))
    return min(1.0, gained / best) if best else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def _mean(values: Iterable[float | bool]) -> float | None:
    known = [float(value) for value in values]
    return statistics.fmean(known) if known else None


def _is_known(hit: dict[str, Any], pages: Sequence[KnownPage]) -> bool:
    names = (hit["document_id"], hit["filename"], *hit.get("paths", ()))
    return any(hit["page"] == known.page and _is_named(names, known.document) for known in pages)


def _is_named(names: Iterable[str], asked: str) -> bool:
    """Whether one of the names is this, or a path that ends with it; both as paths are kept, for a Mac lists a name in
    other characters than it is stored in.
    """
    wanted = folder_path(asked)
    return bool(wanted) and any(f"/{folder_path(name)}".endswith(f"/{wanted}") for name in names)


async def _paths(client: Client, document_id: str, known: dict[str, list[str]]) -> list[str]:
    """Where a document lies in what it came from (also one that search did not find: a neighbour, a page decoded just
    now); nowhere, if it was deleted meanwhile.
    """
    if document_id not in known:
        try:
            document = await client.document(document_id)
            known[document_id] = [*document["paths"], *(origin["path"] for origin in document["origins"])]
        except ApiError:
            known[document_id] = []
    return known[document_id]


async def _literal(client: Client, citation: dict[str, Any], texts: dict[_Place, str | None]) -> bool:
    place = (citation["document_id"], citation["page"], citation.get("note"))
    if place not in texts:
        try:
            page = await client.page(*place[:2])
            notes = {note["prompt"]: note["text"] for note in page.get("notes", ())}
            texts[place] = notes.get(place[2]) if place[2] else page["text"]
        except ApiError:
            texts[place] = None
    start, end = citation["span"]
    text = texts[place]
    return text is not None and text[start:end] == citation["quote"]


def _holds(citations: Sequence[dict[str, Any]], answer: str | None) -> bool | None:
    """Whether a quote holds the answer, or a good part of an answer that runs over more than a sentence."""
    wanted = _letters(answer or "")
    if not wanted:
        return None
    quotes = [_letters(citation["quote"]) for citation in citations]
    return any(wanted in quote or (quote in wanted and len(quote) * _GOOD_PART >= len(wanted)) for quote in quotes)


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def from_truth(truth: dict[str, Any]) -> list[str]:
    """The questions of the sample archive (`samples/truth.json`) as lines of this format. Raises `InvalidRequest`."""
    try:
        return _lines_of(truth)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InvalidRequest(
            "This file is neither JSON Lines with one `question` each nor the ground truth of a sample archive."
        ) from None


def _lines_of(truth: dict[str, Any]) -> list[str]:
    return [
        json.dumps(
            {
                "question": asked["question"],
                "pages": [{"document": path, "page": page} for path, page in asked["pages"]],
                "answer": asked.get("answer") or None,
                "kind": asked["kind"],
            },
            ensure_ascii=False,
        )
        for asked in truth["questions"]
    ]
