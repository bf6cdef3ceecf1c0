"""`worker.answer.markers` and what claims make of them: models name excerpts in ways of their own, and say no less."""

from __future__ import annotations

import json

import pytest

from tests.answers_kit import page
from tests.index_kit import processor_s
from tests.test_answers_llm import LETTER, answerer, says
from worker.answer import markers

PAID = "The lighthouse keeper was paid 42 pounds a year"
LEFT = "He left on 3 March 1911 for Cape Clear"
ROPES = "The ropes were stored in the old lime kiln"


def answer_to(reply):
    pages = [page(LETTER, number=4), page(f"{ROPES}.", document="other", number=9)]
    return answerer(reply).answer("What was he paid?", pages)


@pytest.mark.parametrize(
    ("marker", "numbers"),
    [("[1]", [1]), ("[1, 2]", [1, 2]), ("[1,2]", [1, 2]), ("[1; 2]", [1, 2]), ("[1 and 2]", [1, 2]),
     ("[1-3]", [1, 2, 3]),
     ("[1–3, 7]", [1, 2, 3, 7]), ("[1][2]", [1, 2]), ("[1] [2]", [1, 2]), ("[^1]", [1]), ("[^1, ^2]", [1, 2]),
     ("[#2]", [2]),
     ("【2】", [2]), ("【1†letter.pdf】", [1]), ("［1］", [1]), ("[excerpt 2]", [2]), ("[Excerpts 1, and 2]", [1, 2]),
     ("[Source: 1]", [1]), ("(excerpt 2)", [2]), ("(Sources: 1, 2)", [1, 2]), ("[excerpt 1, page 4]", [1]),
     ("[1, p. 4]", [1]),
     ("[1-999]", []), ("[9-1]", [])],
)  # fmt: skip
def test_markers_are_known_and_taken_out(marker, numbers):
    """Before the full stop or behind it, and in the middle of a sentence."""
    for sentence in (f"{PAID} {marker}.", f"{PAID}{marker}.", f"{marker} {PAID}."):
        assert (markers.told(sentence), markers.unmarked(sentence)) == (numbers, f"{PAID}.")
    behind = markers.stops_last(f"{PAID}.{marker} {LEFT}.")
    assert (markers.told(behind), markers.unmarked(behind)) == (numbers, f"{PAID}. {LEFT}.")
    assert markers.unmarked(f"{PAID}.{marker}{LEFT}.") == f"{PAID}. {LEFT}."


@pytest.mark.parametrize(
    "text",
    ["under article 4 (1).", "the flood of [1953]", "a floor of 42 m²", "He was paid (42 pounds).",
     "[sic] 12", "the letter quotes 12"],
)  # fmt: skip
def test_what_is_no_marker_stays(text):
    """Articles of laws, years, square metres and remarks."""
    assert (markers.told(text), markers.unmarked(text)) == ([], text)


def test_long_rows_of_markers_take_no_time():
    """A hostile reply is as long as it may be."""
    for text in (
        "[1" * 60_000,
        "[1, " * 30_000,
        ". " * 60_000 + "[",
        "excerpt 1 and " * 9_000,
        "[1]" * 40_000,
        " [" * 60_000,
    ):
        with processor_s(2):
            markers.told(text)
            markers.unmarked(markers.stops_last(text))


@pytest.mark.parametrize(
    "marker", [" [1, 2]", "【1†letter】", "[^1]", " (excerpt 1)", " [1-2]", " [excerpt 1, page 4]"]
)
def test_a_claim_with_markers_in_its_text_holds(marker):
    """The excerpts' numbers are no figures of the claim, of which no page says anything, and are not told."""
    answer = answer_to(says((f"He earned 42 pounds{marker}.", [(1, PAID)])))
    assert answer.text == "He earned 42 pounds. [1]"


