"""The archive as data: every page that is read, filtered as search is, streamed, in two formats."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest
from pyarrow import parquet as pq

from api import examples
from api.schemas_pages import PageRowJSON
from index.types import Box, PageKey, PageLabels, PagePoint, PageState, SearchFilter, Word
from tests.api_kit import Api, FakeService, assert_problem
from tests.ingest_kit import zip_bytes
from tests.kit import TENANT, Archive, pdf
from worker import export

EVERYTHING = SearchFilter()


@pytest.fixture
def archive(tmp_path):
    archive = Archive(tmp_path)
    yield archive
    archive.close()


def told(archive, where=EVERYTHING):
    return [(p.key.document_id, p.key.page, p.text) for p in archive.library.export(TENANT, where)]


def test_pages_that_are_read_in_order(archive):
    """Newest document first, pages in order, across the bounded pieces; failed and unread pages are left out."""
    first = archive.upload(pdf(*(f"page {n}" for n in range(1, 2 * export._AT_ONCE + 3))))
    second = archive.upload(pdf("good", "!damaged", "fine"))
    archive.settle()
    unread = archive.upload(pdf("not read yet"))
    given = told(archive)
    assert [(d, n) for d, n, _ in given] == [(second, 1), (second, 3)] + [
        (first, n) for n in range(1, 2 * export._AT_ONCE + 3)
    ]
    assert all("page" in text or text in {"good", "fine"} for _, _, text in given)
    assert unread not in {d for d, _, _ in given}


def test_filtered_as_search_is(archive):
    """By document, folder, type and time; another tenant's ids give nothing."""
    packed = archive.upload(zip_bytes({"box/1931/a.pdf": pdf("first"), "box/b.pdf": pdf("second")}), "box.zip")
    alone = archive.upload(pdf("third"))
    archive.settle()
    texts = lambda **where: sorted(t for _, _, t in told(archive, SearchFilter(**where)))
    assert texts() == ["first", "second", "third"]
    assert texts(folder="box/1931/") == ["first"]
    assert texts(folder="box") == ["first", "second"]
    assert texts(folder="bo") == []
    assert texts(document_ids=(alone, alone, "no-such-id")) == ["third"]
    assert texts(document_ids=(packed,)) == ["first", "second"], "an archive is all that lies in it"
    assert texts(media_types=("image/png",)) == []
    now = datetime.now(UTC)
    assert texts(created_from=now + timedelta(hours=1)) == []
    assert texts(created_to=now + timedelta(hours=1)) == ["first", "second", "third"]
    assert list(archive.library.export("other", SearchFilter(document_ids=(alone,)))) == []


def test_deleted_while_it_runs(archive):
    """A document that is deleted before its turn is left out; the export goes on."""
    kept = archive.upload(pdf("kept"))
    gone = archive.upload(pdf("gone"))
    archive.settle()
    third = archive.upload(pdf("newest"))
    archive.settle()
    running = archive.library.export(TENANT, EVERYTHING)
    assert next(running).key.document_id == third
    archive.library.delete(TENANT, gone)
    assert [p.key.document_id for p in running] == [kept]


def test_json_lines():
    """One object a line, words only where asked for; many pieces make the same file."""
    api = Api(FakeService())
    document = api.add(b"\f".join(b"page %d " % n + b"word " * 400 for n in range(60)))
    response = api.get("/v1/export")
    assert response.headers["content-type"] == "application/x-ndjson"
    rows = [json.loads(line) for line in response.content.splitlines()]
    assert [row["page"] for row in rows] == list(range(1, 61))
    assert rows[0]["document_id"] == document
    assert rows[7]["text"].startswith("page 7")
    assert "words" not in rows[0]
    assert json.loads(api.get("/v1/export?words=true").content.splitlines()[0])["words"]
    PageRowJSON.model_validate(examples.PAGE_ROW)


def test_parquet():
    """A file that Arrow reads, with the rows of JSON Lines; an empty archive has the columns too."""
    api = Api(FakeService())
    empty = pq.read_table(io.BytesIO(api.get("/v1/export?format=parquet").content))
    assert empty.num_rows == 0
    api.add(b"\f".join(b"page %d" % n for n in range(300)))
    table = pq.read_table(io.BytesIO(api.get("/v1/export?format=parquet").content))
    assert table.schema == empty.schema
    lines = [json.loads(line) for line in api.get("/v1/export").content.splitlines()]
    assert table.column("page").to_pylist() == [row["page"] for row in lines]
    assert table.column("text").to_pylist() == [row["text"] for row in lines]
    assert [r["kind"] for r in table.column("regions").to_pylist()[0]] == [r["kind"] for r in lines[0]["regions"]]
    assert pq.ParquetFile(io.BytesIO(api.get("/v1/export?format=parquet&words=true").content)).num_row_groups == 2


