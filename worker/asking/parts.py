"""Pages that have a numbered part which a question names: "clause 4.3(b) of the Visser lease".

The page with the clause seldom says whose lease it is: that stands on its first page. So the documents are found by
the other words of the question, and the part is looked for on all of their pages, of which search need not know one.
Where several documents fit equally well (two editions of a policy), pages of each are given.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from index.matching import matcher_of
from index.parts import PAGE, PartName, part_spans
from index.store import Store
from index.types import Hit, PageKey, PagePoint, PageState, SearchFilter
from worker.answer.asking import Question, Role

_HITS = 20
"""Pages found by the words beside the part; their documents are looked through."""
_DOCUMENTS = 12
MAX_PAGES = 300
"""Pages looked through for one question."""
_MOST = 8

Pages = list[tuple[Hit, PagePoint]]


@dataclass(slots=True)
class _Document:
    """`named`: for each word of the question that may name it, how well it stands in it or in its name."""

    place: int  # among the documents found
    named: dict[int, float] = field(default_factory=dict)
    pages: list[tuple[float, PagePoint]] = field(default_factory=list)


def pages_with_parts(store: Store, tenant: str, asked: Question, where: SearchFilter, found: Pages) -> Pages:
    """Pages of the documents that fit the question best which have one of its parts, best first; `found` are what
    search found, none of them more sure than these. Empty where no document looked through has one.
    """
    names = asked.numbers(Role.CONTENT, Role.NAME, Role.IDENTIFIER)
    rest = " ".join(asked.plan.terms[n].form for n in names)
    hits = store.search(tenant, rest, where, limit=_HITS) if rest else []
    known = {hit.key: hit for hit in (*(hit for hit, _ in found), *hits)}
    documents = {d: _Document(n) for n, d in enumerate(list(dict.fromkeys(k.document_id for k in known))[:_DOCUMENTS])}
    matcher = matcher_of(asked.plan)
    for page in _pages(store, tenant, asked.parts, list(documents), where, found):
        document = documents[page.key.document_id]
        labels = " ".join({page.labels.filename, *page.labels.paths})
        for term, quality in (*matcher.summary(page.text).terms.items(), *matcher.summary(labels).terms.items()):
            document.named[term] = max(document.named.get(term, 0.0), quality)
        if quality := max(_quality(part, page) for part in asked.parts):
            document.pages.append((quality, page))
    holding = [d for d in documents.values() if d.pages]
    fit = {id(d): sum(d.named.get(n, 0.0) for n in names) for d in holding}
    best = max(fit.values(), default=0.0)
    chosen = sorted((d for d in holding if fit[id(d)] >= best), key=lambda d: d.place)
    pages = sorted((p for d in chosen for p in d.pages), key=lambda p: (-p[0], documents[p[1].key.document_id].place))
    best_score = max((hit.score for hit in known.values()), default=0.0)
    return [(replace(known.get(p.key) or _hit(p), score=best_score), p) for _, p in pages[:_MOST]]


def _quality(part: PartName, page: PagePoint) -> float:
    if part.kind == PAGE:
        return float(part.steps == (str(page.key.page),))
    return max((span.quality for span in part_spans(page.text, part)), default=0.0)


def _pages(
    store: Store, tenant: str, parts: Sequence[PartName], documents: Sequence[str], where: SearchFilter, found: Pages
) -> Iterator[PagePoint]:
    """Pages of the documents, each once: those that search found and those asked for by number are among them however
    long the documents are.
    """
    numbers = [int(part.steps[0]) for part in parts if part.kind == PAGE and part.steps[0].isdigit()]
    keys = [PageKey(tenant, document, number) for document in documents for number in numbers]
    numbered = [page for page in store.get(keys) if page is not None and page.state is PageState.DONE] if keys else []
    scanned = (
        store.scan(tenant, document_ids=documents, states=[PageState.DONE], where=where, with_content=True)
        if documents
        else ()
    )
    seen: set[PageKey] = set()
    for page in itertools.chain((page for _, page in found), numbered, scanned):
        if page.key in seen or page.key.document_id not in documents:
            continue
        seen.add(page.key)
        yield page
        if len(seen) == MAX_PAGES:
            return


def _hit(page: PagePoint) -> Hit:
    return Hit(page.key, page.labels, 0.0, (), page.width, page.height, page.trust)