@pytest.mark.parametrize(
    ("text", "holds"),
    [("Excerpt 1 says that he earned 42 pounds.", True), ("Excerpt 77 of the roll is 42 pounds.", False),
     ("According to excerpts 1 and 2 he earned 42 pounds.", True),
     ("Page 4 of the letter says that he earned 42 pounds.", True), ("He earned 42 pounds (p. 4).", True),
     ("Page 5 of the letter says that he earned 42 pounds.", False), ("He earned 4 pounds.", False),
     ("On page 4,200 he earned 42 pounds.", False), ("His letter quotes 43 pounds.", False)],
)  # fmt: skip
def test_where_it_stands_is_no_invented_figure(text, holds):
    """The numbers of excerpts and of their pages may be said; any other figure has to stand in a source."""
    assert answer_to(says((text, [(1, PAID)]))).found == holds


@pytest.mark.parametrize("marker", ["[1, 2]", "【1】", "[^1]", "[Excerpt 1]", "[1-2]"])
def test_prose_with_such_markers_is_understood(marker):
    """Only excerpts that say it are cited; footnotes that say it again are not told again."""
    reply = f"```\n{PAID} {marker}. {ROPES}.{marker.replace('1', '2', 1)}\n```\n\n[^1]: {PAID}."
    answer = answer_to(reply)
    assert answer.text == f"{PAID}. [1] {ROPES}. [2]"
    assert [one.key.document_id for one in answer.citations] == ["doc", "other"]


def test_a_list_that_begins_with_markers_is_not_put_to_the_line_before():
    """`[2]` at the beginning of a line is of that line."""
    answer = answer_to(f"[1] {PAID}.\n[2] {ROPES}.")
    assert answer.text == f"{PAID}. [1] {ROPES}. [2]"


def test_a_claim_that_is_repeated_is_told_once():
    """Models in a loop say the same until they are cut short."""
    assert answer_to(says(*[("He earned 42 pounds.", [(1, PAID)])] * 9)).text == "He earned 42 pounds. [1]"


@pytest.mark.parametrize(
    ("quote", "cited"),
    [("The lighthouse keeper … 42 pounds a year", PAID), ("The lighthouse keeper [...] 42 pounds a year", PAID),
     ("... keeper was paid 42 pounds ...", "keeper was paid 42 pounds"),
     ("42 pounds a year ... the lighthouse keeper", None),
     ("The lighthouse keeper ... 43 pounds", None), ("The … a", None)],
)  # fmt: skip
def test_a_quote_may_leave_something_out(quote, cited):
    """Its parts must stand there in this order; what it leaves out is cited, for it may be a "not"."""
    answer = answer_to(says(("He earned 42 pounds.", [(1, quote)])))
    assert [one.quote for one in answer.citations] == ([cited] if cited else [])


def test_a_quote_that_leaves_out_much_is_none():
    """What stands pages of text apart was not said in one breath."""
    far = page(f"The keeper {'saw to the lamp and the oil ' * 30} was paid 42 pounds.")
    reply = says(("He earned 42 pounds.", [(1, "The keeper ... was paid 42 pounds")]))
    assert not answerer(reply).answer("Pay?", [far]).found


@pytest.mark.parametrize(
    "sources",
    [1, [1], [{"excerpt": 1.0, "quote": PAID}], [{"excerpt": [1], "quote": PAID}],
     [{"excerpt": "Excerpt 1", "quote": PAID}],
     [{"excerpt": 1, "quote": ["nowhere at all", PAID]}], [{"excerpt": 1, "quote": f"{LETTER[:30]}\n{LETTER[30:60]}"}]],
)  # fmt: skip
def test_sources_as_small_models_write_them(sources):
    """The number alone (then the page must say it), as 1.0, in a list or in words; several quotes of one excerpt."""
    reply = json.dumps({"found": True, "claims": [{"text": f"{PAID}.", "sources": sources}]})
    assert answer_to(reply).found


@pytest.mark.parametrize("shape", ["{}", '{{"claims": {}}}', '{{"found": true, "claims": {}}}', "[{}]"])
def test_one_claim_without_its_list(shape):
    """A claim by itself, or without the brackets around it."""
    claim = json.dumps({"text": "He earned 42 pounds.", "sources": [{"excerpt": 1, "quote": PAID}]})
    assert answer_to(shape.format(claim)).text == "He earned 42 pounds. [1]"
    denied = json.dumps({"found": False, "text": "He earned 42 pounds.", "sources": [{"excerpt": 1, "quote": PAID}]})
    assert not answer_to(denied).found


