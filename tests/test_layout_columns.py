"""Reading order: columns, full-width parts between them, side notes, blocks side by side."""

from __future__ import annotations

from dataclasses import replace

import pytest
from layout_kit import OTHER, PROSE, Page, flat, in_order, rule

from index.types import RegionKind
from worker.layout.lines import Line


@pytest.mark.parametrize("jitter", [0.0, 1.0])
@pytest.mark.parametrize("gutter", [9.0, 14.0, 40.0])
def test_two_columns_are_read_one_after_the_other(jitter: float, gutter: float) -> None:
    """Two columns whose lines are level come out left column first, whatever the gutter."""
    page = Page(jitter=jitter, seed=3)
    width = (500 - gutter) / 2
    page.text(50, 80, width, PROSE * 2)
    page.text(50 + width + gutter, 80, width, OTHER * 2)
    text = page.composed(shuffle=1).text
    assert in_order(text, PROSE + PROSE, OTHER + OTHER)
    assert "|" not in text


def test_three_narrow_columns_with_headings() -> None:
    """A newspaper page: three columns of short lines, with headings inside them, under a full-width title."""
    page = Page(jitter=0.6, seed=5)
    page.line(150, 40, "THE HARBOUR GAZETTE", 26)
    for k, x in enumerate((40, 217, 394)):
        page.line(x, 90, f"PART NUMBER {'ABC'[k]}")
        y = page.text(x, 106, 164, PROSE, indent=12)
        page.line(x, y + 6, f"SECOND OF {'ABC'[k]}")
        page.text(x, y + 22, 164, OTHER, indent=12)
    text = page.composed(shuffle=2).text
    assert in_order(text, "HARBOUR GAZETTE", *(p for c in "ABC" for p in (f"NUMBER {c}", PROSE, f"OF {c}", OTHER)))


def test_full_width_parts_between_columns() -> None:
    """Title, columns, a full-width heading and columns again: sections stay apart."""
    page = Page()
    y = page.text(50, 40, 500, PROSE)
    page.text(50, y + 20, 240, "First left. " + PROSE)
    y = page.text(310, y + 20, 240, "First right. " + PROSE)
    page.line(50, y + 30, "A heading over both of the columns that crosses the gutter of the page", 12)
    page.text(50, y + 60, 240, "Second left. " + OTHER)
    page.text(310, y + 60, 240, "Second right. " + OTHER)
    text = page.composed(shuffle=4).text
    assert in_order(text, PROSE, "First left.", "First right.", "A heading over", "Second left.", "Second right.")


def test_short_heading_over_full_width_text_below_columns() -> None:
    """A short heading below the columns belongs to the full-width text under it, not to the left column."""
    page = Page()
    y = page.text(50, 60, 240, PROSE)
    page.text(310, 60, 240, OTHER)
    page.line(50, y + 18, "Further matters", 11)
    page.text(50, y + 34, 500, PROSE)
    assert in_order(page.composed(shuffle=5).text, PROSE, OTHER, "Further matters", PROSE)


def test_two_languages_side_by_side_begin_with_short_clauses() -> None:
    """The paragraphs of a contract stand level in both columns, its title and first clauses are short: what is below
    them is still columns of running text.
    """
    page = Page()
    pairs = [
        ("GESELLSCHAFTSVERTRAG", "ARTICLES OF ASSOCIATION"),
        ("§ 1 Firma und Sitz", "Section 1 Name and Seat"),
        ("(1) Die Firma lautet: Nordlicht Seekabel.", "(1) The name is: Nordlicht Seekabel."),
        ("(2) Sitz der Gesellschaft ist Emden.", "(2) The company has its registered seat in Emden."),
        ("§ 2 Gegenstand", "Section 2 Objects"),
        (
            "(1) Gegenstand des Unternehmens ist die Verlegung, Instandhaltung und Vermietung von Unterseekabeln "
            "einschließlich aller damit zusammenhängenden Geschäfte.",
            "(1) The object of the enterprise is the laying, maintenance and leasing of submarine cables, including "
            "all business connected with it.",
        ),
        (
            "(2) Sind mehrere Geschäftsführer bestellt, so wird die Gesellschaft durch zwei Geschäftsführer "
            "gemeinschaftlich oder durch einen Geschäftsführer zusammen mit einem Prokuristen vertreten.",
            "(2) Where several directors are appointed, the company is represented by two managing directors jointly, "
            "or by one managing director together with a holder of procuration.",
        ),
    ]
    y = 60.0
    for left, right in pairs:
        y = max(page.text(50, y, 236, left), page.text(316, y, 236, right)) + 9
    text = page.composed(shuffle=7).text
    assert in_order(text, *(left for left, _ in pairs), *(right for _, right in pairs))


