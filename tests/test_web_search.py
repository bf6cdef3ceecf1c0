"""The web page in Chromium: searching, answers, filters, keys and addresses."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from index.types import SearchFilter
from tests.browser_kit import Tab, open_tab
from tests.web_kit import ShelfService

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser

NO_FILTER = SearchFilter()

LETTER = [
    """# Harbour Board

The harbour master, Captain Edith Rowan, keeps the keys of the store houses.

The tender for the north quay was accepted on 9 March.""",
    """# Schedule

| Item | Price |
| --- | --- |
| Granite | 1,705.00 |

Invoice INV-1927-0117 is for the north quay.""",
    "# Third\n\nNothing more was said of it.",
]
MINUTES = ["# Minutes\n\nThe slipway stays open. The quay is closed until May."]


@pytest.fixture
def shelf(service: ShelfService) -> ShelfService:
    """A letter in an archive, and minutes beside it that were hard to read."""
    letter = service.put("letter.pdf", LETTER)
    service.put_archive("board.zip", [("Port Ellery/Letters/letter.pdf", letter)], [])
    service.put("minutes.tif", MINUTES, media_type="image/tiff", trust=0.4)
    return service


def type_query(page: Page, text: str) -> None:
    page.locator("#q").press_sequentially(text, delay=15)


def names(page: Page) -> list[str]:
    return page.locator(".hit-link").evaluate_all("links => links.map(a => a.textContent)")


TYPED_FAST = """parts => {
    const field = document.querySelector('#q');
    for (const part of parts) {
        field.value = part;
        field.dispatchEvent(new Event('input', {bubbles: true}));
    }
}"""


def test_search_as_you_type(tab: Tab, shelf: ShelfService):
    """Typing alone shows the pages, with the words marked in the text and on the pictures of the scans."""
    page = tab.goto()
    type_query(page, "quay")
    expect(page.locator(".hit")).to_have_count(3)
    expect(page.locator(".hit").first.locator("mark").first).to_have_text("quay")
    expect(page.locator(".hit").first.locator(".thumb rect")).not_to_have_count(0)
    expect(page.locator(".hit").first.locator(".strip rect")).not_to_have_count(0)
    expect(page.locator(".hit .thumb img.loaded")).to_have_count(3)
    expect(page.locator("#summary")).to_contain_text("Best 3 pages of 4 pages searched")
    expect(page.locator("#live")).to_contain_text("Best 3 pages")
    assert page.url.endswith("?q=quay")
    shelf.queries.clear()
    page.evaluate(TYPED_FAST, ["s", "sl", "slip", "slipway"])
    expect(page.locator(".hit").first.locator("mark").first).to_have_text("slipway")
    assert shelf.queries == ["slipway"], "a search for each letter"


def test_questions_are_reranked(tab: Tab, shelf: ShelfService):
    """What reads like a question has its first pages read; words have not."""
    for query in ("slipway", "Where%20is%20the%20slipway%3F"):
        expect(tab.goto(f"?q={query}").locator(".hit").first.locator("mark").first).to_have_text("slipway")
    assert shelf.reranked == {"slipway": False, "Where is the slipway?": True}


def test_mark_is_where_the_word_is(tab: Tab, shelf: ShelfService):
    """The rectangle in a result lies over the very pixels of the word on the picture."""
    page = tab.goto("?q=INV-1927-0117")
    expect(page.locator(".strip rect")).to_have_count(1)
    expect(page.locator(".strip img.loaded")).to_have_count(1)
    strip, mark, picture = (page.locator(f".strip {part}").bounding_box() for part in ("", "rect", "img"))
    inside = strip["x"] <= mark["x"] and mark["x"] + mark["width"] <= strip["x"] + strip["width"]
    assert inside, "the place is not in view"
    assert strip["y"] <= mark["y"] and mark["y"] + mark["height"] <= strip["y"] + strip["height"]
    drawn = next(w for w in shelf.search("default", "INV-1927-0117", NO_FILTER, limit=1).hits[0].snippets[0].boxes)
    assert (mark["x"] - picture["x"]) / picture["width"] == pytest.approx(drawn.x0, abs=0.002)
    assert (mark["y"] - picture["y"]) / picture["height"] == pytest.approx(drawn.y0, abs=0.002)


def test_old_answers_never_replace_new_ones(tab: Tab, shelf: ShelfService):
    """A slow search that was typed over is given up: the page shows what was typed last."""
    shelf.held.add("quay")
    page = tab.goto()
    type_query(page, "quay")
    page.wait_for_url("**?q=quay")
    page.locator("#q").fill("slipway")
    expect(page.locator(".hit-link")).to_have_text(["minutes.tifpage 1"])
    shelf.held.clear()
    page.wait_for_timeout(500)
    assert names(page) == ["minutes.tifpage 1"]
    assert "slipway" in page.url


def test_back_returns_step_by_step(tab: Tab, shelf: ShelfService):
    """Back goes from a page to the results and from there to the documents; forward goes the same way again."""
    page = tab.goto()
    type_query(page, "granite")
    page.locator(".hit-link").click()
    expect(page.locator("#viewer")).to_be_visible()
    page.go_back()
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator(".hit-link")).to_have_text(["letter.pdfpage 2"])
    page.go_back()
    expect(page.locator("#library-view")).to_be_visible()
    expect(page.locator("#q")).to_have_value("")
    page.go_forward()
    expect(page.locator(".hit-link")).to_have_text(["letter.pdfpage 2"])
    expect(page.locator("#q")).to_have_value("granite")


def test_deep_link_to_a_page(tab: Tab, shelf: ShelfService):
    """An address opens its page at once with the words marked; closing leaves nothing of it in the address."""
    document = shelf.find("letter.pdf")
    page = tab.goto(f"#/doc/{document}/page/2?q=granite")
    expect(page.locator("#viewer .page-sheet img")).to_be_visible()
    expect(page.locator(".page-sheet .marks rect")).to_have_count(1)
    expect(page.locator("#page-number")).to_have_value("2")
    expect(page.locator(".page-text mark")).to_have_text("Granite")
    expect(page.locator(".page-text table td.number")).to_have_text("1,705.00")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator("#library-view")).to_be_visible()
    assert "#" not in page.url


def test_keyboard_alone(tab: Tab, shelf: ShelfService):
    """From an empty page to a found page, through its pages and back, without a pointer; the focus returns."""
    page = tab.goto()
    page.locator("#choose-files").focus()
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("quay", delay=10)
    expect(page.locator(".hit")).to_have_count(3)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    opened = page.locator(".hit-link").nth(1)
    expect(opened).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    number = page.locator("#page-number")
    expect(page.locator("#viewer-title")).to_have_text("letter.pdf")
    first = int(number.input_value())
    page.keyboard.press("n")
    expect(number).to_have_value(str(first + 1))
    page.keyboard.press("ArrowLeft")
    expect(number).to_have_value(str(first))
    page.keyboard.press("End")
    expect(number).to_have_value("3")
    expect(page.get_by_role("button", name="Next page")).to_be_disabled()
    number.fill("2")
    number.press("Enter")
    expect(page.locator(".page-text")).to_contain_text("Granite")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator(".hit-link").first).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Searching, asking, and keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_focus_stays_in_the_viewer(tab: Tab, shelf: ShelfService):
    """While a page is open, Tab never reaches what lies under it."""
    page = tab.goto("?q=granite")
    page.locator(".hit-link").click()
    expect(page.locator(".page-text mark")).to_be_visible()
    for _ in range(25):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || document.activeElement.closest('#viewer') !== null"
        )


def test_zoom(tab: Tab, shelf: ShelfService):
    """Fit page shows all of it, fit width fills the stage, plus makes it larger, and marks keep their place."""
    page = tab.goto("?q=granite")
    page.locator(".hit-link").click()
    sheet, stage = page.locator(".page-sheet"), page.locator(".stage")
    expect(page.locator(".page-sheet img")).to_be_visible()
    assert sheet.bounding_box()["height"] <= stage.bounding_box()["height"]
    page.keyboard.press("w")
    whole = sheet.bounding_box()
    assert whole["width"] > 0.9 * stage.bounding_box()["width"]
    page.keyboard.press("+")
    larger = sheet.bounding_box()
    assert larger["width"] == pytest.approx(whole["width"] * 1.25, abs=2)
    mark = page.locator(".page-sheet .marks rect").bounding_box()
    view = stage.bounding_box()
    box = shelf.search("default", "granite", NO_FILTER, limit=1).hits[0].snippets[0].boxes[0]
    assert (mark["x"] - larger["x"]) / larger["width"] == pytest.approx(box.x0, abs=0.003)
    page.keyboard.press("0")
    assert sheet.bounding_box()["height"] <= view["height"]


def test_text_and_picture_point_at_each_other(tab: Tab, shelf: ShelfService):
    """What is pointed at in the text is lit on the picture, and the other way round."""
    page = tab.goto(f"#/doc/{shelf.find('letter.pdf')}/page/1")
    block = page.locator(".page-text .block").nth(1)
    block.hover()
    expect(page.locator(".page-sheet .lit rect")).to_have_count(1)
    lit, sheet = page.locator(".page-sheet .lit rect").bounding_box(), page.locator(".page-sheet").bounding_box()
    region = shelf.page("default", shelf.find("letter.pdf"), 1)[1].regions[1]
    assert (lit["y"] - sheet["y"]) / sheet["height"] == pytest.approx(region.box.y0, abs=0.003)
    page.mouse.move(lit["x"] + lit["width"] / 2, lit["y"] + lit["height"] / 2)
    expect(block).to_have_class(re.compile(r"\blit\b"))


def test_filters(tab: Tab, shelf: ShelfService):
    """Folder, type, document and grouping narrow the results, stand in the address and can be cleared."""
    noon = datetime(2026, 5, 4, 12, tzinfo=UTC)  # "today" would be another day when midnight comes in between
    for item in shelf._shelf.values():
        item.manifest = replace(item.manifest, created_at=noon)
    tab.page.clock.set_fixed_time(noon)
    page = tab.goto("?q=quay")
    page.locator(".crumb", has_text="Letters").first.click()
    expect(page.locator(".hit")).to_have_count(2)
    assert "folder=Port+Ellery%2FLetters" in page.url
    page.get_by_role("button", name="Clear filters").click()
    expect(page.locator(".hit")).to_have_count(3)
    page.get_by_label("Type", exact=True).select_option("image/tiff")
    expect(page.locator(".hit-link")).to_have_text(["minutes.tifpage 1"])
    expect(page.locator(".hit .hint")).to_contain_text("Hard to read")
    page.go_back()
    expect(page.locator(".hit")).to_have_count(3)
    expect(page.get_by_label("Type", exact=True)).to_have_value("")
    page.get_by_label("Added").select_option("0")
    expect(page.locator(".hit")).to_have_count(3)
    page.get_by_label("Added").select_option("custom")
    page.get_by_label("To", exact=True).fill("2001-01-31")
    page.get_by_label("To", exact=True).blur()
    expect(page.get_by_role("heading", name="No page passes these filters")).to_be_visible()
    expect(page.locator(".empty li").first).to_have_text("“From” is a later day than “To”.")
    page.get_by_role("button", name="Search all documents").click()
    expect(page.locator(".hit")).to_have_count(3)
    page.get_by_label("Group by document").check()
    expect(page.locator(".group-title")).to_have_text(["letter.pdf2 pages", "minutes.tif1 page"])
    assert "group=1" in page.url


def test_a_filter_that_names_a_deleted_document_says_so(tab: Tab, shelf: ShelfService):
    """A link to a search in one document outlives the document: nothing found there is not nothing there."""
    tab.expected = ("status of 404",)  # its name is asked for
    gone = shelf.find("minutes.tif")
    page = tab.goto(f"?q=quay&document={gone}")
    expect(page.locator(".hit")).to_have_count(1)
    shelf.delete("default", gone)
    page.reload()
    expect(page.locator(".empty li").first).to_have_text(
        "The document that is named in the filters is not here any more."
    )
    page.get_by_role("button", name="Search all documents").click()
    expect(page.locator(".hit")).to_have_count(2)


def test_a_filter_by_a_folder_that_is_not_there_says_so(tab: Tab):
    """The folder is typed by hand; the question above the results says it too."""
    page = tab.goto("?q=where+is+the+quay&folder=minuts")
    told = "No document lies in the folder “minuts”."
    expect(page.locator("#results .empty li").first).to_have_text(told)
    expect(page.locator(".tips li").first).to_have_text(told)


def test_nothing_found_helps(tab: Tab, shelf: ShelfService):
    """Nothing found says on how many pages, and offers the same words without quotes."""
    page = tab.goto('?q="quay zebra"')
    expect(page.locator("#summary")).to_have_text("Nothing found on 4 pages")
    shelf.phrases = False
    page.get_by_role("button", name="Search without quotes").click()
    expect(page.locator(".hit")).to_have_count(3)
    expect(page.locator("#q")).to_have_value("quay zebra")


def test_question_gets_an_answer_with_its_place(tab: Tab, shelf: ShelfService):
    """A question is answered above the results; its citation opens the page with exactly that sentence marked."""
    page = tab.goto()
    type_query(page, "Who keeps the keys of the store houses?")
    answer = page.locator("#answer")
    expect(answer.locator(".answer-text")).to_contain_text("Captain Edith Rowan, keeps the keys")
    expect(answer.locator(".evidence .strip img.loaded")).to_have_count(1)
    expect(answer.get_by_role("link", name="Show on the page")).to_have_count(1)
    chip = answer.locator(".answer-text a.chip")
    expect(chip).to_have_text("[1]")  # the brackets are there for who copies it
    chip.click()
    expect(page.locator(".page-sheet .marks.cited rect")).not_to_have_count(0)
    expect(page.locator(".page-text mark").first).to_be_visible()
    marked = page.locator(".page-text mark").all_text_contents()
    assert "".join(marked) == "The harbour master, Captain Edith Rowan, keeps the keys of the store houses."
    assert re.search(r"#/doc/[^/]+/page/1\?at=\d+-\d+$", page.url)
    page.keyboard.press("Escape")
    expect(answer).to_be_visible()


def test_words_are_answered_on_request_only(tab: Tab, shelf: ShelfService):
    """Words that are no question get results; the Ask button answers them all the same, and the address says so."""
    page = tab.goto("?q=keys store houses")
    expect(page.locator(".hit")).to_have_count(1)
    expect(page.locator("#answer")).to_be_hidden()
    page.locator("#ask").click()
    expect(page.locator("#answer .answer-text")).to_contain_text("Edith Rowan")
    assert "ask=1" in page.url


def test_no_answer_is_said_honestly(tab: Tab, shelf: ShelfService):
    """Without support the card says so and lists the pages that were looked at."""
    page = tab.goto("?q=Who discovered radium in Paris?")
    expect(page.locator("#answer .answer-text")).to_have_text("Not found in these documents.")
    expect(page.locator("#answer .turn-rest > p")).to_contain_text(
        re.compile(r"No answer was recognised on .* may stand")
    )
    expect(page.locator("#answer .considered a").first).to_contain_text("letter.pdf")
    expect(page.locator("#answer .chip")).to_have_count(0)


def test_more_results(tab: Tab, service: ShelfService):
    """More pages are added below the first ten, and the focus goes to the first new one."""
    service.put("ledger.pdf", [f"# Page\n\nThe quay, entry {n}." for n in range(14)])
    page = tab.goto("?q=quay")
    expect(page.locator(".hit")).to_have_count(10)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".hit")).to_have_count(14)
    expect(page.locator(".hit-link").nth(10)).to_be_focused()
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)


def test_page_that_is_gone(tab: Tab):
    """The address of a page that is not there says so in words."""
    tab.expected = ("404",)
    page = tab.goto("#/doc/00000000-0000-4000-8000-000000000000/page/3")
    expect(page.locator(".page-state")).to_contain_text("There is no such page")
    page.keyboard.press("Escape")
    expect(page.locator("#library-empty")).to_be_visible()


def test_two_windows_do_not_share_anything(browser, site: str, shelf: ShelfService):
    """The address is all there is: a second window with the same address shows the same."""
    for _ in range(2):
        with open_tab(browser, site) as opened:
            page = opened.goto("?q=quay&type=image%2Ftiff")
            expect(page.locator(".hit-link")).to_have_text(["minutes.tifpage 1"])
            expect(page.get_by_label("Type", exact=True)).to_have_value("image/tiff")
