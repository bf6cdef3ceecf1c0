"""Sentences of a page as character spans.

`sentence_spans(text)` returns half-open spans in reading order that do not overlap, have no
space at either end and together hold everything that is not white space. Headings, list
items and table rows are sentences of their own; the lines of a paragraph are read as one
flowing text, except where a line stands apart: a title in capitals, a salutation, a line
that ends although the next word had room on it (a letterhead, an address, a caption), an
entry of a list whose lines begin with numbers (an inventory, a bill, a recipe).
Rules of a table (`|---|---|`) and horizontal rules belong to no sentence.

Knows no language model: it looks at marks, case, digits and a short list of abbreviations,
and where it is unsure it does not cut, because a sentence too long is still quoted right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from index.words import STOPWORDS, fold

_ABBREVIATIONS_TEXT = (
    # English
    "mr mrs ms messrs dr prof rev hon capt col gen lt maj sgt sr jr st no nos vol vols p pp fig figs eq sec ch art "
    "ed eds esp est etc inc ltd co corp dept approx ca cf viz vs al e.g i.e a.m p.m jan feb mar apr jun jul aug sep "
    "sept oct nov dec mon tue wed thu fri sat sun ave blvd rd sq tel ext ref refs encl op cit ibid bros gov sen rep "
    "acct amt incl excl qty max min par para cl reg wm thos chas jas geo robt alex benj edw jos saml esq supt asst "
    "attn secy treas inst ult prox mt lieut sergt corpl cpl pte brig cdr comdr rt ven "
    # German
    "geb gest nr str bzw ca z.b d.h u.a usw abs bd hrsg jg s vgl inkl exkl zzgl evtl ggf sog u.s.w "
    # French
    "m mm mme mlle mmes av bd env p.ex chap n° éd"
)
_ABBREVIATIONS = frozenset(_ABBREVIATIONS_TEXT.split())
_WORDS_TOO = frozenset({"brig", "sat", "sun", "wed"})
"""Abbreviations that in small letters are words, which end a sentence: "She towed the brig. Captain Holm ..."."""
_MONTHS_TEXT = (
    "january february march april may june july august september october november december januar februar märz april "
    "mai juni juli oktober dezember janvier février mars avril juin juillet août septembre octobre novembre "
    "décembre"
)
_MONTHS = frozenset(_MONTHS_TEXT.split())
_BLOCK_LINE = re.compile(r"\s*(?:#{1,6}\s|[-*+•]\s|\d{1,3}[.)]\s|\|)")
_RULE_LINE = re.compile(r"[\s|:\-=_*]+")
_END = re.compile(
    r"[.!?…]++[\"'”’»)\]]*+(?=\s)|[。！？｡]+[」』”’）]*"
    # Readers lose spaces: "for life.It was" is two sentences, "www.harbour.org" and "p.m.Then" are left alone.
    r"|(?<=[a-zà-ÿ]{3})[.!?]{1,3}(?=[A-ZÀ-Þ][a-zà-ÿ]*\s)"
)
_MARK = re.compile(r"[.!?…]+|[。！？｡]")
"""What an end begins with. Looked for by itself, because a pattern with alternatives is tried at every character. Marks
in a row whole: they end a sentence together or not at all, and a page may have a thousand dots in a row.
"""
_LETTERS = re.compile(r"(?:\w\.)+\w")
_OLD_MONEY = re.compile(r"£?\d+[sl]")
"""Shillings and pounds before pence: "14s. 6d.", "3l. 4s. 0d."."""
_UNITS_TEXT = "lb lbs oz dwt cwt qr qrs ft yd yds gal gals qts pts bu pk doz grs gm gms kg km cm mm hr hrs"
_UNITS = frozenset(_UNITS_TEXT.split())
"""What is counted, before what is left over: "3 lb. 6 oz.", "12 ft. 4 in."."""
_SALUTATION = re.compile(
    r"(?:my )?(?:dear|sirs?|madam|gentlemen|sehr geehrte\w*|liebe[rs]?|monsieur|madame|cher|chère)\b"
    r"(?:.{0,60}[,:!]|\s\w+)?",
    re.IGNORECASE,
)
_ROOM = 0.85
"""A line ends early when it and the next word would fill at most this share of the paragraph's longest line."""
_NEXT = re.compile(r"\s*([\"'“‘«(\[]*)(\w*)", re.UNICODE)


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Spans `[start, end)` of all sentences of a Markdown page."""
    spans: list[tuple[int, int]] = []
    for start, end, flowing in _blocks(text):
        if flowing:
            spans.extend(_split_flow(text, start, end))
        else:
            spans.append((start, end))
    return spans


def is_table_row(text: str, start: int, end: int) -> bool:
    """Whether a sentence span is a row of a Markdown table."""
    return text.startswith("|", start) and text.endswith("|", start, end) and end - start > 1


def _blocks(text: str) -> list[tuple[int, int, bool]]:
    """Trimmed (start, end, is flowing text): runs of paragraph lines, and each special line alone."""
    blocks: list[tuple[int, int, bool]] = []
    flow: list[tuple[int, int]] = []
    position = 0
    for line in text.splitlines(keepends=True):
        stripped = line.strip()
        start = position + (len(line) - len(line.lstrip()))
        end = start + len(stripped)
        position += len(line)
        special = bool(stripped) and (_BLOCK_LINE.match(line) is not None or _RULE_LINE.fullmatch(stripped) is not None)
        if stripped and not special:
            flow.append((start, end))
            continue
        blocks += _flows(text, flow)
        flow = []
        if special and not _RULE_LINE.fullmatch(stripped):
            # A heading is quoted whole; a list item may hold several sentences.
            blocks.append((start, end, not stripped.startswith(("#", "|"))))
    return blocks + _flows(text, flow)


def _flows(text: str, lines: list[tuple[int, int]]) -> list[tuple[int, int, bool]]:
    """The lines of a paragraph as runs that are read as one; the next run begins after a line that stands apart."""
    longest = max((end - start for start, end in lines), default=0)
    counted = _counts(text, lines)
    flows: list[tuple[int, int, bool]] = []
    begin = 0
    for number, (start, end) in enumerate(lines, 1):
        if (
            number == len(lines)
            or (counted and text[lines[number][0]].isdigit() and not _goes_on(text[start:end]))
            or _stands_apart(text[start:end], text[slice(*lines[number])], longest)
        ):
            flows.append((lines[begin][0], end, True))
            begin = number
    return flows


def _counts(text: str, lines: list[tuple[int, int]]) -> bool:
    """Whether the lines are entries that begin with how many: chance puts no figure before most lines."""
    figures = sum(text[start].isdigit() for start, _ in lines)
    return figures >= 3 and figures * 3 >= 2 * len(lines)


def _stands_apart(line: str, following: str, longest: int) -> bool:
    """Whether a line is no part of the sentence that the next line begins or goes on with."""
    word = _NEXT.match(following)
    first = word.group(2) if word else ""
    if not first or not (first[0].isupper() or first[0].isdigit()):
        return False
    if _SALUTATION.fullmatch(line):
        return True
    if line[-1] in ",;-–—&(/" or _goes_on(line):
        return False
    if line.isupper() and not following.isupper():
        return True
    return len(line) + 1 + len(following.split(maxsplit=1)[0]) <= _ROOM * longest


def _goes_on(line: str) -> bool:
    """Whether no sentence ends with the line's last word: there is none, or it is one like "of", or "Mr."."""
    last = _without_marks(line).rsplit(maxsplit=1)[-1:]
    return not last or fold(last[0]) in STOPWORDS or (last[0].lower() in _ABBREVIATIONS and line.endswith("."))