def test_column_goes_on_below_a_picture() -> None:
    """A caption and text below a picture in the left column are read before the right column."""
    page = Page()
    y = page.text(50, 60, 240, PROSE)
    page.line(50, y + 150, "Figure 1. The northern wall.", 9)
    page.text(50, y + 180, 240, "After the picture. " + OTHER)
    page.text(310, 60, 240, OTHER * 2 + PROSE)
    assert in_order(page.composed(shuffle=6).text, PROSE, "Figure 1.", "After the picture.", OTHER + OTHER)


def test_paragraph_goes_on_in_the_next_column() -> None:
    """A sentence broken by the column's end is one paragraph with a region in each column."""
    page = Page()
    page.text(50, 60, 240, PROSE + "Then the members went down to look at the wall and found")
    page.text(310, 60, 240, "nothing to add to what had been said. " + OTHER)
    result = page.composed()
    assert "wall and found nothing to add" in result.text
    assert len(result.regions) == 2


def test_ragged_and_indented_lists_in_columns() -> None:
    """Short and set-in lines inside columns do not break the gutter."""
    page = Page(jitter=0.8, seed=9)
    for x, name in ((50, "left"), (320, "right")):
        y = page.text(x, 60, 225, PROSE)
        for k in range(5):
            y = page.text(x + 14, y, 200, f"• item {k} of the {name} list, which is short")
        page.text(x, y, 225, OTHER)
    text = page.composed(shuffle=8).text
    assert in_order(text, PROSE, "- item 0 of the left", "- item 4 of the left", OTHER, PROSE, "- item 0 of the right")


def test_addresses_side_by_side_are_read_as_blocks() -> None:
    """Two address blocks on the same lines are read one after the other and keep their lines."""
    page = Page()
    left = ["Bill to", "Anna Field", "12 Mill Lane", "Westport"]
    right = ["Ship to", "Field & Daughters", "Unit 7, Dock Road", "Northam"]
    for k in range(4):
        page.row(100 + k * 12.5, [(50, left[k]), (330, right[k])])
    page.text(50, 200, 500, PROSE)
    text = page.composed(shuffle=3).text
    assert in_order(text, *left, *right, PROSE)
    assert "Anna Field\n12 Mill Lane\nWestport" in text


def test_names_stay_with_figures_that_begin_far_off() -> None:
    """Columns of figures level with names are a table's, though the gap before the first is the widest by far."""
    page = Page()
    rows = [
        ("Organisms", "in", "found", "permitted"),
        ("Colony count 20 C", "1 ml", "14", "100"),
        ("Colony count 36 C", "1 ml", "3", "100"),
        ("Escherichia coli", "100 ml", "0", "0"),
        ("Coliform bacteria", "100 ml", "1", "0"),
        ("Enterococci", "100 ml", "0", "0"),
    ]
    for k, row in enumerate(rows):
        page.row(100 + 13 * k, list(zip((50, 270, 340, 400), row, strict=True)))
    text = page.composed(shuffle=3).text
    assert "| Coliform bacteria | 100 ml | 1 | 0 |" in text


def test_labels_and_values_stay_together() -> None:
    """A form's "Label: value" rows are read row by row, a line each, and are no table."""
    page = Page()
    pairs = [("Name:", "Anna Field"), ("Born:", "4 May 1931"), ("Trade:", "net maker"), ("Parish:", "Westport")]
    for k, (label, value) in enumerate(pairs):
        page.row(100 + k * 18, [(50, label), (180, value)])
    text = page.composed(shuffle=3).text
    assert text.split("\n")[0] == "Name: Anna Field"
    assert in_order(text, *(part for pair in pairs for part in pair))
    assert "|" not in text


