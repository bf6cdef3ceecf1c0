"""Pages as archives have them and the samples do not: statements, watermarks, other scripts, contents, ticks."""

from __future__ import annotations

import textwrap
import time

import pytest

from index.types import Box, RegionKind
from tests.layout_kit import HEIGHT, OTHER, PROSE, WIDTH, Page, grid, in_order
from worker.layout.compose import compose
from worker.layout.kinds import has_leader
from worker.layout.lines import Line, LineWord


def flat(text: str) -> str:
    return " ".join(text.split())


def test_a_statement_whose_sums_are_either_paid_out_or_in_is_one_table() -> None:
    """Two columns of figures that never stand level are no blocks, even with something to their right above them."""
    page = Page()
    page.line(50, 60, "Northgate Bank")
    page.line(420, 60, "Statement no. 118")
    page.line(50, 74, "12 Castle Street, York")
    page.line(420, 74, "1 May 2022 to 31 May 2022")
    rows = [
        ("Date", "Description", "Paid out", "Paid in", "Balance"),
        ("01 May", "Brought forward", "", "", "1,204.55"),
        ("02 May", "Card payment", "42.18", "", "1,162.37"),
        ("04 May", "Direct debit", "131.00", "", "1,031.37"),
        ("09 May", "Salary", "", "2,310.40", "3,341.77"),
        ("11 May", "Cash machine", "100.00", "", "3,241.77"),
        ("15 May", "Standing order", "850.00", "", "2,391.77"),
        ("23 May", "Cheque 000217", "64.99", "", "2,326.78"),
        ("31 May", "Interest", "", "1.12", "2,327.90"),
    ]
    for k, (date, what, *sums) in enumerate(rows):
        right = [(end - 5 * len(text), text) for end, text in zip((390, 468, 548), sums, strict=True)]
        page.row(130 + 14 * k, [(50, date), (112, what), *right])
    text = page.composed(shuffle=2).text
    assert "| Date | Description | Paid out | Paid in | Balance |" in text
    assert "| 09 May | Salary | | 2,310.40 | 3,341.77 |" in text
    assert "| 31 May | Interest | | 1.12 | 2,327.90 |" in text


def test_a_watermark_across_two_columns_touches_neither() -> None:
    """Slanted type is read by itself, after the text, and is no heading."""
    page = Page()
    page.text(50, 80, 240, PROSE * 3)
    page.text(310, 80, 240, OTHER * 3)
    box = Box(100 / WIDTH, 90 / HEIGHT, 500 / WIDTH, 400 / HEIGHT)
    words = (LineWord("DRAFT", box), LineWord("COPY", box))
    page.lines.append(Line("DRAFT COPY", box, box, words, 1.0, 60 / HEIGHT))
    result = page.composed(shuffle=5)
    text = flat(result.text)
    assert text == f"{flat(PROSE * 3)} {flat(OTHER * 3)} DRAFT COPY"
    assert result.regions[-1].kind is RegionKind.PARAGRAPH


def test_a_line_that_tilts_a_little_stays_in_its_place() -> None:
    """A long line of a warped scan has a box as high as two or three lines; it is no watermark."""
    page = Page()
    page.text(50, 80, 500, PROSE)
    box = Box(50 / WIDTH, 200 / HEIGHT, 550 / WIDTH, 226 / HEIGHT)
    tilted = "The tilted line stands here, as long as the lines above it and as those below, but warped by the spine"
    page.lines.append(Line(tilted, box, box, (), 1.0, 10 / HEIGHT))
    page.text(50, 240, 500, OTHER)
    text = flat(page.composed(shuffle=1).text)
    assert text.index("the new lamps.") < text.index("The tilted line") < text.index("Nobody could say")


