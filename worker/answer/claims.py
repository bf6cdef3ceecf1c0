"""A model's reply to claims that hold: each with quotes that really stand in the excerpts that it was given.

The reply is untrusted text. It is JSON as the prompt asks for, or, from models that cannot, prose with markers like
`[2]` (`markers`). A quote that stands nowhere in the excerpt it names is dropped, a claim without any left is dropped.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from index.payload import storable
from index.sentences import sentence_spans
from index.words import STOPWORDS, tokens
from worker.answer import markers
from worker.answer.excerpts import Excerpt

MAX_CLAIMS = 12
_MAX_CLAIM = 2000
_MAX_SOURCES = 4
_NEAR = 90.0
"""Per cent of characters in order that a quote must share with the page: a model mends hyphens and misread letters."""
_LEAST_FUZZY = 12
"""Shorter quotes must agree exactly: anything short is near to something."""
_MOST_FUZZY = 1000
"""Longer ones must as well: the time of comparing grows with the square of the length."""
_LEAST_SHARED = 60.0
"""Per cent of a marked sentence's words that its source must hold, where the model gave no quote."""
_NEGATIONS = frozenset({"no", "not", "none", "never", "nobody", "nothing"})
"""Words that say little of what a page is about, and all of an answer."""
_CLAIMS = re.compile(r"\"claims\"\s*:\s*\[")
_NOTHING = re.compile(r"\"found\"\s*:\s*false")
_DECODER = json.JSONDecoder(strict=False)  # models leave the ends of lines in quotes as they stand on the page
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)\w*[ \t]*$", re.MULTILINE)
_WRITTEN = re.compile(r"(?:excerpt )?\[?([0-9]{1,3})\]?", re.IGNORECASE)
_ELLIPSIS = re.compile(r"[\[(]?(?:\u2026|\.{3}|\. \. \.)[\])]?")
_LEFT_OUT = 400
"""Characters that a quote may leave out in one place: what it leaves out is cited with it."""
_MOST_PARTS = 6
_ABRIDGED = 0.9
"""Quality of such a quote: the model chose what to leave out."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_DIGITS = re.compile(r"\d+")
_FIGURE_BEFORE = re.compile(r"\d[\d.,]*\Z")
_FIGURE_BEHIND = re.compile(r"[.,]?\d(?:[.,]?\d)*")
_LONG_FIGURE = 32
_DECIMAL = re.compile(r"\d+[.,]\d{1,2}")
_GROUPED = re.compile(r"\d{1,3}(?:[.,]\d{3})+(?:[.,]\d+)?")


@dataclass(frozen=True, slots=True)
class Source:
    """`start`, `end` is a span in the page's text; `quality` 0..1 how exactly the model quoted it."""

    excerpt: int
    start: int
    end: int
    quality: float


@dataclass(frozen=True, slots=True)
class Claim:
    text: str
    sources: tuple[Source, ...]


