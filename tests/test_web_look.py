"""The web page in Chromium: hostile names, narrow screens, dark mode, contrast, names of controls."""

from __future__ import annotations

import io
import re
from itertools import combinations
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from index.types import MemberFailure
from tests.api_kit import wait_for
from tests.browser_kit import Tab, open_tab
from tests.web_kit import ShelfService

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser

WEB = Path(__file__).parent.parent / "api" / "web"
EVIL = '"><img src=x onerror="window.hurt=1"><script>window.hurt=1</script>\u202egnp.exe'
EVIL_TEXT = (
    f"# {EVIL}\n\n[quay](javascript:window.hurt=1) <img src=x onerror=window.hurt=1> <b>quay</b> quay's end.\n\n"
    f"| {EVIL.replace('|', '')} | quay |\n| --- | --- |\n| <svg onload=window.hurt=1> | 1 |"
)
VIEWS = {
    "documents": "",
    "results": "?q=quay",
    "groups": "?q=quay&group=1",
    "answer": "?q=Who closed the north quay today?",
    "not found": "?q=Who discovered radium in Paris?",
    "how things stand": "#/admin",
}


@pytest.fixture
def shelf(service: ShelfService) -> ShelfService:
    """Documents whose names and texts are long, odd and hostile."""
    evil = service.put(EVIL, [EVIL_TEXT])
    service.put_archive(
        f"{EVIL}.zip", [(f"{EVIL}/Letters/{EVIL}", evil)], [MemberFailure(EVIL, "x<b>", f"Refused: {EVIL}")]
    )
    wide = "| " + " | ".join(f"Column{n}" for n in range(14)) + " |\n|" + " --- |" * 14 + "\n| quay " * 14 + "|"
    words = "Captain Rowan closed the north quay today.\n\n" + "quay" * 60
    service.put("An-unbroken-and-very-long-name-" * 6 + ".pdf", [words, wide], trust=0.3, broken=frozenset({2}))
    return service


def viewer_address(shelf: ShelfService) -> str:
    return f"#/doc/{shelf.find(EVIL)}/page/1?q=quay"


def test_hostile_names_and_texts_stay_text(tab: Tab, shelf: ShelfService):
    """No name, path, message or text of a document becomes an element or runs, wherever it is shown."""
    tab.expected = ("404",)
    page = tab.goto()
    expect(page.locator("#documents .row")).to_have_count(2)
    for summary in page.locator("#documents summary").all():
        if summary.is_visible():
            summary.click()
    expect(page.locator(".row-details li", has_text="Refused:")).to_be_visible()
    checked = 0
    for address in (
        *VIEWS.values(),
        viewer_address(shelf),
        f"?q={EVIL}",
        f"?folder={EVIL}&q=quay",
        f"#/doc/{EVIL}/page/1",
    ):
        if address:
            page.goto("about:blank")
            tab.goto(address.replace("#", "%23") if address.startswith("?") else address)
            page.wait_for_load_state("networkidle")
        assert page.evaluate("window.hurt") is None
        assert (
            page.locator("img[src='x'], img[onerror], svg[onload], script:not([src]), a[href^='javascript']").count()
            == 0
        )
        checked += 1
    assert checked == len(VIEWS) + 4
    tab.goto()
    page.get_by_role("button", name=f"Delete {EVIL}.zip", exact=True).click()
    expect(page.locator("dialog[open] .name")).to_have_text(f"{EVIL}.zip")
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".receipt")).to_contain_text("Nothing")
    assert page.evaluate("window.hurt") is None


def test_markdown_of_a_page_is_safe_and_whole(tab: Tab, shelf: ShelfService):
    """In the viewer the text of a hostile page is all there, as text."""
    page = tab.goto(viewer_address(shelf))
    text = page.locator(".page-text")
    expect(text.locator("h3").first).to_have_text(EVIL)
    expect(text).to_contain_text("[quay](javascript:window.hurt=1) <img src=x onerror=window.hurt=1> <b>quay</b>")
    expect(text.locator("td").first).to_have_text("<svg onload=window.hurt=1>")
    page.get_by_role("button", name="Plain").click()
    expect(text.locator("pre")).to_have_text(EVIL_TEXT)
    assert page.title().startswith(EVIL[:20])


