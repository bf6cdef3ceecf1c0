"""Hybrid search over a real store: what comes first, what is left out, and what is shown."""

from __future__ import annotations

import time

import numpy as np
import pytest
from index_kit import NOW, HashEmbedder, fill, labels

from index.matching import matcher_of
from index.passages import embed_passages
from index.payload import WordTable, encode_words
from index.query import analyse
from index.sentences import sentence_spans
from index.snippets import boxes_of, snippets
from index.store import PageUpdate
from index.store_edge import EdgeStore
from index.types import Box, PageKey, PageReading, PageState, Reader, Region, RegionKind, SearchFilter, Word
from index.words import DEFAULT_WORDS
from worker.answer.quoting import cite

ALL = SearchFilter()

PAGES = {
    "minutes": [
        "# Minutes of the Committee\nThe treasurer reported that the funds of the society stood at £42.",
        "It was resolved, as an act of grace and without making a precedent, to remit the rent of Widow Tull.",
        "The chairman thanked the ladies for the tea. Grace was said. The act was of no importance.",
    ],
    "invoices": [
        "# Invoice INV-2024-0117\n\n| Item | Amount |\n|---|---|\n| 12 reams of paper | 50.40 |\n| Ink | 7.00 |",
        "# Invoice INV-2024-0118\n\n| Item | Amount |\n|---|---|\n| 3 chairs | 90.00 |",
        "Reminder: invoice lNV-2O24-0119 is overdue. Account DE89 3704 0044 0532 0130 00.",
    ],
    "letters": [
        "The lnstallation of the new boi1er was inspected by the rnanager on Tuesday.",
        "Die Brücke über die Ilm wurde im Frühjahr instand gesetzt. Größe und Maße siehe Anlage.",
        "東京都港区の契約書。第三条により支払う。",
        "The ship Clementina lay at anchor. " * 3 + "Her captain, Mr. Featherstone, asked for water. " + "Gulls. " * 40,
    ],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    embedder = HashEmbedder(dim=384)
    store = EdgeStore.open(tmp_path_factory.mktemp("index"), embedder)
    for document, pages in PAGES.items():
        fill(store, embedder, "t", document, pages)
    yield store
    store.close()


def _first(store, query):
    hits = store.search("t", query, ALL, limit=5)
    return (hits[0].key.document_id, hits[0].key.page) if hits else None


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("treasurer funds", ("minutes", 1)),
        ("Who reported the funds of the society?", ("minutes", 1)),
        ('"act of grace"', ("minutes", 2)),
        ('"ACT  of Grace"', ("minutes", 2)),
        ('"act of qrace"', ("minutes", 2)),
        ("INV-2024-0117", ("invoices", 1)),
        ("inv 2024 0118", ("invoices", 2)),
        ("INV-2024-0119", ("invoices", 3)),
        ("invoice INV-2024-0119 please", ("invoices", 3)),
        ("DE89370400440532013000", ("invoices", 3)),
        ("installation", ("letters", 1)),
        ("boiler manager", ("letters", 1)),
        ("instalation of the boilers", ("letters", 1)),
        ("bruecke brucke", ("letters", 2)),
        ("BRÜCKE", ("letters", 2)),
        ("契約書", ("letters", 3)),
        ("captain fetherstone", ("letters", 4)),
        ("reams", ("invoices", 1)),
    ],
)
def test_the_page_comes_first(store, query, page):
    """Words, questions, phrases, identifiers, misread letters and accents find their page first."""
    assert _first(store, query) == page


@pytest.mark.parametrize("query", ["", " ", "😀", '"' * 5000, "?", "zzzyx qqqwv", '"no such phrase anywhere xyzzy"'])
def test_nothing_is_found_for_nothing(store, query):
    """Queries without words, and words that are nowhere, find no random pages."""
    assert store.search("t", query, ALL, limit=5) == []


@pytest.mark.parametrize(
    "query",
    [
        "the",
        "x" * 2000,
        "the boiler " * 500,
        '"the" "of" "a"',
        "a" * 100 + "-" + "1" * 1900,
        "\ud83d boiler",
        "%s {0} \\",
    ],
)
def test_strange_queries_do_no_harm(store, query):
    """Stop words, absurd lengths, broken characters: an answer and no error."""
    assert isinstance(store.search("t", query, ALL, limit=3), list)


def test_limits_at_the_edge(store):
    """No hits for no limit, for a tenant without pages, and past the end."""
    assert store.search("t", "invoice", ALL, limit=0) == []
    assert store.search("nobody", "invoice", ALL, limit=5) == []
    assert store.search("t", "invoice", ALL, limit=5, offset=10_000) == []


def test_scores_fall(store):
    """Hits come best first."""
    scores = [h.score for h in store.search("t", "invoice of the committee", ALL, limit=10)]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    "query", ["paper ink amount", "captain featherstone", '"act of grace"', "boiler", "契約書", "society"]
)
def test_snippets_are_slices_with_places(store, query):
    """Each snippet is an exact slice, its highlights lie inside, and each has its boxes on the page."""
    for hit in store.search("t", query, ALL, limit=5):
        text = PAGES[hit.key.document_id][hit.key.page - 1]
        assert 1 <= len(hit.snippets) <= 3
        for snippet in hit.snippets:
            assert snippet.text == text[snippet.start : snippet.end]
            assert snippet.text.strip()
            assert len(snippet.text) <= 420
            assert all(0 <= s < e <= len(snippet.text) for s, e in snippet.highlights)
            assert snippet.boxes
        spans = sorted((s.start, s.end) for s in hit.snippets)
        assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:], strict=False))


