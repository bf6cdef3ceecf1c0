"""Which words the page marks for a query, in Chromium: by the rules of the service's search."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from index.matching import matcher_of
from index.query import analyse
from index.words import STOPWORDS, fold, stem
from tests.browser_kit import Tab

pytest_plugins = ("tests.browser_fixtures",)
pytestmark = pytest.mark.browser

DOCS = Path(__file__).parent.parent / "docs"
FIND = """
async (asked) => {
  const { findSpans, tokenize } = await import('/web/highlight.js');
  return asked.map(([query, text]) => findSpans(query, text, tokenize(text)));
}
"""
MARKED = [
    ("quay", "The Quay, and quays.", ["Quay,", "quays."]),
    ("harbour master", "The harbor-master; the harhour maste", ["harbor-master;", "harhour"]),
    ("harbour master", "The harhour maste", ["harhour", "maste"]),
    ("who is the master?", "He is the master who", ["master"]),
    ('"north quay"', "north quay, south quay", ["north quay,"]),
    ('"north quay"', "the quay in the north", ["quay", "north"]),
    ('"Grosse Fahrlässigkeit"', "große Fahrlassigkeit, Fahrlässigkeit", ["große Fahrlassigkeit,"]),
    ("«grosses réparations»", "Les grosses réparations, les réparations", ["grosses réparations,"]),
    ('"north harbour"', "the north harhour, a harbour", ["north harhour,"]),
    ("INV-2024-0117", "lNV-2O24-0ll7. INV-2024-0118", ["lNV-2O24-0ll7."]),
    ("1927", "1928 and 1927", ["1927"]),
    ("Zürich", "Zurich ZÜRICH", ["Zurich", "ZÜRICH"]),
    ("the", "the end", ["the"]),
    ("cat", "car cats", ["cats"]),
    ("合同编号", "本合同编号：HB-07。编号", ["合同编号", "编号"]),
    ('"合同编号" HB-07', "本合同\n编号： HB-07 编号", ["合同\n编号", "HB-07"]),
    ("委员会 quay", "港口委员会 the quay", ["委员会", "quay"]),
]


def test_words_of_a_query_on_a_page(tab: Tab):
    """Same word or stem counts, and misread by a letter what is not there else; numbers must agree; a phrase stands
    together.
    """
    spans = tab.goto().evaluate(FIND, [[query, text] for query, text, _ in MARKED])
    assert [[text[a:b] for a, b in here] for (_, text, _), here in zip(MARKED, spans, strict=True)] == [
        found for _, _, found in MARKED
    ]


AS_SEARCH_MARKS = [
    ("Grosse Petersgrube", "Haus Große Petersgrube 11, große Gruben"),
    ("Weissmueller", "Herrn Jürgen Weißmüller"),
    ("hand hygeine", "Hand hygiene on nine wards, hands"),
    ("party policies", "The parties: a policy, no part of it"),
    ("running studies", "A study that runs, the runner studied"),
    ("Welche Mietverhältnisse wurden gekündigt?", "Das Mietverhältnis wurde gekündigt. Welche Miete?"),
    ("À quoi la patiente est-elle allergique ?", "Allergie : la patiente est allergique. Qui est malade ?"),
    ("le prix d'un ascenseur", "Le prix de l’ascenseur ; un ascenseur ; des ascenseurs"),
    ("who gave the boat to whom", "He gave the boat to his sister; a bout; whom"),
    ("modern comer", "rnodern corner, modem, comer"),
    ("ΟΔΟΣ", "οδός, οδοσ"),
    ("Oeuvres de Łódź", "les œuvres, l'œuvre; Lodz, ŁÓDŹ"),
    ("合同编号 北码头", "港口会议：合同编号 HB-07，修理北码头。编号"),
    ("第3章", "第3章 北码头 第4章"),
    ("Weg über die Brücke für Wagen", "Der Weg über die Brücke ist für Wagen"),
]


def test_what_search_marks_is_marked_on_the_page(tab: Tab):
    """A list of results and an opened page agree on which words are the query's, in three languages."""
    spans = tab.goto().evaluate(FIND, AS_SEARCH_MARKS)
    for (query, text), here in zip(AS_SEARCH_MARKS, spans, strict=True):
        there = [(match.start, match.end) for match in matcher_of(analyse(query)).find(text).matches]
        words = [match.span() for match in re.finditer(r"\S+", text)]  # as readers give them

        def touched(marks: list[tuple[int, int]], words: list[tuple[int, int]] = words, text: str = text) -> list[str]:
            return [text[a:b] for a, b in words if any(a < end and start < b for start, end in marks)]

        assert touched(here) == touched(there) != [], query


def test_stems_are_those_of_search(tab: Tab):
    """Words whose ends follow many rules, and those of our documentation, have the stem that the index gives them."""
    ends = ["", *re.findall(r"\S+", "s es ed ing ly ies ied ational fulness ization ousness biliti alism entli iviti")]
    ends += re.findall(r"\S+", "ator izer logi ogist ative alize icate iciti ical ness ful ement ance able ment ion")
    begins = re.findall(r"\S+", "hop hopp rat roll by cry d odd add egg inn even gener commun past univers sk skies y")
    begins += re.findall(r"\S+", "news gentl earl onl controll conform electr decis theolog adjust youth ski")
    words = {begin + end + more for begin in begins for end in ends for more in ("", "ly", "s", "'s")}
    for path in DOCS.glob("*.md"):
        words |= {fold(word) for word in re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", path.read_text("utf-8"))}
    asked = sorted(words)
    stems = "async (list) => { const { stem } = await import('/web/stem.js'); return list.map(stem); }"
    told = tab.goto().evaluate(stems, asked)
    assert [(word, one) for word, one in zip(asked, told, strict=True) if one != stem(word)] == []


def test_words_that_say_nothing_are_those_of_search(tab: Tab):
    """Of a query's words the page marks those that search looks for, and no stop word."""
    query = " ".join([*sorted(STOPWORDS), "granite"])
    asks = "async (query) => (await import('/web/highlight.js')).parseQuery(query).words"
    assert set(tab.goto().evaluate(asks, query)) == {fold(word) for word in query.split()} - STOPWORDS