def test_ends_of_lines_within_a_quote_are_read():
    """JSON forbids them, and models copy them from the page."""
    reply = says(("He earned 42 pounds.", [(1, PAID)])).replace("keeper was", "keeper\nwas")
    assert answer_to(reply).text == "He earned 42 pounds. [1]"


@pytest.mark.parametrize(
    ("text", "told"),
    [("He was paid [42] pounds a year.", "He was paid [42] pounds a year."),
     ("He was paid 42 pounds a year [42].", "He was paid 42 pounds a year."),
     ("He was paid 42 pounds [7].", "He was paid 42 pounds."),
     ("He was paid [1] 42 pounds.", "He was paid 42 pounds.")],
)  # fmt: skip
def test_figures_in_brackets_that_name_no_excerpt_are_the_sentence_s(text, told):
    """Without its figure "paid [42] pounds" says nothing; at a sentence's end excerpts are named, shown or not."""
    assert answer_to(says((text, [(1, PAID)]))).text == f"{told} [1]"


def test_a_page_s_own_brackets_stay():
    """Books number their sources as models do."""
    pages = [page("Smith [12] says that the tower is high.")]
    for reply in (
        "According to Smith [12], the tower is high [1].",
        says(("According to Smith [12], the tower is high.", [(1, "the tower is high")])),
    ):
        assert answerer(reply).answer("Is it high?", pages).text == "According to Smith [12], the tower is high. [1]"


@pytest.mark.parametrize("marker", ["([1])", "([1], [2])", "**[1]**", "[1](#source-1)", "[1](https://a.test/b)"])
def test_nothing_is_left_of_what_stands_around_markers(marker):
    """Brackets, emphasis and links."""
    assert answer_to(f"{PAID} {marker}.").text == f"{PAID}. [1]"


@pytest.mark.parametrize("marks", [("1. ", "2. "), ("1) ", "2) "), ("- ", "- "), ("* ", "\u2022 "), ("  1. ", "  2. ")])
def test_marks_of_a_list_are_no_figures_of_its_lines(marks):
    """ "1." stands on no page: the first line of a list was dropped for it."""
    assert answer_to(f"{marks[0]}{PAID}. [1]\n{marks[1]}{ROPES}. [2]").text == f"{PAID}. [1] {ROPES}. [2]"


def test_a_number_that_counts_no_line_stays():
    """Days of months begin lines, too."""
    for text in ("3. M\u00e4rz 1911\n4. Mai 1912", "1. Mai 1911", "-5 degrees", "1.5 m\n2.5 m"):
        assert markers.unlisted(text) == text


@pytest.mark.parametrize(
    ("said", "numbers", "left"),
    [("Er erhielt 42 Mark (Auszug 1).", [1], "Er erhielt 42 Mark."),
     ("Il reçut 42 francs [extraits 1 et 2].", [1, 2], "Il reçut 42 francs."),
     ("Laut Auszug 1 erhielt er 42 Mark.", [1], None), ("Gemäß Auszügen 1 und 2 ging er.", [1, 2], None),
     ("Selon l'extrait 2, il partit.", [2], None), ("Según el extracto 3 se fue.", [3], None),
     ("彼は42円を受け取った[1]。", [1], "彼は42円を受け取った。")],
)  # fmt: skip
def test_excerpts_are_named_in_the_question_s_language(said, numbers, left):
    """So a model answers, and turns the prompt's word with the rest."""
    assert (markers.told(said), markers.unmarked(said)) == (numbers, left or said)
    assert markers.without_places("Auszug 2, nicht Auszug 44 oder Auszug 1-999, Seite 4 und Seite 5.", {4}, 9) == (
        ", nicht Auszug 44 oder Auszug 1-999,  und Seite 5."
    )
    assert markers.unmarked(markers.stops_last("彼は42円。[1]彼は去った。")) == "彼は42円。彼は去った。"