def test_contents_keep_an_entry_to_a_line() -> None:
    """Where dots lead to a number the line ends, whatever the next one begins with."""
    page = Page()
    entries = ["Introduction", "the survey of 1832", "chain men and their pay", "Appendix"]
    for k, entry in enumerate(entries):
        page.line(50, 80 + 14 * k, f"{entry} {'.' * (80 - len(entry))} {3 + 17 * k}")
    lines = [line for line in page.composed().text.split("\n") if line]
    assert [line.split(" ..")[0] for line in lines] == entries


def test_ticks_are_no_mere_bullets() -> None:
    """What was ticked on a form is seen in its text."""
    page = Page()
    for k, line in enumerate(["✓ Diabetes", "Asthma", "✓ Epilepsy", "• No known allergy"]):
        page.line(50, 80 + 30 * k, line)
    text = page.composed().text
    assert "✓ Diabetes" in text
    assert "✓ Epilepsy" in text
    assert "- No known allergy" in text


def test_small_roman_items_begin_with_the_first() -> None:
    """ "(i)" before "(ii)" is an item as that is, and no letter."""
    page = Page()
    y = 80.0
    for text in ("(i) a written order signed by two partners of the client; and", "(ii) the expiry of thirty days."):
        page.line(50, y, text)
        y += 13
    assert page.composed().text.split("\n") == [
        "- (i) a written order signed by two partners of the client; and",
        "- (ii) the expiry of thirty days.",
    ]


def test_references_set_to_the_right_keep_their_lines() -> None:
    """The date and the references of a letter end level, and are no running text."""
    page = Page()
    for k, text in enumerate(["8 October 2018", "Our reference: KV/771", "Your reference: Brandt/lease"]):
        page.line(550 - 5 * len(text), 80 + 13 * k, text)
    for k, line in enumerate(textwrap.wrap(PROSE, 98)):
        page.line(50, 160 + 13 * k, line)
    text = page.composed(shuffle=4).text
    assert "8 October 2018\nOur reference: KV/771\n" in text
    assert "KV/771 Your" not in text


def test_hebrew_is_read_from_the_right_and_its_latin_quotation_from_the_left() -> None:
    """Words that stand from the right to the left come out as they are read, however the line was cut."""
    words = ["מכתב", "נשלח", "אל", "Royal", "Archive", "ביום", "3", "במאי"]
    shown = ["במאי", "3", "ביום", "Royal", "Archive", "אל", "נשלח", "מכתב"]
    page = Page()
    page.line(100, 80, " ".join(shown[:4]))
    page.line(100 + 5 * len(" ".join(shown[:4]) + " "), 80, " ".join(shown[4:]))
    assert page.composed(shuffle=1).text.split() == words
    logical = Page()
    logical.line(100, 80, " ".join(shown))
    (line,) = logical.lines
    backwards = Line(" ".join(words), line.box, line.page_box, line.words[::-1], 1.0, line.size)
    logical.lines = [backwards]
    assert logical.composed().text.split() == words


def test_soft_hyphens_at_line_ends_divide_and_are_gone() -> None:
    """The halves are one word; where the line stands alone the hyphen is not shown."""
    page = Page()
    page.line(50, 80, "The cost of the archive and of its divi\u00ad")
    page.line(50, 93, "sion among the parishes was borne by all")
    page.line(50, 160, "Nota bene\u00ad")
    text = page.composed().text
    assert "its division among" in flat(text)
    assert text.endswith("Nota bene")


@pytest.mark.parametrize(
    ("text", "leads"),
    [
        ("Introduction ........ 3", True),
        ("Chapter 2....12", True),
        ("Foreword . . . . . . vii", True),
        ("Oak, per load … … 1.25", True),
        ("Rope · · · · 14", True),
        ("It was so... 3", False),
        ("........ 3", False),
        ("Introduction ........", False),
        ("a." * 200_000 + "1", False),
        ("." * 200_000 + "1", False),
        ("word " + "." * 200_000 + "z", False),
    ],
)
def test_leaders_are_seen_from_the_end(text, leads):
    """Dots that lead from words to a number; a line of a million of them is looked at once."""
    started = time.process_time()
    assert has_leader(text) is leads
    assert time.process_time() - started < 5