def _without_marks(line: str) -> str:
    """The line up to its last letter or digit. By hand: a pattern tries a row of dots from each of them anew."""
    end = len(line)
    while end and not (line[end - 1].isalnum() or line[end - 1] in "_'’"):
        end -= 1
    return line[:end]


def _split_flow(text: str, start: int, end: int) -> list[tuple[int, int]]:
    spans = []
    begin = start
    for mark in _ends(text, start, end):
        if mark.end() >= end or not _is_boundary(text, begin, mark):
            continue
        spans.append((begin, mark.end()))
        begin = mark.end()
        while begin < end and text[begin].isspace():
            begin += 1
    if begin < end:
        spans.append((begin, end))
    return spans


def _ends(text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    at = start
    while (found := _MARK.search(text, at, end)) is not None:
        mark = _END.match(text, found.start(), end)
        if mark is not None:
            yield mark
        at = mark.end() if mark is not None else found.end()


def _is_boundary(text: str, begin: int, mark: re.Match[str]) -> bool:
    if mark.group()[0] in "。！？｡":
        return True
    following = _NEXT.match(text, mark.end())
    opening, word = (following.group(1), following.group(2)) if following else ("", "")
    if word and word[0].islower():
        return False
    if mark.group()[0] != ".":
        return True
    before = text[max(begin, mark.start() - 40) : mark.start()].split()
    last = before[-1].lstrip("\"'“‘«([*_") if before and not text[mark.start() - 1].isspace() else ""
    if not last:
        return bool(word) or bool(opening)
    if last in _WORDS_TOO:
        return word[:1].isalpha()
    last = last.lower()
    if last in _ABBREVIATIONS:
        # "etc." and "Ltd." do end sentences; "No." and "Mr." before a number or a name do not.
        if last in {"co", "corp"} and word.lower() in {"ltd", "limited", "inc", "llc", "plc"}:
            return False
        return last in {"etc", "inc", "ltd", "co", "corp", "usw", "a.m", "p.m"} and bool(word) and word[0].isupper()
    if len(last) == 1 and last.isalpha():  # an initial: "J. Smith"
        return False
    if _LETTERS.fullmatch(last):  # "U.S", "i.e"
        return False
    if word[:1].isdigit() and (last in _UNITS or _OLD_MONEY.fullmatch(last)):
        return False
    if last.isdigit() and len(last) <= 3:  # "12. März", or a numbered item inside a line
        at_line_start = text[begin : mark.start()].strip() == last
        return not (at_line_start or word.lower() in _MONTHS)
    return True