def test_text_that_is_no_unicode():
    """Half surrogate pairs are no reason to fail, in either format."""
    service = FakeService()
    api = Api(service)
    document = api.add(b"x")
    service.texts[document] = ["half \ud800 pair"]
    assert json.loads(api.get("/v1/export").content)["text"] == "half \ufffd pair"
    assert pq.read_table(io.BytesIO(api.get("/v1/export?format=parquet").content)).num_rows == 1


def test_a_line_is_one_for_every_reader():
    """Also where a page holds what Unicode calls the end of a line: `httpx` and `str.splitlines` part lines there."""
    service = FakeService()
    api = Api(service)
    document = api.add(b"x")
    service.texts[document] = [text := "a\x85b\u2028c\u2029d\x0be\x0cf\x1eg\r\nh – i"]
    (line,) = api.get("/v1/export").iter_lines()
    assert json.loads(line)["text"] == text


def test_troubles_are_problems():
    """An index that is away before the first page answers a problem; so does a format that there is not."""
    from index.errors import StoreUnavailable

    service = FakeService()
    api = Api(service)
    service.fail_with = StoreUnavailable("The index is away.")
    assert_problem(api.get("/v1/export"), 503, "store_unavailable")
    assert_problem(api.get("/v1/export?format=parquet"), 503, "store_unavailable")
    service.fail_with = None
    assert_problem(api.get("/v1/export?format=csv"), 422, "invalid_request")
    assert_problem(api.get("/v1/export?created_from=yesterday"), 422, "invalid_request")


def test_unknown_filters_export_nothing():
    """A filter with a slip in its name is refused and named: without it the file would hold everything."""
    api = Api(FakeService())
    api.add(b"secret")
    for query in ("folders=a", "foldr=a", "document_ids=x", "format=jsonl&Folder=a"):
        refused = api.get(f"/v1/export?{query}")
        assert_problem(refused, 422, "invalid_request")
        assert "folder" in refused.json()["detail"]


def test_memory_is_bounded_by_pieces():
    """Pages are fetched as the reader takes them, not all at once."""
    from api.export import json_lines

    service = FakeService()
    Api(service).add(b"\f".join(b"page " + b"word " * 2000 for _ in range(100)))
    seen = 0

    def counted():
        nonlocal seen
        for point in service.export(TENANT, EVERYTHING):
            seen += 1
            yield point

    next(json_lines(counted(), words=False))
    assert 0 < seen < 20


def dense(words, seen=None):
    """Pages without end, each with so many words; `seen` counts those that were asked for."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    boxes = tuple(Word(5 * n, 5 * n + 4, Box(0, 0, 1, 1)) for n in range(words))
    for number in itertools.count(1):
        if seen is not None:
            seen.append(number)
        key, labels = PageKey(TENANT, "d", number), PageLabels("dense.pdf", "application/pdf", at)
        point = PagePoint(key=key, labels=labels, state=PageState.DONE, text="word " * words, words=boxes)
        yield dataclasses.replace(point, updated_at=at)


def test_parquet_holds_few_dense_pages():
    """A row group ends early where pages are dense: what is held does not grow with the words on them."""
    from api.export import parquet

    for words, most in ((20_000, 10), (100, 257)):
        seen: list[int] = []
        pieces = parquet(dense(words, seen), words=True)
        first = next(pieces)
        assert first.startswith(b"PAR1")
        assert 1 < len(seen) <= most
        pieces.close()  # a client that leaves in the middle


def test_cancelled_export_ends_the_look():
    """A client that leaves closes the pages' generator, in either format, at once and not at its end."""
    from api.export import json_lines, parquet

    closed = []

    def watched():
        try:
            yield from dense(1000)
        finally:
            closed.append(True)

    for make in (json_lines, parquet):
        pages = watched()
        pieces = make(pages, words=False)
        del pages
        next(pieces)
        pieces.close()
    assert len(closed) == 2