class ClaimReader:
    """Reads a reply as it comes, and gives each claim that holds as soon as it is complete."""

    def __init__(self, excerpts: Sequence[Excerpt], question: str) -> None:
        self._excerpts = excerpts
        self._question = question
        self._text = ""
        self._list = 0  # where the list of claims begins
        self._at = -1  # where the next claim may begin; -1 before that list, -2 when there will be none
        self._stated = 0
        self._held: set[str] = set()

    def feed(self, piece: str) -> list[Claim]:
        """Claims that this piece completes."""
        self._text += storable(piece)
        if self._at == -1 and (begun := _CLAIMS.search(self._text)):
            self._at = -2 if _NOTHING.search(self._text, 0, begun.start()) else begun.end()
            self._list = begun.end() - 1
        claims: list[Claim] = []
        while self._at >= 0 and "}" in piece:
            start = self._text.find("{", self._at)
            if start < 0 or self._text[self._at : start].strip(" \t\r\n,"):
                break
            try:
                given, self._at = _DECODER.raw_decode(self._text, start)
            except (ValueError, RecursionError):
                break
            claims += self._checked(_from_json({"claims": [given]}))
        return claims

    @property
    def cut(self) -> bool:
        """Whether what was fed ends within the list of claims: what would follow is not there, whatever the server says
        of its end. A list that is damaged elsewhere is not cut.
        """
        if self._at < 0:
            return False
        try:
            _DECODER.raw_decode(self._text, self._list)
        except json.JSONDecodeError as error:
            return error.msg.startswith("Unterminated string") or error.pos >= len(self._text.rstrip())
        except (ValueError, RecursionError):
            pass
        return False

    def end(self) -> list[Claim]:
        """What is left once the reply is whole: all of it where it is prose, or JSON in another order."""
        if self._stated:
            return []
        return self._checked(_stated(self._text))

    def _checked(self, stated: Sequence[tuple[str, list[tuple[int, str]]]]) -> list[Claim]:
        claims = []
        for text, named in stated:
            self._stated += 1
            if self._stated > MAX_CLAIMS:
                break
            claim = _check(text, named, self._excerpts, self._question)
            if claim is not None and claim.text not in self._held:  # a model in a loop says the same again and again
                self._held.add(claim.text)
                claims.append(claim)
        return claims


def claims_of(reply: str, excerpts: Sequence[Excerpt], question: str) -> list[Claim]:
    """The claims of a whole reply that hold, in its order; empty where it has none, or says that nothing was found."""
    reader = ClaimReader(excerpts, question)
    return reader.feed(reply) + reader.end()


def _check(text: str, named: Sequence[tuple[int, str]], excerpts: Sequence[Excerpt], question: str) -> Claim | None:
    sources, plain = [], markers.unmarked(text)
    for number, quote in named[:_MAX_SOURCES]:
        if 1 <= number <= len(excerpts) and (not quote.strip() or _says_something(quote)):
            found = _locate(quote, excerpts[number - 1], plain) or _abridged(quote, excerpts[number - 1])
            if found is not None:
                sources.append(Source(number - 1, *found))
    shown = [excerpts[source.excerpt] for source in sources]
    text = markers.unmarked(text, _own_of(sources, excerpts))[:_MAX_CLAIM].strip().lstrip(": ")  # "[^1]: He was paid …"
    said = markers.without_places(text, {one.page for one in shown}, len(excerpts))
    if not text or not sources or not figures_hold(said, question, [one.text for one in shown]):
        return None
    return Claim(text, tuple(dict.fromkeys(sources)))


def _own_of(sources: Sequence[Source], excerpts: Sequence[Excerpt]) -> Callable[[str, list[int], bool], bool]:
    """Whether figures in brackets are the text's own: no excerpt has their number, and they stand on the page, in
    brackets there too or as figures that the sentence needs.
    """
    told = " ".join(excerpts[source.excerpt].text for source in sources)
    figures = {int(digits) for digits in _DIGITS.findall(told) if len(digits) < _LONG_FIGURE}

    def is_own(marker: str, numbers: list[int], goes_on: bool) -> bool:
        if not numbers or min(numbers) <= len(excerpts):
            return False
        return marker in told or (goes_on and figures.issuperset(numbers))

    return is_own


def _stated(reply: str) -> list[tuple[str, list[tuple[int, str]]]]:
    """(claim, [(excerpt number, quote)]) as the reply states them, nothing checked yet."""
    body = reply[: 1 << 18].strip()
    start, stop = body.find("{"), body.rfind("}")
    if 0 <= start < stop:
        try:
            given = json.loads(body[start : stop + 1], strict=False)
        except (ValueError, RecursionError):
            given = None
        if isinstance(given, dict):
            return _from_json(given)
    return _from_prose(body)