def test_sources_never_parse_html():
    """No module uses a way of turning strings into elements or code, and no page carries inline script or style."""
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|DOMParser"
    )
    for path in WEB.glob("*.js"):
        assert not forbidden.search(path.read_text()), path.name
    html = (WEB / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|https?://(?!www\.w3\.org)", html)


def test_policy_stops_inline_script(tab: Tab, shelf: ShelfService):
    """The policy holds: even an element that was made with a handler does not run it."""
    tab.expected = ("Content Security Policy", "CSP")
    page = tab.goto()
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=nothing onerror=\"window.hurt=1\">')")
    tab.expected += ("404",)
    wait_for(lambda: page.wait_for_timeout(50) or any("Content Security Policy" in said for said in tab.complaints))
    assert page.evaluate("window.hurt") is None


@pytest.mark.parametrize("width", [320, 390, 768])
def test_no_sideways_scrolling(browser, site: str, shelf: ShelfService, width: int):
    """Nothing is wider than the window on narrow screens, however long names, words and tables are."""
    with open_tab(browser, site, viewport={"width": width, "height": 640}) as tab:
        for name, address in {**VIEWS, "viewer": viewer_address(shelf)}.items():
            tab.page.goto("about:blank")
            page = tab.goto(address)
            page.wait_for_load_state("networkidle")
            wide = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]")
            assert max(wide) <= width, name
        expect(page.locator("#viewer")).to_be_visible()
        beyond = page.evaluate(
            "[...document.querySelectorAll('.viewer-bar :is(button, input, a)')]"
            ".filter((e) => e.getBoundingClientRect().right > innerWidth).length"
        )
        assert beyond == 0, "controls of the viewer stand outside"
        page.get_by_role("button", name="Text", exact=True).click()
        expect(page.locator(".page-text mark").first).to_be_in_viewport()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


CONTRAST = """
() => {
  const channel = (v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const parse = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
                             return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const color = parse(getComputedStyle(node).backgroundColor);
      if (color[3] > 200) return color;
    }
    return [255, 255, 255, 255];
  };
  const bad = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility({opacityProperty: true})) continue;
    if (node.closest('.visually-hidden, :disabled, svg, script, option, [hidden]')) continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(parse(style.color)), light(ground(node))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    const large = parseFloat(style.fontSize) >= 24;
    if (ratio < (large ? 3 : 4.5)) bad.push(`${walker.currentNode.data.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return bad;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(browser, site: str, shelf: ShelfService, scheme: str):
    """Every text on every view reaches the contrast of WCAG AA, in light and in dark."""
    with open_tab(browser, site, color_scheme=scheme) as tab:
        for name, address in {**VIEWS, "viewer": viewer_address(shelf)}.items():
            tab.page.goto("about:blank")
            page = tab.goto(address)
            page.wait_for_load_state("networkidle")
            assert page.evaluate(CONTRAST) == [], name
        page.keyboard.press("Escape")
        page.locator("#help").click()
        assert page.evaluate(CONTRAST) == [], "help"


def test_dark_mode_is_dark(browser, site: str, shelf: ShelfService):
    """With a dark system the ground is dark and the text light; the scans stay paper."""
    lightness = {}
    for scheme in ("light", "dark"):
        with open_tab(browser, site, color_scheme=scheme) as tab:
            page = tab.goto("?q=quay")
            expect(page.locator(".strip").first).to_be_visible()
            lightness[scheme] = [
                sum(
                    map(
                        int,
                        re.findall(r"\d+", page.evaluate(f"getComputedStyle(document.querySelector('{part}')).{rule}"))[
                            :3
                        ],
                    )
                )
                for part, rule in (("body", "backgroundColor"), ("body", "color"), (".strip", "backgroundColor"))
            ]
    assert lightness["light"][0] > 600 > 150 > lightness["light"][1]
    assert lightness["dark"][0] < 150 < 600 < lightness["dark"][1]
    assert lightness["dark"][2] > 600


NAMELESS = """
() => [...document.querySelectorAll('a, button, input, select, summary, [tabindex="0"], dialog[open], nav, section')]
  .filter((node) => node.checkVisibility() && !node.closest('[aria-hidden=true]') && node.tabIndex !== -2)
  .filter((node) => node.tagName !== 'SECTION' || node.matches('[aria-label], [aria-labelledby]'))
  .filter((node) => !(node.textContent.trim() || node.getAttribute('aria-label') || node.labels?.length
                      || document.getElementById(node.getAttribute('aria-labelledby'))?.textContent.trim()))
  .map((node) => node.outerHTML.slice(0, 120))