def test_highlights_show_what_matched(store):
    """Stems, misread words and phrases are marked as they stand on the page."""

    def marked(query):
        snippet = store.search("t", query, ALL, limit=1)[0].snippets[0]
        return [snippet.text[s:e] for s, e in snippet.highlights]

    assert marked("boilers inspecting manager") == ["boi1er", "inspected", "rnanager"]
    assert marked('"act of grace"') == ["act of grace"]
    assert marked("INV-2024-0117") == ["INV-2024-0117"]


def test_boxes_of_a_phrase_are_one_for_each_line(store):
    """Words side by side share a box; a phrase over a line end has two."""
    snippet = store.search("t", '"making a precedent"', ALL, limit=1)[0].snippets[0]
    words = PAGES["minutes"][1].split()
    first = words.index("making")
    lines = {(first + n) // 8 for n in range(3)}
    assert len(snippet.boxes) == len(lines)


def test_a_word_with_spaces_is_marked_once():
    """What a reader holds to be one word has one box, however many marks lie in it."""
    boxes = [Box(0.1, 0.1, 0.15, 0.12), Box(0.2, 0.1, 0.5, 0.12), Box(0.1, 0.2, 0.2, 0.22)]
    spans = [(0, 2), (3, 19), (20, 24)]  # "of BL 2019 00482 K, sold"
    table = WordTable(encode_words(tuple(Word(*span, box) for span, box in zip(spans, boxes, strict=True))))
    (only,) = boxes_of(table, [(3, 5), (6, 10), (11, 16), (17, 18)])
    assert only.x0 == pytest.approx(boxes[1].x0, abs=1e-4)
    assert len(boxes_of(table, [(3, 5), (20, 24)])) == 2


def test_a_long_page_shows_the_place_that_matched(store):
    """The snippet is around the match, not the beginning of the page."""
    snippet = store.search("t", "captain water", ALL, limit=1)[0].snippets[0]
    assert "Featherstone, asked for water" in snippet.text


def test_a_page_without_words_shows_its_regions(tmp_path):
    """Readers that know blocks only have the blocks that matched marked, in search and under a citation."""
    embedder = HashEmbedder()
    store = EdgeStore.open(tmp_path, embedder)
    text = "# Port dues\n\nThe dues of 1874.\n\nThe harbour master."
    boxes = [Box(0.1, 0.1, 0.5, 0.2), Box(0.1, 0.3, 0.9, 0.4), Box(0.1, 0.5, 0.9, 0.6), Box(0.2, 0.7, 0.8, 0.9)]
    spans = [(0, 11), (13, 30), (32, 51), (51, 51)]
    kinds = [RegionKind.TITLE, RegionKind.PARAGRAPH, RegionKind.PARAGRAPH, RegionKind.FIGURE]
    regions = tuple(Region(kind, box, *span) for kind, box, span in zip(kinds, boxes, spans, strict=True))
    key = PageKey("t", "d", 1)
    store.add_pending([key], labels(), NOW)
    read = PageReading(text, regions, (), 0.9, 100, 100, 0, Reader("fake", "1", "base"))
    passages = embed_passages(embedder, text)
    store.update([PageUpdate(key, NOW, state=PageState.DONE, reading=read, passages=passages)])
    hit = store.search("t", "harbour master", ALL, limit=1)[0]
    assert hit.snippets[0].boxes == (boxes[2],)
    assert store.search("t", "dues", ALL, limit=1)[0].snippets[0].boxes == (boxes[0], boxes[1])
    point = store.get([key])[0]
    assert cite(hit, point, (13, 30), 0.9).boxes == (boxes[1],)
    store.close()


def test_parts_of_an_identifier_are_not_marked(tmp_path):
    """`2018` and `B` mean nothing where the whole number stands, and little where it does not."""
    pages = [
        "Invoice INV-2018-0142 of May 2018. Plan B was kept, as in 2018.",
        "In 2018 plan B was kept by the committee.",
        "Berth B-201 was let. Plan B was kept.",
    ]
    embedder = HashEmbedder(dim=384)
    store = EdgeStore.open(tmp_path / "index", embedder)
    fill(store, embedder, "t", "d", pages)

    def marked(query):
        hits = store.search("t", query, ALL, limit=5)
        return {h.key.page: [s.text[a:b] for s in h.snippets for a, b in s.highlights] for h in hits}

    assert marked("INV-2018-0142")[1] == ["INV-2018-0142"]
    assert marked("INV-2018-0142").get(2, []) == []
    assert marked("B-201")[3] == ["B-201"]
    store.close()


def test_a_page_of_figures_is_shown_in_no_time():
    """Thousands of lines and of matches: each was held against each, eight seconds for this page."""
    text = "1\n" * 18_000 + "the weir of 1.1.1\n"
    spans, matches = sentence_spans(text), matcher_of(analyse("1.1.1", DEFAULT_WORDS), DEFAULT_WORDS).find(text)
    began = time.process_time()
    first, *_ = snippets(
        text,
        sentences=spans,
        words=WordTable(""),
        regions=(),
        cosines=np.zeros(len(spans), np.float32),
        matches=matches,
        meaning=1.0,
        limit=3,
    )
    assert time.process_time() - began < 2.5
    assert len(spans) >= 18_000
    assert len(matches.matches) > 18_000
    assert "the weir of 1.1.1" in first.text
