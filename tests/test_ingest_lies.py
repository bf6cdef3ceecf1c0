"""Children of the sandbox that lie: nothing comes through but checked pages and our own errors."""

from __future__ import annotations

import json
import sys

import pytest

from index.errors import Unavailable
from ingest.sandbox import SandboxConfig, SandboxRenderer
from tests import ingest_kit as kit

pytest_plugins = ("tests.ingest_fixtures",)
PDF = "application/pdf"


LIAR = """
import json, socket, struct, sys
sock = socket.socket(fileno=int(sys.argv[1]))
def say(header, payload=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    sock.sendall(struct.pack(">4sII", b"FSR1", len(text), len(payload)) + text + payload)
say({"hello": 1, "protections": ["system_calls", "invincible"]})
answers = json.load(open(sys.argv[2]))
while sock.recv(1 << 16):
    for header, payload in answers.pop(0) if answers else ():
        say(header.encode() if isinstance(header, str) else header, b"x" * payload)
"""

OPENED = [[{"status": 0, "pages": 1}, 0]]
PAGE = [{"status": 0, "width": 10, "height": 10}, 300]
WORD = ["word", 0.1, 0.1, 0.2, 0.2, 0, 0, 10.0, False, 0, False]
LAYER = {"unmapped": 0.0, "image_coverage": 0.0, "rules": [], "quarter_turns": 0, "words": [WORD]}


@pytest.fixture
def lied_to(tmp_path):
    """A renderer whose children answer with what they were told to."""

    def start(*answers, **limits):
        script = tmp_path / "answers.json"
        script.write_text(json.dumps(answers))
        command = (sys.executable, "-c", LIAR, "{fd}", str(script))
        return SandboxRenderer(SandboxConfig(children=1, **(kit.PATIENT | limits)), command=command)

    return start


@pytest.mark.parametrize(
    "page",
    [
        [{"status": 0, "width": 10, "height": 10}, 299],
        [{"status": 0, "width": 10**9, "height": 10**9}, 300],
        [{"status": 0, "width": -10, "height": -10}, 300],
        [{"status": 0, "width": 10.0, "height": 10}, 300],
        [{"status": 0, "width": True, "height": 300}, 900],
        [{"status": 0}, 300],
        [{"status": 99}, 0],
        [{"status": "ok"}, 0],
        ['{"status": NaN}', 0],
        ["[" * 100_000, 0],
        ["not json", 0],
        ["[]", 0],
    ],
)
def test_lies_about_a_page_are_a_crash(lied_to, good, page):
    """Whatever a child answers, it is our error or a checked image; nothing else comes through."""
    with lied_to(OPENED, [page]) as renderer:
        assert kit.code_of(lambda: renderer.render(good, PDF, 1, None)) == "render_crash"


@pytest.mark.parametrize(
    "reply",
    [
        {"status": 0, "pages": 0, "sizes": []},
        {"status": 0, "pages": 10**9, "sizes": []},
        {"status": 0, "pages": 2, "sizes": [[1, 1]]},
        {"status": 0, "pages": 1, "sizes": [[1]]},
        {"status": 0, "pages": 1, "sizes": [["a", "b"]]},
        {"status": 0, "pages": 1},
    ],
)
def test_lies_about_a_split_are_a_crash(lied_to, good, reply):
    """The page count and the sizes must agree and be numbers."""
    with lied_to([[reply, 0]]) as renderer:
        assert kit.code_of(lambda: renderer.split(good, PDF, None)) == "render_crash"


def test_insane_sizes_are_replaced(lied_to, good):
    """A page without a sensible size is shown as A4 rather than losing the document."""
    with lied_to([[{"status": 0, "pages": 2, "sizes": [[-1, 5], [1e300, 1]]}, 0]]) as renderer:
        assert {(size.width, size.height) for size in renderer.split(good, PDF, None)} == {(595, 842)}


@pytest.mark.parametrize(
    "change",
    [
        {"words": [WORD] * 20_001},
        {"words": [["x" * 201, *WORD[1:]]]},
        {"words": [[*WORD[:5], 1.5, *WORD[6:]]]},
        {"words": [["word"]]},
        {"words": [[*WORD[:9], 4, WORD[10]]]},
        {"words": "word"},
        {"words": [["word", None, *WORD[2:]]]},
        {"rules": [[0.0, 0.0]]},
        {"unmapped": "all"},
        {"quarter_turns": 4},
    ],
)
def test_lies_about_words_cost_the_text_layer_only(lied_to, good, change):
    """The pixels were good and checked: the page stays, without words."""
    with lied_to(OPENED, [PAGE, [{"status": 0, "text": LAYER | change}, 0]]) as renderer:
        page = renderer.render(good, PDF, 1, None, text_layer=True)
        assert page.image.size == (10, 10)
        assert page.text_layer is None


def test_words_are_cleaned(lied_to, good):
    """Control and direction characters go, boxes are clamped to the page."""
    words = [["a\u202eb\x07", -5.0, 0.5, 7.0, 0.4, 0, 0, 1e9, 1, 3, 0], ["\x01\x02", *WORD[1:]]]
    with lied_to(OPENED, [PAGE, [{"status": 0, "text": LAYER | {"words": words}}, 0]]) as renderer:
        (word,) = renderer.render(good, PDF, 1, None, text_layer=True).text_layer.words
        assert word.text == "ab"
        assert (word.box.x0, word.box.y0, word.box.x1, word.box.y1) == (0, 0.4, 1, 0.5)
        assert word.size <= 10_000
        assert word.turn == 270


def test_a_text_layer_that_never_comes_is_done_without(lied_to, good):
    """A child that dies or hangs over the words leaves the page its pixels."""
    with lied_to(OPENED, [PAGE], text_timeout_s=1) as renderer:
        page = renderer.render(good, PDF, 1, None, text_layer=True)
        assert page.image.size == (10, 10)
        assert page.text_layer is None


@pytest.mark.timeout(120)
def test_a_child_that_cannot_say_what_protects_it_is_not_used(tmp_path, good):
    """And takes no place: who asks again is told the same, and does not wait for ever."""
    command = (sys.executable, "-c", LIAR.replace('"protections"', '"protection"'), "{fd}", str(tmp_path))
    with SandboxRenderer(SandboxConfig(children=1, **kit.PATIENT), command=command) as renderer:
        for _ in range(3):
            with pytest.raises(Unavailable, match="cannot be started"):
                renderer.render(good, PDF, 1, None)


def test_unknown_protections_are_not_believed(lied_to):
    """Only names that we know are reported."""
    with lied_to() as renderer:
        assert renderer.protections() == ("system_calls",)
