"""The page's own modules in Chromium: Markdown to elements, words of a query on a page, addresses."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.browser_kit import Tab

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser

WEB = Path(__file__).parent.parent / "api" / "web"

RENDER = """
async ([source, spans]) => {
  const { render } = await import('/web/markdown.js');
  const box = document.createElement('div');
  box.append(render(source, 0, source.length, spans));
  return box.innerHTML;
}
"""


@pytest.mark.parametrize(
    ("source", "spans", "html"),
    [
        ("plain", [], "<p>plain</p>"),
        ("## Two *words*", [], "<h4>Two <em>words</em></h4>"),
        ("a **b** `c*d*`", [], "<p>a <strong>b</strong> <code>c*d*</code></p>"),
        ("2 * 3 * 4 and snake_case_name", [], "<p>2 * 3 * 4 and snake_case_name</p>"),
        (r"\*not\* \| \# <b>", [], "<p>*not* | # &lt;b&gt;</p>"),
        ("one\ntwo", [], "<p>one<br>two</p>"),
        ("3. three\n4. four", [], '<ol start="3"><li>three</li><li>four</li></ol>'),
        ("- a\n  more\n- b", [], "<ul><li>a more</li><li>b</li></ul>"),
        ("see **the quay** here", [[4, 14]], "<p>see <strong><mark>the quay</mark></strong> here</p>"),
        ("north quay", [[0, 5], [6, 10]], "<p><mark>north</mark> <mark>quay</mark></p>"),
        ("# A quay", [[4, 8]], "<h3>A <mark>quay</mark></h3>"),
        ("[x](javascript:alert(1))", [], "<p>[x](javascript:alert(1))</p>"),
        ("![x](http://a/b.png)", [], "<p>![x](http://a/b.png)</p>"),
        ("12 | not a table", [], "<p>12 | not a table</p>"),
    ],
)
def test_markdown(tab: Tab, source: str, spans: list[list[int]], html: str):
    """Structure becomes elements, everything else stays text, and marks cover exactly their characters."""
    assert tab.goto().evaluate(RENDER, [source, spans]) == html


def test_markdown_table(tab: Tab):
    """Cells keep escaped bars, numbers stand right, empty heads vanish, marks find their cell."""
    source = "|  |  |\n| --- | ---: |\n| a \\| b | 1,205.50 |\n| c |  |"
    at = source.index("1,205.50")
    html = tab.goto().evaluate(RENDER, [source, [[at, at + 8]]])
    assert "<thead>" not in html
    assert '<td class="short">a | b</td>' in html
    assert '<td class="number"><mark>1,205.50</mark></td>' in html
    assert html.count("<tr>") == 2


def test_markdown_of_a_hostile_line_is_quick(tab: Tab):
    """Text made to be slow to match is shown within a moment."""
    for sign in ("`", "*", "_", "**a", "|", "#", "- "):
        took = tab.goto().evaluate(
            """async (source) => {
              const { render } = await import('/web/markdown.js');
              const started = performance.now();
              render(source, 0, source.length, []);
              return performance.now() - started;
            }""",
            sign * 60_000,
        )
        assert took < 5000, sign  # where matching is quadratic: minutes


def test_boxes_join_on_a_line(tab: Tab):
    """Neighbouring words of a span are one box, a line break parts them, and a gap does too."""
    boxes = tab.goto().evaluate(
        """async () => {
          const { boxesOf } = await import('/web/highlight.js');
          const word = (a, b, box) => ({ span: [a, b], box });
          return boxesOf([[0, 20]], [
            word(0, 5, [.1, .1, .2, .12]), word(6, 9, [.21, .101, .3, .12]),
            word(10, 14, [.1, .14, .2, .16]), word(15, 20, [.6, .14, .7, .16]), word(21, 25, [.8, .14, .9, .16]),
          ]);
        }"""
    )
    assert boxes == [[0.1, 0.1, 0.3, 0.12], [0.1, 0.14, 0.2, 0.16], [0.6, 0.14, 0.7, 0.16]]


@pytest.mark.parametrize(
    ("address", "view"),
    [
        ("#/doc/a/page/3", {"document": "a", "page": 3, "query": "", "at": None}),
        ("?q=x#/doc/a%2Fb/page/3", {"document": "a/b", "page": 3, "query": "x", "at": None}),
        ("?q=x#/doc/a/page/3?at=5-9&q=y", {"document": "a", "page": 3, "query": "y", "at": [5, 9]}),
        ("#/doc/a/page/0", {"document": "a", "page": 1, "query": "", "at": None}),
        ("#/doc/a/page/-1", None),
        ("#/doc/%E0%A4%A/page/1", None),
        ("#/elsewhere", None),
    ],
)
def test_addresses(tab: Tab, address: str, view: object):
    """What an address asks for; one that means nothing opens nothing."""
    read = "async (href) => (await import('/web/route.js')).read(new URL(href, location.href).href).view"
    assert tab.goto().evaluate(read, address) == view


def test_questions_are_told_from_words(tab: Tab):
    """Questions are answered unasked, words and quoted phrases are not."""
    is_question = "async (list) => { const w = await import('/web/words.js'); return list.map(w.isQuestion); }"
    questions = ["Who signed it?", "when was the quay repaired", "Wann wurde der Kai gebaut?", "the price of granite?"]
    words = ["quay", "who", "how to", "?", '"who signed it?"', "minutes 1927"]
    assert tab.goto().evaluate(is_question, questions + words) == [True] * len(questions) + [False] * len(words)


NAMES_OF = "nodes => nodes.map((node) => (node.href || node.src).split('/').at(-1))"


def test_every_module_is_fetched_at_once(tab: Tab):
    """The page names all its modules, so that a slow line waits once and not for each import of an import."""
    page = tab.goto()
    named = set(page.locator("link[rel=modulepreload], script[type=module]").evaluate_all(NAMES_OF))
    assert named == {path.name for path in WEB.glob("*.js")}


def test_web_files_travel_packed(site: str):
    """Half the bytes or less for who can unpack them, and the same bytes for who cannot."""
    whole = (WEB / "viewer.js").read_bytes()
    with httpx.Client(base_url=site, timeout=60) as client:
        plain = client.get("/web/viewer.js", headers={"accept-encoding": "identity"})
        packed = client.get("/web/viewer.js", headers={"accept-encoding": "gzip"})
        assert packed.num_bytes_downloaded < len(whole) / 2
        assert packed.content == plain.content == whole
        again = client.get("/web/viewer.js", headers={"if-none-match": packed.headers["etag"]})
    assert again.status_code == 304
