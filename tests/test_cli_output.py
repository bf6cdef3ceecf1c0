"""What the command line shows of documents."""

from __future__ import annotations

import pytest

from api import cli_documents, cli_questions
from api.cli_output import Output, bytes_of, count, failures, safe, snippet


def bold(text):
    """The parts of a rich text that are bold."""
    found, last = [], -1
    for span in sorted(span for span in text.spans if span.style == "bold"):
        part = text.plain[span.start : span.end]
        if found and span.start == last:
            found[-1] += part
        else:
            found.append(part)
        last = span.end
    return found


def test_snippets_mark_the_words_that_matched():
    """On one line, whatever lines the page has."""
    shown = snippet("The\nbridge fund", [[4, 10]])
    assert (shown.plain, bold(shown)) == ("The bridge fund", ["bridge"])


def test_snippets_are_cut_around_the_first_highlight():
    """At words, with dots where something is left out."""
    text = "before " * 100 + "needle " + "after " * 100
    shown = snippet(text, [[700, 706]])
    assert bold(shown) == ["needle"]
    assert shown.plain.startswith("… before ")
    assert shown.plain.endswith("after …")
    assert 200 < len(shown.plain) < 300


def test_snippets_of_one_long_word():
    """Are cut anyway."""
    assert len(snippet("x" * 5000, [[3000, 3004]]).plain) < 300
    assert len(snippet("x" * 5000, []).plain) < 300


def test_snippets_show_no_markdown():
    """Tables lose the line under their head, headings their signs; highlights stay where they were."""
    shown = snippet("## Dues\n\n| Ship | Paid |\n| --- | :---: |\n| Argus | 12 |", [[3, 7], [43, 48]])
    assert shown.plain.split() == ["Dues", "|", "Ship", "|", "Paid", "|", "|", "Argus", "|", "12", "|"]
    assert bold(shown) == ["Dues", "Argus"]
    assert shown.plain.startswith("Dues")


def test_a_hit_shows_the_folder_of_what_was_sent_by_itself_too(capsys):
    """Its own name is one of its paths then, and may be the first."""
    hit = {"filename": "a.pdf", "page": 1, "score": 1.0, "paths": ["a.pdf", "box/a.pdf", "other/a.pdf"], "snippets": []}
    cli_questions.print_hits(Output(), [hit])
    assert capsys.readouterr().out.split() == ["1.", "a.pdf,", "page", "1", "1.00", "box/a.pdf"]


def test_control_characters_are_taken_out_in_place():
    """So that spans still fit."""
    assert safe("a\x1b[2J\x07\u009b\nb\ud800") == "a [2J  \nb "


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (2_481_152, "2.5 MB"), (7 * 10**15, "7000.0 TB")],
)
def test_sizes(size, shown):
    """In powers of 1000."""
    assert bytes_of(size) == shown


def test_counts():
    """One is one."""
    assert (count(0, "page"), count(1, "page"), count(2, "page")) == ("0 pages", "1 page", "2 pages")


def test_failures_name_page_and_member():
    """A line each: the file, its pages, its members, and pages of members."""
    document = {
        "id": "box",
        "failure": {"code": "damaged", "message": "cut\noff"},
        "members": [{"path": "a.pdf", "document_id": "a"}],
        "page_failures": [
            {"document_id": "box", "page": 1, "code": "timeout", "attempts": 3},
            {"document_id": "a", "page": 2, "code": "timeout", "attempts": 1},
            {"document_id": "deep", "page": 3, "code": "timeout", "attempts": 1},
        ],
        "member_failures": [{"path": "b\x1b.txt", "code": "empty", "message": "no bytes"}],
    }
    assert failures(document) == [
        "damaged: cut off",
        "page 1: timeout (tried 3 times)",
        "a.pdf, page 2: timeout (tried 1 time)",
        "deep, page 3: timeout (tried 1 time)",
        "b .txt: empty: no bytes",
    ]


@pytest.mark.parametrize(
    ("remaining", "told"),
    [
        ({"points": 0, "blobs": 0, "archives": 0}, "nothing remains"),
        ({"points": 2, "blobs": 3, "archives": 0}, "remaining: 2 points, 3 blobs"),
        ({"points": 0, "archives": 1}, "nothing remains, but a kept archive's original still contains it"),
        ({"points": 0, "archives": 3}, "nothing remains, but the originals of 3 kept archives still contain it"),
    ],
)
def test_a_deletion_says_what_it_left(remaining, told):
    """Leftovers by kind, and archives that hold the file still."""
    assert cli_documents._remaining(remaining) == told