def test_margin_notes_do_not_tear_lines_apart() -> None:
    """Notes in the margin come out whole, and so does the text beside them."""
    page = Page()
    page.text(170, 80, 380, PROSE * 3)
    for k, line in enumerate(["The state of", "the wall and", "of its joints", "in spring"]):
        page.line(60, 133 + k * 9.5, line, 8)
    text = flat(page.composed(shuffle=7).text)
    assert "The state of the wall and of its joints in spring" in text
    assert flat(PROSE * 3) in text


def test_running_header_and_page_number() -> None:
    """A running head stays first and a page number last, each a region of its kind."""
    page = Page()
    page.line(50, 25, "Annual report of the harbour board", 8)
    page.line(540, 25, "17", 8)
    page.text(50, 80, 240, PROSE * 3)
    page.text(310, 80, 240, OTHER * 3)
    page.line(290, 770, "- 17 -", 9)
    result = page.composed(shuffle=2)
    kinds = [r.kind for r in result.regions]
    assert kinds[0] is RegionKind.HEADER
    assert kinds[-1] is RegionKind.FOOTER
    assert result.text.startswith("Annual report of the harbour board 17")
    assert result.text.endswith("- 17 -")


def test_addresses_over_a_table() -> None:
    """White that runs across parts two address blocks from the table below, although one gutter fits both."""
    page = Page()
    left = ["Bill to", "Anna Field", "12 Mill Lane", "Westport"]
    right = ["Ship to", "Field & Daughters", "Unit 7, Dock Road", "Northam"]
    for k in range(4):
        page.row(60 + k * 12.5, [(50, left[k]), (330, right[k])])
    for k, cells in enumerate(
        [("Item", "Qty", "Amount"), ("Rope", "4", "10.00"), ("Lamp", "1", "9.50"), ("Net", "2", "3.00")]
    ):
        page.row(150 + k * 13, [(50, cells[0]), (330, cells[1]), (430, cells[2])])
    text = page.composed(shuffle=3).text
    assert in_order(text, *left, *right, "| Item | Qty | Amount |", "| Rope | 4 | 10.00 |", "| Net | 2 | 3.00 |")


def test_words_without_lines_read_the_same() -> None:
    """A reader that gives single words gets the same text as one that gives lines."""
    page = Page()
    page.line(150, 40, "THE HARBOUR GAZETTE", 26)
    page.text(50, 90, 240, PROSE * 2)
    page.text(310, 90, 240, OTHER * 2)
    assert page.in_words().composed(shuffle=9).text == page.composed().text


def test_sidebar_of_short_lines() -> None:
    """Short lines beside running text come first, whole, a line each."""
    page = Page()
    side = ["Anna Field", "12 Mill Lane", "Westport", "Surveying", "Drawing", "Masonry"]
    for k, line in enumerate(side):
        page.line(50, 60 + 14.5 * k, line)
    page.text(220, 61, 330, PROSE + OTHER)
    text = page.composed(shuffle=4).text
    assert in_order(text, *side, PROSE + OTHER)
    assert "Surveying\nDrawing\nMasonry" in text


def test_text_that_runs_up_the_margin() -> None:
    """Text turned on its side stands apart and does not tear the lines beside it."""
    page = Page()
    page.text(80, 60, 450, PROSE * 3)
    box = rule(30, 80, 42, 260)
    page.lines.append(Line("printed at Westport", box, box, (), 0.9, 10 / 800))
    text = page.composed(shuffle=4).text
    assert flat(PROSE * 3) in text
    assert "printed at Westport" in text


@pytest.mark.parametrize("longer", [0.0, 0.4, 1.2])
def test_a_column_goes_on_below_the_end_of_its_neighbour(longer: float) -> None:
    """Its lines there may be longer by a hair than those beside the other column: they do not bar the gutter."""
    page = Page()
    y = page.text(50, 60, 240, "Left begins. " + PROSE)
    longest = max(line.box.x1 for line in page.lines) + longer / 600
    page.text(302, 60, 240, "Right stands beside. " + OTHER)
    for _ in range(3):
        page.line(50, y, "the longest line of all that stand in a column", 10)
        line = page.lines[-1]
        box = replace(line.box, x1=longest)
        page.lines[-1] = replace(line, box=box, page_box=box)
        y += 13
    page.text(50, y, 240, "And left ends here. " + OTHER)
    text = page.composed(shuffle=3).text
    assert in_order(text, "Left begins.", "the longest line", "And left ends here.", "Right stands beside.")


