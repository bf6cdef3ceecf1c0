"""The parser of what the model writes: real forms, and hostile ones."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.types import Box, RegionKind
from worker.engine.deepseek.grounding import MAX_BOXES, MAX_REGIONS, blocks, located, parse
from worker.engine.deepseek.html_tables import to_markdown
from worker.engine.prompts import Task

PAGE = (
    "<|ref|>title<|/ref|><|det|>[[100, 50, 899, 90]]<|/det|>\n# Annual Report \n\n"
    "<|ref|>text<|/ref|><|det|>[[100, 100, 480, 300], [520, 100, 899, 200]]<|/det|>\n"
    "The fund stands\nat 412 pounds.\n\n"
    "<|ref|>image<|/ref|><|det|>[[200, 320, 700, 600]]<|/det|>\n\n"
    "<|ref|>image_caption<|/ref|><|det|>[[200, 610, 700, 640]]<|/det|>\n<center>Figure 1: The bridge</center> \n\n"
    "<|ref|>table<|/ref|><|det|>[[100, 650, 899, 800]]<|/det|>\n"
    "<table><tr><td>Year</td><td>Dues | fees</td></tr><tr><td>1874</td><td>12</td></tr></table>\n\n"
    "<|ref|>page_number<|/ref|><|det|>[[480, 950, 520, 970]]<|/det|>\n7<\uff5cend\u2581of\u2581sentence\uff5c>"
)

TOKENS = [
    "<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "<|grounding|>", "<image>", "<|", "|>", "<|re", "ref|>", "f|>",
    "[[1, 2, 3, 4]]", "[[999,999,0,0]]", "[[", "]]", "[1e9, -5, nan, 3]", "title", "table", "image", "\n", "\n\n", " ",
    "<table>", "</table>", "<tr>", "</tr>", "<td>", "</td>", '<td colspan=2 rowspan="3">', "a | b", "# Heading",
    "12.", "<br>", "&lt;|ref|&gt;", "x" * 70, "<\uff5cend\u2581of\u2581sentence\uff5c>", "\ud800", "\x00", "text 1",
]  # fmt: skip


def hostile():
    return st.lists(st.one_of(st.sampled_from(TOKENS), st.text(max_size=8)), max_size=60).map("".join)


def assert_sane(raw, task):
    found = parse(raw, task)
    for tag in ("<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "<|grounding|>", "<image>"):
        assert tag not in found.text
    assert len(found.regions) <= MAX_REGIONS
    for region in found.regions:
        box = region.box
        assert 0 <= region.start <= region.end <= len(found.text)
        assert 0 <= box.x0 < box.x1 <= 1
        assert 0 <= box.y0 < box.y1 <= 1
    starts = [region.start for region in found.regions]
    assert starts == sorted(starts)


def test_a_page():
    """Blocks become Markdown and regions: kind, box in fractions of the page, and exactly their own text."""
    found = parse(PAGE)
    assert found.text == (
        "# Annual Report\n\nThe fund stands\nat 412 pounds.\n\nFigure 1: The bridge\n\n"
        "| Year | Dues \\| fees |\n| --- | --- |\n| 1874 | 12 |\n\n7"
    )
    told = [(region.kind, found.text[region.start : region.end]) for region in found.regions]
    assert told == [
        (RegionKind.TITLE, "# Annual Report"),
        (RegionKind.PARAGRAPH, "The fund stands\nat 412 pounds."),
        (RegionKind.FIGURE, ""),
        (RegionKind.PARAGRAPH, "Figure 1: The bridge"),
        (RegionKind.TABLE, "| Year | Dues \\| fees |\n| --- | --- |\n| 1874 | 12 |"),
        (RegionKind.FOOTER, "7"),
    ]
    assert found.regions[0].box == Box(100 / 999, 50 / 999, 899 / 999, 90 / 999)
    assert found.regions[1].box == Box(100 / 999, 100 / 999, 899 / 999, 300 / 999)


def test_lines():
    """Under "OCR this image" the labels are the text, line for line."""
    box = "<|det|>[[1, 2, 300, 40]]<|/det|>"
    raw = f"<|ref|>Dear Sir,<|/ref|>{box}\n<|ref|>the dues<|/ref|>{box}"
    found = parse(raw, Task.OCR)
    assert found.text == "Dear Sir,\n\nthe dues"
    assert [found.text[r.start : r.end] for r in found.regions] == ["Dear Sir,", "the dues"]


@pytest.mark.parametrize(
    "raw",
    [
        "<|ref|>total<|/ref|><|det|>[[1, 2, 30, 40], [5, 6, 70, 80]]<|/det|>",
        "<|ref|>total<|/ref|><|det|>[[1,2,30,40]]<|/det|> and <|ref|>a<|/ref|><|det|>[[5,6,70,80],[1,2,30,40]]<|/det|>",
        "total: [[1, 2, 30, 40], [5, 6, 70, 80]]",
        "<|det|>[[1, 2, 30, 40], [5, 6, 70, 80]",
    ],
)
def test_located(raw):
    """The boxes of a phrase, each once, also where tags are missing."""
    assert located(raw) == (Box(1 / 999, 2 / 999, 30 / 999, 40 / 999), Box(5 / 999, 6 / 999, 70 / 999, 80 / 999))


def test_located_nothing():
    """No boxes is an answer."""
    assert located("There is no such phrase.") == ()
    assert located("") == ()


@pytest.mark.parametrize(
    ("raw", "text", "regions"),
    [
        ("no tags at all\n\n\n\nof any kind", "no tags at all\n\nof any kind", 0),
        ("<|ref|>text<|/ref|><|det|>[[1, 2, 3", "", 0),
        ("<|ref|>text<|/ref|><|det|>[[1, 2, 30, 40]]<|/det|>\nThe en<|re", "The en", 1),
        ("<|ref|>text<|/ref|><|det|>[[1, 2, 30, 40]]\nNot closed.", "Not closed.", 1),
        ("<|ref|>text<|/ref|><|det|>\n12. Not a box.", "12. Not a box.", 0),
        ("<|ref|>text<|det|>[[1, 2, 30, 40]]<|/det|>\nHalf a label.", "Half a label.", 1),
        ("<|ref|>" + "A sentence, and no label. " * 3 + "<|/ref|>", ("A sentence, and no label. " * 3).strip(), 0),
        ("<|ref|>text<|/ref|><|det|>[[a, b, c, d]]<|/det|>\nNo numbers.", "No numbers.", 0),
        ("<|ref|>text<|/ref|><|det|>[[1, 2, 3]]<|/det|>\nThree.", "Three.", 0),
        ("<|/det|><|/ref|>Stray.<|/ref|>", "Stray.", 0),
        ("a<|<|ref|>x<|/ref|>ref|>b", "a<|\n\nref|>b", 0),
        ("<|ref|>text<|/ref|><|det|>[[0,0,9,9]]<|/det|><|ref|>a<|/ref|><|det|>[[1,1,8,8]]<|/det|>2nd", "2nd", 1),
    ],
)  # fmt: skip
def test_damaged_output_keeps_its_text(raw, text, regions):
    """Open, crossed and halved tags cost labels and boxes, never text."""
    found = parse(raw)
    assert (found.text, len(found.regions)) == (text, regions)


def test_numbers_out_of_range():
    """Huge, negative and swapped coordinates become a box on the page; a point becomes a small box."""
    raw = f"<|ref|>text<|/ref|><|det|>[[{'9' * 5000}, 500, -7, 100.5]]<|/det|>x"
    assert parse(raw).regions[0].box == Box(0, 100.5 / 999, 1, 500 / 999)
    box = parse("<|ref|>text<|/ref|><|det|>[[999, 5, 999, 5]]<|/det|>x").regions[0].box
    assert (box.x1, box.x1 - box.x0) == (1.0, pytest.approx(1 / 999))


def test_thousands_of_boxes():
    """Boxes and regions are bounded; the text is whole."""
    many = "<|ref|>text<|/ref|><|det|>[" + "[1, 2, 3, 4]," * 50_000 + "]<|/det|>\nAll here."
    assert parse(many).text == "All here."
    assert len(located(many)) == 1
    assert len(next(blocks(many)).boxes) == MAX_BOXES
    lines = "".join(f"<|ref|>text<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>\nw{n}\n" for n in range(5000))
    found = parse(lines)
    assert len(found.regions) == MAX_REGIONS
    assert found.text.endswith("w4999")


@pytest.mark.parametrize(
    "piece",
    ["<|ref|>", "<|ref|>a<|/ref|><|det|>", "<|det|>[[", "[[1,2,3,4]]<|det|>", "<|/ref|>\n", "<table>", "<td>",
     "<tr><td>x", "<table><tr><td colspan=99 rowspan=99>x", "<|re<|ref|>", "[", "\n ", "<", "<|", "&lt;",
     "<td a", "<\uff5c"],
)  # fmt: skip
def test_time_is_linear(piece):
    """Ten times the text takes about ten times as long, not a hundred times."""

    def seconds(count):
        best = 1e9
        for _ in range(3):
            start = time.thread_time()  # of this thread's work, whoever else has the processor meanwhile
            parse(piece * count)
            best = min(best, time.thread_time() - start)
        return best

    small = max(seconds(3000), 1e-3)
    assert seconds(30_000) < 50 * small


@given(hostile())
@settings(max_examples=300, deadline=None)
def test_any_text_is_parsed(raw):
    """For every task: no tag remains, spans lie in the text in order, boxes on the page."""
    for task in Task:
        assert_sane(raw, task)
    for box in located(raw):
        assert 0 <= box.x0 < box.x1 <= 1


@given(st.text(alphabet=st.characters(exclude_characters="<|>\uff5c&"), max_size=200))
@settings(max_examples=100, deadline=None)
def test_text_without_tags_stays(text):
    """Nothing but empty lines and outer space changes."""
    assert parse(text).text.split() == text.split()


@given(st.lists(st.lists(st.text(alphabet="ab |\n1", max_size=6), min_size=1, max_size=4), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_plain_tables(rows):
    """A plain HTML table becomes a Markdown table with the same cells."""
    html = "<table>" + "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows) + "</table>"
    lines = to_markdown(html).strip("\n").split("\n")
    width = max(map(len, rows))
    assert set(lines.pop(1)) <= set("| -")
    for row, line in zip(rows, lines, strict=True):
        cells = [c.replace("\\|", "|").strip() for c in line[1:-1].replace("\\|", "\0").split("|")]
        want = [" ".join(c.split()) for c in row] + [""] * (width - len(row))
        assert [c.replace("\0", "|") for c in cells] == want


def test_merged_cells_keep_their_columns():
    """What a merged cell covers is empty, so that the others stand where they stood."""
    html = (
        "<table><tr><td rowspan='2'>Port</td><td colspan=2>Dues</td></tr><tr><td>1874</td><td>1875</td></tr>"
        "<tr><th>Dover</th><td>1&amp;2</td><td>a<br>b</td></tr></table>"
    )
    assert to_markdown(html).strip().splitlines() == [
        "| Port | Dues |  |",
        "| --- | --- | --- |",
        "|  | 1874 | 1875 |",
        "| Dover | 1&2 | a b |",
    ]


def test_tables_that_cannot_be_markdown():
    """A table inside a table stays as it is; one that is cut off keeps its rows; text outside of cells stays."""
    nested = "<table><tr><td><table><tr><td>x</td></tr></table></td></tr></table>"
    assert to_markdown(f"a{nested}b") == f"a{nested}b"
    assert to_markdown("<table><tr><td>a</td><td>b</td></tr><tr><td>c").strip() == "| a | b |\n| --- | --- |\n| c |  |"
    assert "Table 3" in to_markdown("<table><caption>Table 3</caption><tr><td>a</td></tr></table>")
    assert to_markdown("x < y, </td> <b>z</b>") == "x < y, </td> <b>z</b>"