def _from_json(given: dict[str, object]) -> list[tuple[str, list[tuple[int, str]]]]:
    claims = given.get("claims", given)
    claims = [claims] if isinstance(claims, dict) else claims  # small models leave the brackets out
    if given.get("found") is False or not isinstance(claims, list):
        return []
    stated = []
    for claim in claims:
        if not isinstance(claim, dict) or not isinstance(claim.get("text"), str):
            continue
        sources = claim.get("sources")
        named = [one for source in (sources if isinstance(sources, list) else (sources,)) for one in _named(source)]
        # JSON can bring half of a surrogate pair, which no answer can carry.
        stated.append((storable(claim["text"][: 2 * _MAX_CLAIM]), named))
    return stated


def _named(source: object) -> list[tuple[int, str]]:
    """(excerpt number, quote) of one source, which may have several quotes, or be the number alone."""
    given = source if isinstance(source, dict) else {"excerpt": source}
    number = _number(given.get("excerpt"))
    quotes = given.get("quote")
    told = [quote for quote in (quotes if isinstance(quotes, list) else [quotes]) if isinstance(quote, str)]
    return [(number, quote) for quote in told or [""]] if number is not None else []


def _number(given: object) -> int | None:
    """An excerpt's number, which small models put into quotes or brackets, or write as 1.0."""
    if isinstance(given, list) and len(given) == 1:
        given = given[0]
    if isinstance(given, str) and (digits := _WRITTEN.fullmatch(given.strip())):
        return int(digits[1])
    if isinstance(given, float) and given.is_integer():
        return int(given)
    return given if type(given) is int else None


def _from_prose(body: str) -> list[tuple[str, list[tuple[int, str]]]]:
    stated = []
    body = markers.stops_last(markers.unlisted(_FENCE.sub("", body)))
    for start, end in sentence_spans(body):
        sentence = body[start:end]
        named = [(number, "") for number in markers.told(sentence)]
        if named:
            stated.append((sentence[: 2 * _MAX_CLAIM], named))
    return stated


def _abridged(quote: str, excerpt: Excerpt) -> tuple[int, int, float] | None:
    """Where a quote with "…" stands, from its first part to its last, as in `_locate`; None where a part stands nowhere
    behind the one before it. So what the model left out is cited, too: it may be a "not".
    """
    parts = [part for part in _ELLIPSIS.split(quote) if part.strip()]
    if not 2 <= len(parts) <= _MOST_PARTS or not all(map(_says_something, parts)):
        return None
    start, at = None, 0
    for part in parts:
        rest = Excerpt(excerpt.place, excerpt.start + at, excerpt.end, excerpt.text[at:])
        found = _locate(part, rest, "")
        if found is None or (start is not None and found[0] - excerpt.start - at > _LEFT_OUT):
            return None
        start, at = found[0] if start is None else start, found[1] - excerpt.start
    return (start, excerpt.start + at, _ABRIDGED) if start is not None else None


def _locate(quote: str, excerpt: Excerpt, claim: str) -> tuple[int, int, float] | None:
    """Where the quote stands, as (start, end, quality) in the page's text, whole words; None where it does not."""
    if not quote.strip():
        return _likeliest(claim, excerpt)
    flat, places = _flat(excerpt.text)
    wanted, _ = _flat(quote)
    if not wanted:
        return None
    at = _exactly(wanted, flat)
    whole = next((a for a in at if not _cuts_figure(excerpt.text, places[a], places[a + len(wanted) - 1] + 1)), None)
    if whole is not None:
        first, last, quality = whole, whole + len(wanted), 1.0
    elif at:
        return None
    else:
        if not _LEAST_FUZZY <= len(wanted) <= min(len(flat), _MOST_FUZZY):
            return None
        best = fuzz.partial_ratio_alignment(wanted, flat, score_cutoff=_NEAR)
        if best is None or best.dest_end <= best.dest_start:
            return None
        # Figures are what a slip of one letter matters in.
        if sorted(_NUMBER.findall(wanted)) != sorted(_NUMBER.findall(flat[best.dest_start : best.dest_end])):
            return None
        first, last, quality = best.dest_start, best.dest_end, best.score / 100
    start, end = places[first], places[last - 1] + 1
    text = excerpt.text
    if _cuts_figure(text, start, end):
        return None
    while start > 0 and _of_word(text[start - 1]) and _of_word(text[start]):
        start -= 1
    while end < len(text) and _of_word(text[end]) and _of_word(text[end - 1]):
        end += 1
    return excerpt.start + start, excerpt.start + end, quality


