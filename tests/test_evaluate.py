"""`folioscope eval`: the measures are those of the books, and the file format is checked line by line."""

from __future__ import annotations

import asyncio
import json
import math
import os
import time
import unicodedata
from pathlib import Path

import httpx
import pytest

from api import cli_eval, evaluate
from api.cli_client import ApiError, Client
from api.cli_output import INTERRUPTED, PARTIAL, Output
from index.errors import InvalidRequest, Unavailable
from tests.api_kit import Api, FakeService


def question(text="Who?", pages=((("a.pdf"), 1),), **more):
    known = [{"document": document, "page": page} for document, page in pages]
    return evaluate.KnownQuestion.model_validate({"question": text, "pages": known, **more})


def outcome(asked, ranks=(), found=True, page_right=True, quotes=1, right=1, answer=None):
    return evaluate.Outcome(asked, tuple(ranks), found, page_right, quotes, right, answer, 1, 10.0, 15.0, 20.0)


def test_ndcg_by_hand():
    """One right page at rank 2 of two right ones; all right ones first; none."""
    assert evaluate.ndcg([2], 2) == pytest.approx((1 / math.log2(3)) / (1 + 1 / math.log2(3)))
    assert evaluate.ndcg([1, 2], 2) == 1.0
    assert evaluate.ndcg([1, 2, 3], 2) == 1.0
    assert evaluate.ndcg([], 3) == 0.0
    assert evaluate.ndcg([11], 1) == 0.0


def test_shares_count_what_they_say():
    """Recall and cited page over questions with an answer, "not found" over those without and over silences."""
    outcomes = [
        outcome(question(), [1]),
        outcome(question(), [5], page_right=False),
        outcome(question(), [6], found=False, page_right=False, quotes=0, right=0),
        outcome(question(pages=()), found=False, page_right=False, quotes=0, right=0),
        outcome(question(pages=()), found=True, page_right=False, quotes=2, right=1),
    ]
    (row,) = evaluate.rows(outcomes)
    assert (row.recall_1, row.recall_5) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert row.page_right == pytest.approx(1 / 3)
    assert row.not_found_precision == 0.5
    assert row.not_found_recall == 0.5
    assert row.quote_literal == 0.75
    assert row.pages_decoded == 1.0
    assert (row.search_p95_ms, row.first_p50_ms, row.answer_p95_ms) == (10.0, 15.0, 20.0)


def test_rows_by_kind_and_what_cannot_be_measured():
    """A row for each kind and one for all; a share of nothing is no number."""
    rows = evaluate.rows([outcome(question(kind="x"), [1]), outcome(question(pages=(), kind="none"), found=False)])
    assert [row.kind for row in rows] == ["x", "none", "all"]
    assert rows[1].recall_1 is None
    assert rows[0].not_found_recall is None


def test_percentile_is_a_measured_value():
    """p95 of twenty values is the nineteenth."""
    assert evaluate.percentile(list(range(1, 21)), 0.95) == 19
    assert evaluate.percentile([7.0], 0.95) == 7.0


@pytest.mark.parametrize(
    ("line", "says"),
    [("{", "Line 2"), ('{"question": "x"}', "pages"), ('{"question": "", "pages": []}', "question"),
     ('{"question": "x", "pages": [{"document": "a", "page": 0}]}', "page"),
     ('{"question": "x", "pages": [{"document": "a", "page": "1_0"}]}', "written in digits"),
     ('{"question": "x", "pages": [], "typo": 1}', "typo"), ('{"question": " \\t", "pages": []}', "empty"),
     ('{"questions": "x", "pages": []}', "question")],
)  # fmt: skip
def test_wrong_lines_are_named(line, says):
    """A mistake in the file says in which line it is, and where."""
    with pytest.raises(InvalidRequest) as caught:
        evaluate.read_questions(['{"question": "fine", "pages": []}', line])
    assert "Line 2" in caught.value.message
    assert says in caught.value.message