"""


def test_everything_has_a_name(tab: Tab, shelf: ShelfService):
    """Every control has an accessible name, ids are unique, the landmarks are there once."""
    page = tab.goto()
    for name, address in {**VIEWS, "viewer": viewer_address(shelf)}.items():
        page.goto("about:blank")
        tab.goto(address)
        page.wait_for_load_state("networkidle")
        assert page.evaluate(NAMELESS) == [], name
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
        assert len(ids) == len(set(ids)), name
        assert page.locator("main").count() == page.locator("body > header").count() == 1
        assert page.locator("[role=search]").count() == 1
        assert page.locator("img:not([alt])").count() == 0
    assert page.locator("#viewer").get_attribute("aria-labelledby") == "viewer-title"


def test_each_view_has_a_title_and_one_heading_over_all(tab: Tab, shelf: ShelfService):
    """In the list of tabs and steps back one is told from another; screen readers find the beginning."""
    titles = {
        "": "Folioscope",
        "?in=Letters": "Letters – Folioscope",
        "?q=quay": "quay – Folioscope",
        "?type=application/pdf": "Search – Folioscope",
        "#/admin": "How things stand – Folioscope",
    }
    for address, title in titles.items():
        tab.page.goto("about:blank")
        page = tab.goto(address)
        expect(page).to_have_title(title)
        expect(page.get_by_role("heading", level=1)).to_have_count(1)


def test_fingers_are_not_told_to_drop_files(browser, site: str, shelf: ShelfService):
    """On a telephone there are the two choosers, side by side."""
    with open_tab(browser, site, viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True) as tab:
        page = tab.goto()
        files, folder = (page.get_by_role("button", name=name) for name in ("Choose files", "Choose a folder"))
        expect(files.first).to_be_visible()
        expect(page.get_by_text("Drop scans anywhere")).to_be_hidden()
        assert files.first.bounding_box()["y"] == folder.bounding_box()["y"]
    with open_tab(browser, site) as tab:
        expect(tab.goto().get_by_text("Drop scans anywhere")).to_be_visible()


def test_what_is_pressed_is_seen_in_forced_colours(browser, site: str, shelf: ShelfService):
    """Where the system chooses all colours a background says nothing unless it is the system's own."""
    with open_tab(browser, site, forced_colors="active") as tab:
        tab.goto(viewer_address(shelf))
        pressed = tab.page.get_by_role("button", name="Fit page")
        expect(pressed).to_have_attribute("aria-pressed", "true")
        background = "(node) => getComputedStyle(node).backgroundColor"
        assert pressed.evaluate(background) != tab.page.locator(".viewer-bar").evaluate(background)


def test_motion_is_reduced_on_request(browser, site: str, shelf: ShelfService):
    """Who asks the system for less motion gets no transitions."""
    with open_tab(browser, site, reduced_motion="reduce") as tab:
        page = tab.goto("?q=quay")
        expect(page.locator(".hit").first).to_be_visible()
        moving = page.evaluate(
            "[...document.querySelectorAll('*')]"
            ".filter((e) => parseFloat(getComputedStyle(e).transitionDuration) > 0.01).length"
        )
        assert moving == 0


def test_a_low_window_is_for_what_is_read(browser, site: str, shelf: ShelfService):
    """At 400 % zoom the top scrolls away with the page; in a window of usual height it stays."""
    with open_tab(browser, site, viewport={"width": 320, "height": 256}) as tab:
        page = tab.goto("?q=quay")
        expect(page.locator("#summary")).to_be_visible()
        page.mouse.move(160, 200)
        page.mouse.wheel(0, 400)
        expect(page.locator(".top")).not_to_be_in_viewport()
        page.set_viewport_size({"width": 320, "height": 700})
        expect(page.locator(".top")).to_be_in_viewport()


def test_help_begins_at_its_beginning(browser, site: str, shelf: ShelfService):
    """In a low window, too; Close has the focus all the same."""
    with open_tab(browser, site, viewport={"width": 900, "height": 400}) as tab:
        page = tab.goto()
        page.get_by_role("button", name="Keyboard and search help").click()
        help_ = page.get_by_role("dialog")
        expect(help_.get_by_role("button", name="Close")).to_be_focused()
        assert help_.evaluate("(node) => node.scrollHeight > node.clientHeight")
        expect(help_.get_by_role("heading", name="Searching, asking, and keys")).to_be_in_viewport(ratio=1)
        expect(help_).to_contain_text("Not found")