def _exactly(wanted: str, flat: str) -> list[int]:
    """Where it stands letter by letter, whole words first: "42" is not quoted from a 1942 that stands before it."""
    wanted = re.escape(wanted)
    return [m.start() for one in (rf"(?<!\S){wanted}(?!\S)", wanted) for m in re.finditer(one, flat)]


def _cuts_figure(text: str, start: int, end: int) -> bool:
    """Whether a span begins or ends within a figure: "200 pounds" is no quote of "1,200 pounds", nor "4" of 4.50."""
    for at in (start, end):
        before = _FIGURE_BEFORE.search(text[max(0, at - _LONG_FIGURE) : at])
        behind = _FIGURE_BEHIND.match(text, at, at + _LONG_FIGURE)
        if before is None or behind is None:
            continue
        cut = before.group() + behind.group()
        if before.group()[-1].isdigit() and behind.group()[0].isdigit():
            return True
        # Days of a date and steps of a section's number say something by themselves.
        if _GROUPED.fullmatch(cut) or _DECIMAL.fullmatch(cut):
            return True
    return False


def _says_something(quote: str) -> bool:
    """Whether a quote could show anything: "the" stands on every page, and so does a letter of a word."""
    words = [token.form for token in tokens(quote)]
    return any(len(word) > 1 or not word.isascii() or word.isdigit() for word in words if _tells(word))


def _tells(word: str) -> bool:
    return word not in STOPWORDS or word in _NEGATIONS


def _of_word(character: str) -> bool:
    """A letter, a digit, or a mark on one: vowel signs of Indic scripts, points of Hebrew and Arabic, accents apart."""
    return character.isalnum() or unicodedata.category(character).startswith("M")


def stands_in(quote: str, text: str) -> bool:
    """Whether a text says the quote: letter by letter, or nearly so but with the same figures."""
    return bool(quote.strip()) and _locate(quote, Excerpt(0, 0, len(text), text), "") is not None


def _likeliest(claim: str, excerpt: Excerpt) -> tuple[int, int, float] | None:
    """The sentence of the excerpt that shares most words with the claim."""
    best = None
    for start, end in sentence_spans(excerpt.text):
        shared = fuzz.token_set_ratio(claim.casefold(), excerpt.text[start:end].casefold())
        if shared >= _LEAST_SHARED and (best is None or shared / 100 > best[2]):
            best = (excerpt.start + start, excerpt.start + end, shared / 100)
    return best


def figures_hold(claim: str, question: str, texts: Sequence[str]) -> bool:
    """Whether every figure of the claim stands in its sources or in the question: an invented number is the worst
    mistake that an answer from records can make.
    """
    told = (question, *texts)
    known = {_figure(n) for text in told for n in _NUMBER.findall(text)}
    # "2.3.1954" may be retold as "2 March 1954"; "1,200" vouches for no 200.
    apart = [n for text in told for n in _NUMBER.findall(text) if not _GROUPED.fullmatch(n)]
    known |= {_figure(digits) for number in apart for digits in _DIGITS.findall(number)}
    return all(_figure(n) in known for n in _NUMBER.findall(claim))


def _figure(number: str) -> str:
    """`1,200.50` and `1200.50` are one figure, and so are `03` and `3`."""
    return re.sub(r"[.,](?=\d{3}(?:\D|$))", "", number).replace(",", ".").lstrip("0") or "0"


def _flat(text: str) -> tuple[str, list[int]]:
    """Letters and digits in lower case with single spaces, and where each character stood."""
    letters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        if character.isalnum():
            for part in character.casefold():
                letters.append(part)
                places.append(place)
        elif letters and letters[-1] != " " and character not in "'’\u00ad":
            letters.append(" ")
            places.append(place)
    while letters and letters[-1] == " ":
        letters.pop()
        places.pop()
    return "".join(letters), places