def test_a_date_beside_an_address_is_no_part_of_its_lines() -> None:
    """A letter's date and reference stand far to the right of the first two lines of the address."""
    page = Page()
    for k, text in enumerate(("The Harbour Master", "Harbour Office", "PENGARTH")):
        page.line(60, 80 + 13 * k, text)
    page.line(440, 80, "26 February 1993")
    page.line(440, 93, "Our reference 118/pt")
    page.text(60, 150, 480, PROSE)
    text = page.composed(shuffle=2).text
    assert "The Harbour Master\nHarbour Office\nPENGARTH" in text
    assert text.index("PENGARTH") < text.index("26 February 1993") < text.index("Our reference 118/pt")


def test_names_and_offices_in_two_rows_stay_rows() -> None:
    """Nothing tells them from an address but that it goes on."""
    page = Page()
    for k, (name, office) in enumerate((("Captain R. Moyle", "Chairman"), ("Mrs. E. Laity", "Secretary"))):
        page.row(80 + 13 * k, [(60, name), (400, office)])
    page.text(60, 150, 480, PROSE)
    text = flat(page.composed(shuffle=2).text)
    assert "Captain R. Moyle Chairman Mrs. E. Laity Secretary" in text


def test_labels_beside_labels_are_two_lists() -> None:
    """The head of a form in two halves: what belongs together stays together."""
    page = Page()
    left = [
        ("Patient:", "Edith Penhale"),
        ("Born:", "14 June 1938"),
        ("Number:", "448 1207"),
        ("Address:", "Fore Street"),
    ]
    right = [("Admitted:", "2 May"), ("Discharged:", "11 May"), ("Consultant:", "Dr Rowse"), ("Surgery:", "Bridgend")]
    for k, (a, b) in enumerate(zip(left, right, strict=True)):
        page.row(80 + 14 * k, [(50, a[0]), (130, a[1]), (330, b[0]), (420, b[1])])
    page.text(50, 170, 500, PROSE)
    text = flat(page.composed(shuffle=4).text)
    assert flat(" ".join(" ".join(pair) for pair in (*left, *right))) in text


def test_second_lines_of_a_table_set_well_apart_belong_to_the_first() -> None:
    """A head of two lines over rows with white between them is one row; rows close under each other are rows."""
    rows = [("3 Jan.", "William", "Row"), ("10 Jan.", "Elizabeth", "Lank"), ("24 Jan.", "Philip", "Penrose")]
    rows += [("7 Feb.", "Susan", "Mellon"), ("14 Feb.", "James", "Wenford")]
    for step in (28, 14):
        page = Page()
        page.row(60, [(50, "When"), (150, "Child's"), (300, "Abode")])
        page.row(72, [(50, "baptized"), (150, "name")])
        for k, row in enumerate(rows):
            page.row(72 + step * (k + 1), list(zip((50, 150, 300), row, strict=True)))
        text = page.composed(shuffle=1).text
        assert ("| When baptized | Child's name | Abode |" in text) == (step == 28), text
        assert "| 10 Jan. | Elizabeth | Lank |" in text