def test_empty_files_say_so(tmp_path):
    """No questions, no file, no text: one sentence each."""
    (tmp_path / "empty").write_text("\n\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("empty", "binary", "missing"):
        with pytest.raises(InvalidRequest):
            cli_eval.read(tmp_path / name)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_files_of_every_editor_are_read(tmp_path, encoding, end):
    """Also what a shell of Windows redirected."""
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    lines = [json.dumps({"question": f"Größe {n}?", "pages": []}, ensure_ascii=False) for n in (1, 2)]
    path = tmp_path / "questions.jsonl"
    path.write_bytes((mark + end.join([*lines, ""])).encode(encoding))
    assert [one.question for one in cli_eval.read(path)] == ["Größe 1?", "Größe 2?"]


def test_a_pipe_is_read_to_its_end():
    """`folioscope eval <(grep lamp questions.jsonl)`: what a pipe gave once it does not give again."""
    lines = "".join(json.dumps({"question": f"Who lit lamp {n}?", "pages": []}) + "\n" for n in range(400))
    source, sink = os.pipe()
    with os.fdopen(sink, "w") as file:
        file.write(lines)  # which the pipe holds, unread
    try:
        assert len(cli_eval.read(Path(f"/dev/fd/{source}"))) == 400
    finally:
        os.close(source)


@pytest.mark.parametrize(
    "whole",
    [{"questions": "none"}, {"questions": [{"question": "x"}]}, {"questions": ["x"]}, {"questions": None},
     {"questions": [{"question": "x", "kind": "y", "pages": ["a.pdf"]}]}],
)  # fmt: skip
def test_a_file_that_is_nearly_a_sample_archive_says_what_it_is_not(tmp_path, whole):
    """Also a single line whose field has a slip of a letter."""
    path = tmp_path / "questions.json"
    path.write_text(json.dumps(whole))
    with pytest.raises(InvalidRequest):
        cli_eval.read(path)


def test_a_page_that_is_named_twice_is_one():
    """Of two right pages one would be missing for ever."""
    page = {"document": "a.pdf", "page": 1}
    (asked,) = evaluate.read_questions([json.dumps({"question": "x", "pages": [page, page]})])
    (row,) = evaluate.rows([outcome(asked, [1])])
    assert row.ndcg_10 == 1.0


def test_a_service_that_is_started_again_costs_few_questions(tmp_path, capsys, monkeypatch):
    """It is away for a moment, in which five questions in a row would fail at once."""
    monkeypatch.setattr(evaluate, "_PAUSES_S", (0.3,) * 4)
    api = Api()
    api.add(b"The lamp was lit at dusk.", filename="log.pdf")
    asked_at = []

    class Restarting(httpx.ASGITransport):
        async def handle_async_request(self, request):
            asked_at.append(time.monotonic())
            if asked_at[-1] - asked_at[0] < 0.5:
                raise httpx.ConnectError("refused")
            return await super().handle_async_request(request)

    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(json.dumps({"question": f"lamp x{n}", "pages": []}) for n in range(8)))

    async def main():
        async with httpx.AsyncClient(transport=Restarting(api.app), base_url="http://localhost") as http:
            client = Client(http, in_process=True)
            return await cli_eval.run(client, Output(as_json=True), cli_eval.read(path), misses=False)

    assert asyncio.run(main()) == PARTIAL
    shown = capsys.readouterr()
    failed = shown.err.count("no answer (unreachable)")
    assert 1 <= failed < 5
    assert json.loads(shown.out)["rows"][0]["questions"] == 8 - failed


def test_what_was_measured_before_an_interruption_is_told(tmp_path, capsys):
    """Ctrl-C among thousands of questions: the table is of those that were asked. Before the first of them there is
    nothing to tell.
    """
    stop_at, running = "", []

    class Interrupted(FakeService):
        def ask(self, tenant, question, where):
            if stop_at in question:
                task, loop = running[-1]
                loop.call_soon_threadsafe(task.cancel)
            return super().ask(tenant, question, where)

    api = Api(Interrupted())
    api.add(b"The lamp was lit at dusk.", filename="log.pdf")
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(json.dumps({"question": f"lamp x{n}", "pages": []}) for n in range(8)))

    async def main():
        running.append((asyncio.current_task(), asyncio.get_running_loop()))
        transport = httpx.ASGITransport(api.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            client = Client(http, in_process=True)
            return await cli_eval.run(client, Output(as_json=True), cli_eval.read(path), misses=False)

    stop_at = "x3"
    assert asyncio.run(main()) == INTERRUPTED
    shown = capsys.readouterr()
    assert json.loads(shown.out)["rows"][0]["questions"] == 3
    assert "5 questions not asked" in shown.err
    stop_at = "x0"
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())