def test_a_line_run_together_over_a_narrow_gutter_is_parted() -> None:
    """A reader took one line of either column for one; the edges of the lines around tell where to cut."""
    page = Page()
    page.text(50, 60, 240, PROSE * 2)
    page.text(296, 60, 240, OTHER * 2)
    left = [line for line in page.lines if line.box.x0 < 0.2]
    right = [line for line in page.lines if line.box.x0 > 0.4]
    one, two = left[9], right[9]
    both = replace(one, text=f"{one.text} {two.text}", box=one.box.union(two.box), page_box=one.box.union(two.box))
    page.lines = [line for line in page.lines if line not in (one, two)]
    page.lines.append(replace(both, words=one.words + two.words))
    assert in_order(page.composed(shuffle=3).text, PROSE + PROSE, OTHER + OTHER)


def test_full_width_lines_over_columns_are_not_parted() -> None:
    """A space that chances to stand over the gutter cuts no line of an abstract."""
    page = Page()
    y = page.text(50, 60, 490, PROSE * 2)
    page.text(50, y + 14, 238, OTHER * 2)
    page.text(302, y + 14, 238, OTHER * 2)
    assert in_order(page.composed(shuffle=3).text, PROSE + PROSE, OTHER + OTHER, OTHER + OTHER)


def test_numbers_of_lines_between_columns() -> None:
    """As in patents: they part no line of either column."""
    page = Page()
    page.text(50, 60, 230, PROSE * 3)
    page.text(330, 60, 230, OTHER * 3)
    for k in (5, 10, 15, 20):
        page.line(300, 60 + 13 * (k - 1) + 0.5, str(k), 8)
    text = page.composed(shuffle=2).text
    assert "|" not in text
    words = " ".join(word for word in text.split() if not word.isdecimal())
    assert in_order(words, PROSE * 3, OTHER * 3)


NAMES = ("Abbott G.", "Ackroyd L.", "Adams & Co.", "Aitken D.", "Allsop P.", "Amery J.", "Anstey P.", "Appleby N.")


def test_a_directory_is_read_down_its_columns() -> None:
    """Level entries with numbers look like a table; the alphabet runs on from column to column."""
    page = Page()
    more = [name.replace("A", "B", 1) for name in NAMES]
    for k, (first, second) in enumerate(zip(NAMES, more, strict=True)):
        page.row(60 + 13 * k, [(50, first), (200, str(210 + 17 * k)), (300, second), (450, str(501 + 13 * k))])
    text = page.composed(shuffle=2).text
    assert in_order(text, *NAMES, *more)
    assert "| Abbott G. | 210 |" in text


def test_a_numbered_list_is_read_down_its_columns() -> None:
    """So do numbers that count on; without that it stays a table."""
    page, other = Page(), Page()
    for k, name in enumerate(NAMES):
        y = 60 + 13 * k
        page.row(y, [(50, str(21 + k)), (90, name), (300, str(29 + k)), (340, f"{name[::-1]}")])
        other.row(y, [(50, str(21 + k)), (90, name), (300, str(7 * k % 40)), (340, f"{name[::-1]}")])
    assert in_order(page.composed(shuffle=2).text, "21", "28", "29", "36")
    assert f"| 22 | {NAMES[1]} | 7 |" in other.composed(shuffle=2).text


