"""What an answer says of pages that are deleted or read anew while a language model words it: nothing without its page.

Archive, service and app are the real ones; the model's server changes the archive before it replies.
"""

from __future__ import annotations

import json

import httpx
import pytest

from index.store import PageUpdate
from index.types import Answer, Citation, PageKey, PagePoint, PageState, Statement
from tests.answers_kit import BagEmbedder, page
from tests.api_kit import Api
from tests.kit import TENANT, Archive, pdf
from worker.answer.chat import ChatConfig, ChatModel
from worker.answer_llm import LlmAnswerer
from worker.asking.checking import without
from worker.jobs import now

KEEPER = "The lighthouse keeper was paid 42 pounds a year."
LAMP = "The lighthouse lamp was lit by the keeper Ada Munro."
QUESTION = "What was the lighthouse keeper paid, and who lit the lighthouse lamp?"
BOTH = [("He was paid 42 pounds.", [KEEPER]), ("Ada Munro lit the lamp.", [LAMP])]


class Changing:
    """A model that says `claims`, as (text, quotes), after it has called `meanwhile`."""

    def __init__(self):
        self.claims, self.meanwhile = BOTH, lambda: None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        excerpts = json.loads(json.loads(request.content)["messages"][1]["content"])["excerpts"]
        numbers = {quote: one["excerpt"] for one in excerpts for quote in (KEEPER, LAMP) if quote in one["text"]}
        claims = [
            {"text": text, "sources": [{"excerpt": numbers[quote], "quote": quote} for quote in quotes]}
            for text, quotes in self.claims
        ]
        self.meanwhile()
        reply = json.dumps({"found": True, "claims": claims})
        return httpx.Response(200, json={"choices": [{"message": {"role": "assistant", "content": reply}}]})


@pytest.fixture
def asked(tmp_path):
    model = Changing()
    config = ChatConfig("http://model.test/v1", "small")
    llm = LlmAnswerer(ChatModel(config, transport=httpx.MockTransport(model)))
    archive = Archive(tmp_path, answerer=llm, embedder=BagEmbedder())
    keeper, lamp = (archive.upload(pdf(text + " " * (-len(text) % 3))) for text in (KEEPER, LAMP))
    archive.settle()

    def ask(**given):
        return Api(archive.library).post("/v1/answers", json={"question": QUESTION, **given})

    yield archive, model, keeper, lamp, ask
    archive.close()


def test_a_statement_goes_with_the_page_that_it_rests_on(asked):
    """It is not in the text without its mark, and what stays has the number of its citation."""
    archive, model, keeper, lamp, ask = asked
    whole = ask().json()
    assert whole["text"] == "He was paid 42 pounds. [1] Ada Munro lit the lamp. [2]"
    assert not whole["incomplete"]
    model.meanwhile = lambda: archive.library.delete(TENANT, keeper)
    answer = ask().json()
    assert answer["text"] == "Ada Munro lit the lamp. [1]"
    assert [one["document_id"] for one in answer["citations"]] == [lamp]
    assert [(one["document_id"], one["code"]) for one in answer["missing"]] == [(keeper, "deleted")]
    assert answer["incomplete"]


def test_a_page_that_was_read_anew_takes_its_statement_along(asked):
    """What it says now is not what was quoted; the answer says which page that is, and asking again would hear it."""
    archive, model, keeper, _, ask = asked
    key = PageKey(TENANT, keeper, 1)
    model.meanwhile = lambda: archive.store.update([PageUpdate(key, now(), state=PageState.PENDING, attempts=0)])
    answer = ask().json()
    assert answer["text"] == "Ada Munro lit the lamp. [1]"
    assert [(one["document_id"], one["code"]) for one in answer["missing"]] == [(keeper, "read_anew")]


def test_what_rests_on_two_pages_stays_if_the_one_left_says_its_figures(asked):
    """A figure that the lost page alone had goes with it; words may stand on the page that is left."""
    archive, model, keeper, _, ask = asked
    model.claims = [
        ("Ada Munro was paid 42 pounds.", [KEEPER, LAMP]),
        ("The keeper Ada Munro lit the lamp.", [LAMP, KEEPER]),
    ]
    assert ask().json()["text"].endswith("[1] [2] The keeper Ada Munro lit the lamp. [2] [1]")
    model.meanwhile = lambda: archive.library.delete(TENANT, keeper)
    answer = ask().json()
    assert answer["text"] == "The keeper Ada Munro lit the lamp. [1]"
    assert len(answer["citations"]) == 1


def test_nothing_left_is_not_found(asked):
    """Without a page left there is no answer, and nothing of it in the text."""
    archive, model, keeper, lamp, ask = asked
    model.meanwhile = lambda: [archive.library.delete(TENANT, one) for one in (keeper, lamp)]
    answer = ask().json()
    assert (answer["found"], answer["citations"], answer["confidence"]) == (False, [], 0.0)
    assert answer["text"] == "Not found in these documents."
    assert len(answer["missing"]) == 2


def test_streams_and_footnotes_end_with_what_stands(asked):
    """What was told cannot be taken back: the last event, and the end of a completion, say what is left of it."""
    archive, model, keeper, _, ask = asked
    model.meanwhile = lambda: archive.library.delete(TENANT, keeper)
    events = [one.split("\n") for one in ask(stream=True).text.strip().split("\n\n")]
    told = {one[0].removeprefix("event: "): json.loads(one[1].removeprefix("data: ")) for one in events}
    assert told["done"]["text"] == "Ada Munro lit the lamp. [1]"
    assert told["citations"] == told["done"]["citations"]

    model.meanwhile = lambda: None
    again = archive.upload(pdf(KEEPER + " " * (-len(KEEPER) % 3)))
    archive.settle()
    model.meanwhile = lambda: archive.library.delete(TENANT, again)
    chat = {"model": "folioscope", "messages": [{"role": "user", "content": QUESTION}]}
    content = Api(archive.library).post("/v1/chat/completions", json=chat).json()["choices"][0]["message"]["content"]
    assert content.startswith("Ada Munro lit the lamp. [1]\n\n[1] scan.pdf, page 1: ")
    assert "42" not in content

    again = archive.upload(pdf(KEEPER + " " * (-len(KEEPER) % 3)))
    archive.settle()
    lines = Api(archive.library).post("/v1/chat/completions", json={**chat, "stream": True}).text.split("\n\n")
    chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    text = "".join(one["choices"][0]["delta"].get("content", "") for one in chunks)
    _, _, stands = text.partition("What still stands: ")
    assert stands.startswith("Ada Munro lit the lamp. [1]\n\n[1] scan.pdf")


def test_marks_that_documents_print_are_text():
    """“[2]” in a quote is the page's own; without statements the text is what is left of the quotes."""
    gone, kept = page("The ferry sank.", number=1)[1], page("See note [2] on the bridge.", number=2)[1]

    def quote(point: PagePoint) -> Citation:
        return Citation(point.key, "scan.pdf", point.text, 0, len(point.text), (), 1.0)

    texts = f"“{gone.text}” [1] “{kept.text}” [2]"
    answer = Answer("?", True, texts, (quote(gone), quote(kept)), 1.0)
    left = without(answer, [0], {gone.key: None, kept.key: kept})
    assert left.text == "“See note [2] on the bridge.” [1]"
    said = (Statement(gone.text, (0,)), Statement(kept.text, (1,)))
    worded = Answer("?", True, "…", answer.citations, 1.0, statements=said)
    left = without(worded, [0], {gone.key: None, kept.key: kept})
    assert left.text == "See note [2] on the bridge. [1]"
    assert left.statements == (Statement(kept.text, (0,)),)