@pytest.mark.parametrize(("broken", "told"), [("x1", 1), ("", 7)])
def test_what_cannot_be_answered_costs_no_other_question(tmp_path, capsys, broken, told):
    """One failure is told and counts nowhere; after five in a row no more is asked, and what was measured is told."""

    class Away(FakeService):
        def ask(self, tenant, question, where):
            self.fail_answers = None
            if broken in question and "x0" not in question:
                self.fail_answers = Unavailable("It is away.", code="llm_unavailable")
            return super().ask(tenant, question, where)

    api = Api(Away())
    api.add(b"The lamp was lit at dusk.", filename="log.pdf")
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(json.dumps({"question": f"lamp x{n}", "pages": []}) for n in range(8)))

    async def main():
        transport = httpx.ASGITransport(api.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            client = Client(http, in_process=True)
            known = cli_eval.read(path)
            code = await cli_eval.run(client, Output(as_json=True), known, misses=False)
            with pytest.raises(ApiError):
                await evaluate.run(client, known)  # who takes no failures is told of the first
            with pytest.raises(ApiError):
                await evaluate.run(client, known[1:2] if broken else known[1:], failed=[])
            return code

    assert asyncio.run(main()) == PARTIAL
    shown = capsys.readouterr()
    assert json.loads(shown.out)["rows"][0]["questions"] == 8 - told
    assert shown.err.count("no answer (llm_unavailable)") == min(told, 5)
    assert ("2 questions not asked any more" in shown.err) == (told == 7)


def test_asked_through_the_api(tmp_path):
    """Pages are known by id, by file name and by the end of a path; quotes are compared with their pages."""
    service = FakeService()
    api = Api(service)
    document = api.add(b"The lamp was lit at dusk.\fThe ferry was sold.", filename="log.pdf")
    lines = [
        {"question": "ferry", "pages": [{"document": document, "page": 2}], "answer": "FERRY was sold"},
        {"question": "lamp", "pages": [{"document": "log.pdf", "page": 1}]},
        {"question": "lamp", "pages": [{"document": "og.pdf", "page": 1}]},
        {"question": "zebra", "pages": []},
    ]
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))

    async def main():
        transport = httpx.ASGITransport(api.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            client = Client(http, in_process=True)
            plain = await evaluate.run(client, cli_eval.read(path))
            assert not any(service.reranked)
            await evaluate.run(client, cli_eval.read(path), rerank=True)
            assert sum(service.reranked) == 4
            return plain

    ferry, lamp, other, zebra = asyncio.run(main())
    assert ferry.ranks == lamp.ranks == (1,)
    assert other.ranks == ()
    assert ferry.quotes == ferry.quotes_right
    assert not zebra.asked.pages
    assert all(o.answer_ms >= o.first_ms > 0 for o in (ferry, lamp, zebra))
    assert ferry.answer_quoted is (ferry.quotes > 0)
    assert lamp.answer_quoted is None


def test_a_worked_example():
    """Four questions by hand: ranks 1 and 3 of two right pages, rank 2 of one, an honest no, a wrong yes."""
    two = question(pages=(("a.pdf", 1), ("a.pdf", 2)))
    outcomes = [
        evaluate.Outcome(two, (1, 3), True, True, 2, 2, True, 2, 30.0, 40.0, 100.0),
        evaluate.Outcome(question(), (2,), False, False, 0, 0, False, 0, 10.0, 20.0, 50.0),
        evaluate.Outcome(question(pages=()), (), False, False, 0, 0, None, 3, 10.0, 20.0, 50.0),
        evaluate.Outcome(question(pages=()), (), True, False, 1, 1, None, 1, 10.0, 60.0, 70.0),
    ]
    (row,) = evaluate.rows(outcomes)
    first = (1 + 1 / 2) / (1 + 1 / math.log2(3))  # gains at ranks 1 and 3, of those at 1 and 2
    assert row.ndcg_10 == pytest.approx((first + 1 / math.log2(3)) / 2)
    assert (row.recall_1, row.recall_5) == (0.5, 1.0)
    assert row.page_right == 0.5
    assert row.quote_literal == 1.0
    assert row.answer_quoted == 0.5
    assert (row.not_found_precision, row.not_found_recall) == (0.5, 0.5)
    assert row.pages_decoded == 1.5
    assert (row.first_p50_ms, row.first_p95_ms) == (20.0, 60.0)


@pytest.mark.parametrize(
    ("answer", "quote", "right"),
    [("the keeper", "It was The  KEEPER.", True), ("He sailed at dawn. Nobody saw him.", "He sailed at dawn.", True),
     ("the keeper of the lamp", "e", False), ("the keeper", "—", False), ("the keeper", "", False),
     ("—", "the keeper", None), ("", "the keeper", None), (None, "the keeper", None)],
)  # fmt: skip
def test_what_a_right_quote_holds(answer, quote, right):
    """The answer's words, or a good part of a long one; a letter of it is none, an answer without words is unknown."""
    assert evaluate._holds([{"quote": quote}], answer) is right


def test_odd_files_are_read(tmp_path):
    """A byte order mark, Windows line ends, and line ends of other kinds inside a string."""
    path = tmp_path / "odd.jsonl"
    lines = ['{"question": "a\u2028b", "pages": []}', "", '{"question": "c", "pages": []}']
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    assert [one.question for one in cli_eval.read(path)] == ["a\u2028b", "c"]


def test_cited_page_is_known_by_its_path(tmp_path):
    """Whether search found the document or not, a page in an archive is known by the end of its path there."""
    from tests.ingest_kit import zip_bytes
    from tests.kit import Archive, HashEmbedder, pdf
    from worker.answer_extractive import ExtractiveAnswerer

    archive = Archive(tmp_path, answerer=ExtractiveAnswerer(HashEmbedder()))
    archive.upload(zip_bytes({"box/letters/1911.pdf": pdf('the lamp "was lit" by john at dusk')}), "box.zip")
    archive.settle()
    known = question('"was lit"', pages=(("letters/1911.pdf", 1),))

    async def main(hidden):
        transport = httpx.ASGITransport(Api(archive.library).app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            client = Client(http, in_process=True)
            if hidden:
                client.search = nothing
            return await evaluate.run(client, [known])

    async def nothing(_request):
        return {"hits": []}

    for hidden in (False, True):
        (one,) = asyncio.run(main(hidden))
        assert one.found
        assert one.page_right, hidden
    archive.close()


@pytest.mark.parametrize(
    "named",
    [
        "M\u00fcller/Br\u00e4u.pdf",
        "Mu\u0308ller/Bra\u0308u.pdf",
        "M\u00fcller\\Br\u00e4u.pdf",
        "./M\u00fcller/Br\u00e4u.pdf",
        "Bra\u0308u.pdf",
    ],
)
def test_documents_are_known_as_other_systems_write_their_names(named):
    """As a Mac lists them (letters and accents apart), with Windows' strokes, and from where a shell stood; also where
    an archive kept the Mac's own.
    """
    hit = {"document_id": "d", "filename": "Br\u00e4u.pdf", "paths": ["box/M\u00fcller/Br\u00e4u.pdf"], "page": 1}
    known = question(pages=((named, 1),)).pages
    assert evaluate._is_known(hit, known)
    apart = {key: unicodedata.normalize("NFD", value) for key, value in hit.items() if isinstance(value, str)}
    assert evaluate._is_known({**hit, **apart, "paths": [unicodedata.normalize("NFD", hit["paths"][0])]}, known)
    assert not evaluate._is_known({**hit, "filename": "x.pdf", "paths": ["box/M\u00fcller/a-Br\u00e4u.pdf"]}, known)
    assert not evaluate._is_known(hit, question(pages=(("./", 1),)).pages), "what names nothing names not everything"


def test_a_slip_beside_a_right_page_is_told():
    """Of several pages that answer one may be wrong: it costs nDCG, and is named though search found the other."""
    api = Api()
    document = api.add(b"The lamp was lit at dusk.", filename="log.pdf")
    found = outcome(question(pages=[("log.pdf", 1), ("lgo.pdf", 1)]), [1])
    whole = outcome(question(pages=[("log.pdf", 1)]), [1])

    async def main():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url="http://localhost") as http:
            return await evaluate.absent(Client(http, in_process=True), [found, whole])

    assert document
    assert [page.document for page in asyncio.run(main())] == ["lgo.pdf"]


def test_pages_that_are_not_in_the_archive_are_told():
    """A slip in the file would look like a bad search: names, pages and ids that nobody has are listed once each."""
    api = Api()
    document = api.add(b"The lamp was lit at dusk.\fThe ferry was sold.", filename="log 1911.pdf")
    never = "00000000-0000-5000-8000-000000000000"
    slips = (("nope.pdf", 1), ("og 1911.pdf", 1), ("log 1911.pdf", 3), (document, 9), (never, 1))
    there = (("log 1911.pdf", 2), (document, 1), ("./log 1911.pdf", 1))
    asked = [question("zebra", pages=[page]) for page in (*slips, slips[0], *there)]

    async def main():
        transport = httpx.ASGITransport(api.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            client = Client(http, in_process=True)
            return await evaluate.absent(client, [outcome(one) for one in asked])

    assert [(page.document, page.page) for page in asyncio.run(main())] == list(slips)