def test_two_blocks_over_the_fields_of_a_form() -> None:
    """The sender's places stand together, and the title is not read before the second."""
    page = Page()
    left, right = ("Infirmary", "Canal Road", "Chester"), ("Ward 6 North", "Tel 01244 555", "Date 22 May 2006")
    for k in range(3):
        page.row(60 + 13 * k, [(50, left[k]), (400, right[k])])
    page.line(50, 118, "DISCHARGE SUMMARY", 15)
    fields = [("Patient: Edith Hargreaves", "NHS No: 485 777"), ("Born: 4 July 1931", "Hospital No: 119")]
    fields.append(("Admitted: 15 May 2006", "Discharged: 21 May"))
    for k, cells in enumerate(fields):
        page.row(152 + 13 * k, [(50, cells[0]), (290, cells[1])])
    page.text(50, 210, 500, PROSE)
    text = page.composed(shuffle=2).text
    assert in_order(text, *left, *right, "DISCHARGE SUMMARY", "Patient: Edith Hargreaves")
    assert in_order(text, "DISCHARGE SUMMARY", "Hospital No: 119", PROSE)


def test_signatures_side_by_side_are_blocks() -> None:
    """Four short level lines for each of two people: one person after the other."""
    page = Page()
    y = page.text(50, 60, 500, PROSE * 2) + 40
    sides = (
        ("SIGNED by the Landlord", "in the presence of:", "Edwin Mossop", "Solicitor, Whitby"),
        ("SIGNED by the Tenant", "in the presence of:", "Clara Yelland", "Bank clerk, Whitby"),
    )
    for k in range(4):
        page.row(y + 12 * k, [(50, sides[0][k]), (330, sides[1][k])])
    assert in_order(page.composed(shuffle=2).text, *sides[0], *sides[1])


@pytest.mark.parametrize("leading", [13, 15])
def test_names_of_things_stay_with_their_values(leading: float) -> None:
    """A certificate's particulars without colons, some of them figures; not the second half of two addresses."""
    page = Page()
    y = page.text(50, 60, 450, PROSE) + 20
    rows = [("Vessel", "S.S. Maravilla"), ("Official number", "118 204"), ("Port of registry", "Whitby")]
    rows.append(("Horse power", "240 N.H.P."))
    for k, (name, value) in enumerate(rows):
        page.row(y + leading * k, [(50, name), (175, value)])
    page.line(300, y + 100, "Jos. Kettle, Superintendent")
    text = page.composed(shuffle=5).text
    assert all(f"{name} {value}" in text for name, value in rows)


def test_two_addresses_with_a_number_each_stay_apart() -> None:
    page = Page()
    left = ("Town Hall", "Corn Street", "Witney", "Oxon")
    right = ("Rosebank", "Upper Ferry Road", "Inverallan", "0632 4471")
    for k in range(4):
        page.row(60 + 13 * k, [(50, left[k]), (175, right[k])])
    page.text(50, 160, 500, PROSE * 2)
    assert in_order(page.composed(shuffle=2).text, *left, *right, PROSE)


def test_the_programmes_of_two_days_are_read_day_by_day() -> None:
    """Their lines chance to stand level; a list of who came and went has rows."""
    page = Page()
    first = [("9.30", "Registration"), ("10.00", "Welcome by the Mayor"), ("11.30", "Discussion of the report")]
    first += [("12.45", "Luncheon"), ("2.00", "Visit to the weir"), ("5.30", "Close")]
    second = [
        ("9.15", "Finance of small canals"),
        ("10.30", "Coffee"),
        ("10.45", "Weeds and what to do"),
        ("1.00", "Tea"),
    ]
    second += [("1.45", "Resolutions")]
    for x, day in ((40, first), (320, second)):
        page.line(x, 60, "Wednesday" if day is first else "Thursday")
        for k, (hour, what) in enumerate(day):
            page.row(80 + 15 * k, [(x, hour), (x + 50, what)])
    text = page.composed(shuffle=2).text
    assert in_order(text, "Wednesday", *(f"{a} {b}" for a, b in first), "Thursday", *(f"{a} {b}" for a, b in second))

    page = Page()
    rows = [(f"{9 + k}.10", f"Visitor {name}", f"{10 + k}.45", "in good order") for k, name in enumerate("ABCDEFG")]
    for k, cells in enumerate(rows):
        page.row(80 + 15 * k, list(zip((40, 90, 300, 350), cells, strict=True)))
    assert in_order(page.composed(shuffle=2).text, *(cell for row in rows for cell in row))