def test_heads_that_run_up_stay_in_the_cells_of_their_columns() -> None:
    """A register with narrow columns; readers give boxes far higher than wide for their heads."""
    page = Page()
    page.line(62, 150, "Name")
    heads = ["Monday", "Tuesday", "Wednesday", "Total"]
    for k, head in enumerate(heads):
        x0, height = 205 + 30 * k, len(head) * 5
        box = Box(x0 / WIDTH, (160 - height) / HEIGHT, (x0 + 10) / WIDTH, 160 / HEIGHT)
        page.lines.append(Line(head, box, box, (LineWord(head, box),), 0.98, 10 / HEIGHT))
    rows = [
        ("Annie Bright", "7", "8", "8", "23"),
        ("Charles Coe", "8", "8", "6", "22"),
        ("Ellen Dow", "5", "8", "8", "21"),
    ]
    for k, row in enumerate(rows):
        page.row(170 + 20 * k, [(62, row[0]), *((207 + 30 * n, text) for n, text in enumerate(row[1:]))])
    lines = grid([60, 200, 230, 260, 290, 320], [100, 165, 185, 205, 225])
    text = page.composed(lines).text
    assert text.splitlines()[0] == "| Name | Monday | Tuesday | Wednesday | Total |"
    assert "| Charles Coe | 8 | 8 | 6 | 22 |" in text


def test_long_heads_that_run_up_over_no_lines_follow_each_other_from_the_left() -> None:
    page = Page()
    page.text(60, 300, 400, PROSE)
    for k, head in enumerate(["gamma", "alpha", "delta", "beta"]):
        box = Box((205 + 30 * k) / WIDTH, (110 + 3 * k) / HEIGHT, (215 + 30 * k) / WIDTH, (190 - 4 * k) / HEIGHT)
        page.lines.append(Line(head, box, box, (LineWord(head, box),), 0.98, 10 / HEIGHT))
    assert in_order(page.composed(shuffle=3).text, "gamma", "alpha", "delta", "beta")


def test_a_page_with_nothing_but_text_that_runs_up() -> None:
    """A plan, or the back of a binding: no line of it is in any column."""
    box = Box(0.5, 0.2, 0.53, 0.8)
    line = Line("Ordnance survey of the parish", box, box, (), 0.9, 0.02)
    assert compose([line], width=600, height=800).text == "Ordnance survey of the parish"


def test_a_head_of_guide_words_one_of_whose_boxes_is_tall_is_read_first() -> None:
    """As of a dictionary: a reader makes the box of a word too tall by a third now and then."""
    page = Page(jitter=0.2, seed=3)
    page.row(40, [(50, "abacist"), (300, "3")])
    page.line(520, 38.5, "absolve", 13.5)
    for x in (50, 220, 390):
        for k in range(20):
            page.line(
                x + (9 if k % 3 else 0), 75 + 12 * k, ("abbot n. The head of it", "monks; a prior or", "so.")[k % 3]
            )
    assert page.composed(shuffle=2).text.startswith("abacist 3 absolve\n")


def test_guide_words_larger_than_small_print_stand_over_its_columns() -> None:
    page = Page(jitter=0.1, seed=3)
    page.row(40, [(50, "Abbott"), (297, "14"), (500, "Buxton")], 10)
    for x in (50, 220, 390):
        for k in range(20):
            page.row(
                62 + 9.5 * k,
                [(x, f"{'ABC'[(x - 50) // 170]}{'abcdefghijklmnopqrst'[k]}el, J."), (x + 120, f"{k + 21} 18")],
                7,
            )
    text = page.composed(shuffle=2).text
    assert text.startswith("Abbott 14 Buxton\n")
    assert in_order(text, "Aael", "Atel", "Bael", "Btel", "Cael", "Ctel")


def test_a_section_whose_title_is_close_to_its_number_is_no_head_of_guide_words() -> None:
    """ "3  Methods" begins a page as often as a dictionary's guide words do, and is a heading."""
    page = Page()
    page.row(44, [(50, "3"), (78, "Methods of the survey")], 14)
    page.text(50, 80, 500, PROSE * 3)
    result = page.composed(shuffle=2)
    assert result.text.startswith("# 3 Methods of the survey\n")
    page = Page()
    page.row(42, [(50, "REPORT")], 18)
    page.row(47, [(500, "Page 3")], 8)
    page.text(50, 80, 500, PROSE * 3)
    assert [r.kind for r in page.composed().regions][0] is not RegionKind.HEADER