def test_a_folder_tells_its_files_in_one_line(tab: Tab, service: ShelfService):
    """However long its name."""
    members = [(f"{n}.pdf", service.put(f"{n}.pdf", ["# Letter"])) for n in range(12)]
    service.put_archive("Estate of the hospital and of the law firm beside it.zip", members, [])
    page = tab.goto()
    number = page.locator(".folder .quiet")
    expect(number).to_have_text("12")
    assert number.evaluate("(node) => node.offsetHeight < 2 * parseFloat(getComputedStyle(node).fontSize)")


def test_marks_that_overlap_are_no_darker(tab: Tab, shelf: ShelfService):
    """Boxes of slanting lines overlap, which says nothing of the words there."""
    page = tab.goto("?q=quay")
    expect(page.locator("#results .strip .loaded").first).to_be_visible()
    page.evaluate(
        """async () => {
          const { overlay } = await import('/web/dom.js');
          const sheet = document.createElement('div');
          sheet.id = 'over';
          sheet.style = 'position: fixed; top: 0; left: 0; width: 90px; height: 90px; background: #fff; z-index: 99';
          sheet.append(overlay([[0, 0, 0.7, 1], [0.3, 0, 1, 1]]));
          sheet.firstChild.style = 'position: absolute; inset: 0; width: 100%; height: 100%';
          document.body.append(sheet);
        }"""
    )
    shot = Image.open(io.BytesIO(page.locator("#over").screenshot())).convert("RGB")
    once, both = shot.getpixel((10, 45)), shot.getpixel((45, 45))
    assert once == both != (255, 255, 255)


def test_controls_are_lettered_as_the_page_is(tab: Tab, shelf: ShelfService):
    """Buttons and fields have the page's own type, not the browser's."""
    page = tab.goto("?q=quay")
    family, size = "e => getComputedStyle(e).fontFamily", "e => getComputedStyle(e).fontSize"
    own = page.locator("body").evaluate(family)
    for control in ("#ask", "#add", "#q", "#f-type", ".crumb"):
        assert page.locator(control).first.evaluate(family) == own, control
    assert page.locator("#ask").evaluate(size) == page.locator("body").evaluate(size)


@pytest.mark.parametrize("width", [320, 360, 400])
@pytest.mark.parametrize("with_key", [False, True])
def test_nothing_covers_anything_in_a_narrow_top(browser, site: str, shelf: ShelfService, width: int, with_key: bool):
    """The name is there whole or not at all, and no button lies over another, with a key and while pages are read."""
    with open_tab(browser, site, viewport={"width": width, "height": 640}) as tab:
        page = tab.goto()
        expect(page.locator("#documents li").first).to_be_visible()
        if with_key:
            page.evaluate("document.getElementById('sign-out').hidden = false")
            page.locator("#activity").evaluate(
                "a => { a.hidden = false; a.textContent = `Reading 12 of 1,400 pages`; }"
            )
        brand = page.locator(".brand").bounding_box()
        word = page.locator(".brand-word").bounding_box()
        shown = word["y"] < brand["y"] + brand["height"]
        assert not shown or word["x"] + word["width"] <= brand["x"] + brand["width"]
        assert with_key or shown == (width >= 360), "a common telephone has room for the name"
        mark = page.locator(".brand-mark").bounding_box()
        buttons = [one.bounding_box() for one in page.locator(".top-actions > :visible").all()]
        boxes = [*buttons, word if shown else mark]
        assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
        for box, other in combinations(boxes, 2):
            beside = box["x"] + box["width"] <= other["x"] + 1 or other["x"] + other["width"] <= box["x"] + 1
            below = box["y"] + box["height"] <= other["y"] + 1 or other["y"] + other["height"] <= box["y"] + 1
            assert beside or below, (box, other)
        if with_key:
            assert page.locator("#activity").bounding_box()["height"] < 40


@pytest.mark.parametrize("width", [1280, 1024])
def test_what_is_above_the_list_stands_in_one_row(browser, site: str, shelf: ShelfService, width: int):
    """Finding by name, order, filter, text and selection are beside each other where there is room for them."""
    with open_tab(browser, site, viewport={"width": width, "height": 640}) as tab:
        page = tab.goto()
        expect(page.locator("#order")).to_be_visible()
        page.locator("#library-named").evaluate("a => { a.hidden = false; }")  # as with more documents
        boxes = [page.locator("#named").bounding_box()]
        boxes += [one.bounding_box() for one in page.locator("#library-tools > :visible").all()]
        assert len(boxes) > 3
        middles = [box["y"] + box["height"] / 2 for box in boxes]
        assert max(middles) - min(middles) < 8
