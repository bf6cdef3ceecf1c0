"""Numbered parts of documents: "clause 4.3(b)", "§ 12", "Article VII", "page 14".

`parts_named` finds such references in what a person asks; `part_spans` finds where a page *has* the part: its label at
the beginning of a line, by itself ("4.3 The Tenant ..."), with a word before it ("Article 7. Removal"), or in steps
("4.3 ..." and below it "(b) ..."). A place that only refers to the part ("subject to clause 4.3(b)") is none. Pure
functions; they know no store, and what a part says they do not know either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from index.dates import dates_named, days_named
from index.flat import flat
from index.sentences import sentence_spans
from index.words import STOPWORDS, fold

_NAMES = {  # one name for what different people call the same; all of them stand before a number
    "article": "article articles art artikel artikels articolo",
    "clause": "clause clauses cl klausel",
    "§": "§",
    "section": "section sections sec sect abschnitt",
    "paragraph": "paragraph paragraphs para paras paragraf paragraphe ziffer absatz abs alinéa",
    "rule": "rule rules regel règle",
    "regulation": "regulation regulations reg",
    "chapter": "chapter chapters chap kapitel chapitre",
    "schedule": "schedule schedules",
    "annex": "annex annexe annexes appendix appendices anhang anlage exhibit",
    "item": "item items point punkt minute",
    "resolution": "resolution resolutions beschluss résolution",
    "recital": "recital recitals",
    "bylaw": "bylaw bylaws by-law",
    "condition": "condition conditions bedingung",
    "recommendation": "recommendation recommendations empfehlung recommandation",
    "note": "note notes anmerkung",
    "step": "step steps schritt étape",
    "page": "page pages p pp seite s",
}
_KIND = {fold(form): kind for kind, forms in _NAMES.items() for form in forms.split()}
_LETTERED = frozenset({"annex", "schedule"})
"""Parts that may be numbered with a capital letter: "Annex B"."""
_COMMON = frozenset({"condition", "recommendation", "note", "step"})
"""Words of every day, which name a part in fewer places: not "credit note 88", "good condition 12 May", "note 1902"."""
_ASKING_TEXT = "show quote read see find give cite explain say says meet breach discharge per vide siehe voir"
_ASKING = frozenset(_ASKING_TEXT.split())
PAGE = "page"
_SAME = frozenset({"§", "section", "paragraph"})
"""What the sign is read as; in German a paragraph."""

_SAME_LEVEL = dict.fromkeys(_SAME, "§")

_ROMAN = r"(?=[IVXLC])(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
_STEPS = r"(?:\.\d{1,3}[a-z]?)*(?:[ ]?\((?:[a-z]{1,4}|\d{1,3})\))*"
_NUMBER = rf"\d{{1,4}}[a-z]?{_STEPS}"
_FORMS = {form for forms in _NAMES.values() for form in forms.split() if form != "§"}
_WORDS = "|".join(sorted(map(re.escape, _FORMS), key=lambda form: (-len(form), form)))
_REFERENCE = re.compile(
    rf"(?:\b(?P<word>{_WORDS})\.?\s*|(?P<par>§{{1,2}})\s*)"
    rf"(?P<number>{_NUMBER}|(?-i:{_ROMAN})|(?-i:[A-Z]))(?![\w%]|[.,/:-]\d)",
    re.IGNORECASE,
)
_BARE = re.compile(r"(?<![\w.§])\d{1,3}(?:\.\d{1,3})*(?:\([a-z]{1,4}\)|\(\d{1,3}\))+(?!\w)")
_MORE = re.compile(rf"\s*(?:,|and|or|und|oder|et|&)\s*(?P<number>{_NUMBER})(?![\w%]|[.,/:-]\d)(?!\s+[a-z]+s\b)")
_BELOW = re.compile(r",?\s*(?:abs(?:atz)?|para(?:graph)?|al(?:inéa)?|nr|no)\b\.?\s*(?P<number>\d{1,3})", re.IGNORECASE)
_WORD_BEFORE = re.compile(r"(?<!\w)([^\W\d_]{1,40})[ \t]{1,9}\Z")
_YEAR = re.compile(r"\d{4}")
_STEP = re.compile(r"[A-Za-z]+|\d+[a-z]?")

_MARKS = (  # gives nothing back: a line of blanks is long
    r"[ \t]*+(?:#{1,6}[ \t]++|[-*+•>][ \t]++|(?:\|[ \t]++)++)?(?:\*\*|__)?[ \t]*+"
)
_LABEL = re.compile(
    rf"^(?P<marks>{_MARKS})(?:"
    rf"(?:(?P<word>{_WORDS})\b\.?\s*|(?P<par>§)\s*)(?P<named>{_NUMBER}|(?-i:{_ROMAN})|(?-i:[A-Z]))"
    r"(?=\s*(?:$|[.):|–—-])|(?-i:\s+[^\W_a-zà-ÿ]))"
    rf"|(?P<plain>\d{{1,4}}[a-z]?{_STEPS})(?P<mark>[.)]?)(?=\s|\*|$)"
    r"|\((?P<sub>[a-z]{1,4}|\d{1,3})\)(?=\s)"
    r"|(?P<letter>[a-z])\)(?=\s)"
    r")",
    re.IGNORECASE | re.MULTILINE,
)
_ENDED = re.compile(r"(?:[.;:!?)\]…|*_]|\b(?:and|or|und|oder|et|ou))\s*$")
_AFTER = re.compile(r"[ \t]*(?:\|[ \t]*)?\S?")
_BULLET = re.compile(r"[ \t]*(?:[-*+•]|\(?[a-z0-9]{1,3}[.)])[ \t]+")
_OPEN = re.compile(
    r"(?:[:,–—]|\b(?:that|which|who|whom|whose|where|when|if|unless|to|by|of|for|from|in|on|at|with|and|or|either|is|are"
    r"|shall|may|must|not|dass|wenn|zu|und|oder|que|si|et|ou))\s*\Z",
    re.IGNORECASE,
)
"""How a line ends that its list goes on with; a title ends otherwise."""
_LEAD = 400
"""Characters of what introduces the items of a list."""
_SMALL_BEFORE = {"v": "iv", "x": "ix"}
_ITEM = frozenset("-*+•")
_CELL = re.compile(r"[ \t]*\|([^|\n]*)")
_SAYS = 4
"""Words of a cell behind a number that make the two a numbered part; "| 4 | Thos. Murgatroyd |" is a row of a table."""
_FOOT = re.compile(
    r"\n\s*[-–—]*[ ]?(?:page |seite )?\d{1,4}(?:[ ]?(?:of|von|/)[ ]?\d{1,4})?[ ]?[-–—]*\s*\Z", re.IGNORECASE
)
"""A page's number at its foot is no part's."""
_FOOT_LONG = 40
_MONTH = re.compile(
    r"[.]?\s*(?:jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez|janv|fév|avr|juin|juil|août|déc)",
    re.IGNORECASE,
)
_BLANK = re.compile(r"\n[ \t]*\n")

_HEADING = re.compile(r"^#{1,6}[ \t]", re.MULTILINE)
_TITLE_WORDS = 6
"""Of a line that stands over another one and is no part of a paragraph's text."""
_TITLE = 90
"""Characters of a line that may be a part's title."""

_MOST = 50
"""Places of one page that may be the part: to find where each ends takes a look at all labels behind it."""

EXACT, UNNAMED = 1.0, 0.9
"""Quality of a label with the very word that was asked for, and of one without a word ("7." for "Article 7")."""


@dataclass(frozen=True, slots=True)
class PartName:
    """`kind` as `_NAMES` has it ("" where only a number is given); `steps` from the outside in: `("4", "3", "b")`.
    `text[start:end]` names it.
    """

    kind: str
    steps: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PartSpan:
    """`text[start:end]` is the part, its label included."""

    start: int
    end: int
    quality: float


def parts_named(text: str) -> tuple[PartName, ...]:
    """The parts that a question names, in its order; of "Articles 7 and 9" both."""
    if not any(c.isdigit() for c in text) and _REFERENCE.search(text) is None:
        return ()
    found: list[PartName] = []
    at = 0
    while (match := _REFERENCE.search(text, at)) is not None:
        at = match.end()
        kind = "§" if match["par"] else _kind_of(match["word"])
        steps = _steps(match["number"], lettered=kind in _LETTERED)
        if not steps or not _names_a_part(match) or (kind in _COMMON and not _stands_for_one(text, match)):
            continue
        if below := _BELOW.match(text, at):
            steps, at = (*steps, below["number"]), below.end()
        found.append(PartName(kind, steps, match.start(), at))
        while more := _MORE.match(text, at):
            at = more.end()
            found.append(PartName(kind, _steps(more["number"]), more.start("number"), at))
    for match in _BARE.finditer(text):
        if not any(part.start <= match.start() < part.end for part in found):
            found.append(PartName("", _steps(match.group()), *match.span()))
    return tuple(sorted(found, key=lambda part: part.start))


def part_spans(text: str, part: PartName) -> list[PartSpan]:
    """Where a page has the part, in reading order; empty for a page that only refers to it, and for `page`."""
    if part.kind == PAGE:
        return []
    labels = list(_labels(text))
    agreeing = [
        (_agrees(label, part), n) for n, label in enumerate(labels) if label.steps == part.steps[: len(label.steps)]
    ]
    found: list[PartSpan] = []
    for quality, number in sorted(agreeing, key=lambda one: -one[0]):
        if quality == 0 or len(found) >= _MOST or (found and quality < found[0].quality):
            break
        below = part.steps[len(labels[number].steps) :]
        reached = _descend(labels, number, below)
        if reached is not None:
            end = _end(text, labels, reached)
            found.append(PartSpan(labels[reached].start, end, quality))
        elif (above := _descend(labels, number, below[:-1])) is not None:
            start, end = labels[above].start, _end(text, labels, above)
            if re.search(rf"(?:[:;,.]|\b(?:and|or|und|oder|et|ou))\s+\({re.escape(below[-1])}\)\s", text[start:end]):
                found.append(PartSpan(start, end, quality))  # all of it: "(c) wear scarves" alone forbids nothing
    return found


def behind_label(text: str) -> str:
    """A title or paragraph without what numbers it: "Reserved matters" of "Article II. Reserved matters"."""
    label = _LABEL.match(text)
    return text[label.end() :] if label else text


def lead_ins(text: str, start: int) -> list[tuple[int, int]]:
    """What introduces the item of a list that begins at `start`, the outermost first: "4.3 The Tenant shall not:" for
    "(a) keep petrol", which without it says the contrary. Empty for what begins no item or is a sentence by itself.
    """
    labels = list(_labels(text))
    at = next((n for n, label in enumerate(labels) if label.line <= start <= label.start), None)
    if at is not None and labels[at].below:
        above: list[int] = []
        for number, label in enumerate(labels[: at + 1]):
            while above and (not label.below or label.style in {labels[n].style for n in above}):
                above.pop()
            above.append(number)
        if above[:-1]:
            spans = [(labels[n].start, labels[n + 1].line) for n in above[:-1] if not labels[n].heading]
            return [(a, a + len(text[a:b].rstrip())) for a, b in spans if b - a <= _LEAD and _OPEN.search(text[a:b])]
    return _bullets_lead_in(text, start)


def _bullets_lead_in(text: str, start: int) -> list[tuple[int, int]]:
    """The sentence with a colon above a list's item that goes on with it in a small letter."""
    line = text.rfind("\n", 0, start) + 1
    item = _BULLET.match(text, line)
    if item is None or item.end() < start or not text[item.end() : item.end() + 1].islower():
        return []
    end = _rstrip(text, line)
    while end and _BULLET.match(text, begin := text.rfind("\n", 0, end) + 1, end):
        end = _rstrip(text, begin)
    if not text.endswith(":", 0, end):
        return []
    paragraph = 0 if (blank := text.rfind("\n\n", 0, end)) < 0 else blank + 2
    spans = sentence_spans(text[paragraph:end])
    if not spans or spans[-1][1] - spans[-1][0] > _LEAD:
        return []
    return [(paragraph + spans[-1][0], paragraph + spans[-1][1])]


def _rstrip(text: str, end: int) -> int:
    """Where the text before `end` ends without white space. No copy: a list may have thousands of items."""
    while end and text[end - 1].isspace():
        end -= 1
    return end


@dataclass(frozen=True, slots=True)
class _Label:
    line: int  # where its line begins
    start: int  # the same without marks of a list and white space; a row of a table with its marks
    end: int
    kind: str
    steps: tuple[str, ...]
    below: bool  # "(b)": what it is part of stands before it
    heading: bool
    style: str = ""  # of a step below: letters, digits or small roman numbers
    row: bool = False


def _kind_of(word: str) -> str:
    """A pattern without case takes "ſection", of old print, and "sectıon", misread, for "section", too."""
    return _KIND[fold(word.replace("ı", "i"))]


def _names_a_part(match: re.Match[str]) -> bool:
    """Single letters stand for words too often: "p 14" is a page, "s" and "p" before a letter are none."""
    word = match["word"]
    if word is None:
        return True
    return match["number"][0].isdigit() if len(word) <= 2 or word.lower() in {"minute", "point", "reg"} else True


def _stands_for_one(text: str, match: re.Match[str]) -> bool:
    """Whether a word of every day and a number name a part: no word says of which other sort the note or the condition
    is, and the number is no year, no day and no "I".
    """
    before = _WORD_BEFORE.search(text, max(0, match.start() - 50), match.start())
    if before and fold(before[1]) not in _ASKING | STOPWORDS:
        return False
    number, behind = match["number"], flat(text[match.start("number") : match.end() + 30])
    days = (*dates_named(behind), *days_named(behind))
    return number != "I" and not _YEAR.match(number) and not any(day.start == 0 for day in days)


@lru_cache(maxsize=1024)
def _steps(number: str, *, lettered: bool = False) -> tuple[str, ...]:
    """`4.3(b)` as ("4", "3", "b"); `VII` as ("7",); a capital letter only where parts are numbered so."""
    if re.fullmatch(_ROMAN, number) and not (lettered and number in {"C", "L"}):
        return (str(_arabic(number)),)
    if number.isalpha():
        return (number.lower(),) if lettered else ()
    return tuple(step.lower() for step in _STEP.findall(number))


def _arabic(roman: str) -> int:
    values = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}[letter] for letter in roman]
    return sum(-v if any(later > v for later in values[n + 1 : n + 2]) else v for n, v in enumerate(values))


def _labels(text: str) -> Iterator[_Label]:
    below = ""  # the step below before
    for match in _LABEL.finditer(text):
        row = "|" in match["marks"]
        heading = "#" in match["marks"] or (row and _is_alone(text, match))
        start = match.start() + match["marks"].index("#|"[row]) if row or heading else match.end("marks")
        if not (heading or match["marks"].strip() in _ITEM or _begins(text, match.start(), named=bool(match["word"]))):
            continue
        word = match["word"]
        kind = "§" if match["par"] else _kind_of(word) if word else ""
        place = match.start(), start, match.end()
        if match["sub"] or match["letter"]:
            step = (match["sub"] or match["letter"]).lower()
            yield _Label(*place, "", (step,), True, heading, _style(step, below), row)
            below = step
            continue
        number = match["named"] or match["plain"]
        steps = _steps(number, lettered=kind in _LETTERED)
        # "12 boats were lost" begins with a number too; what is numbered goes on with a capital letter.
        alone = match["plain"] is not None and len(steps) == 1 and not heading
        loose = alone and not match["mark"] and not _opens(text, match.end())
        if row and match["plain"] is not None and not _says(text, match.end()):
            continue
        if steps and not loose and not (alone and _MONTH.match(text, match.end())):
            yield _Label(*place, kind, steps, False, heading, row=row)
            below = ""


def _is_alone(text: str, label: re.Match[str]) -> bool:
    """Whether a label stands in the only cell of its row that is not empty: such a row is a title."""
    row = text[label.start() : _line_end(text, label.end())]
    return sum(bool(cell.strip()) for cell in row.split("|")) == 1


def _says(text: str, at: int) -> bool:
    """Whether the cell behind a number says something."""
    cell = _CELL.match(text, at)
    return cell is not None and len(cell[1].split()) >= _SAYS


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _begins(text: str, at: int, *, named: bool) -> bool:
    """Whether a line begins something: the one before it ends a sentence or is blank or a heading, or a short line that
    is the first of its paragraph, where what begins is `named` ("Notes to the accounts" above "Note 7. Pay").
    """
    before = text[max(0, at - 200) : at].rstrip("\n")
    if len(before) < at - max(0, at - 200) - 1 or not before:
        return True  # a blank line
    over, _, line = before.rpartition("\n")
    if named and len(line.split()) <= _TITLE_WORDS and (not over.strip() or over.endswith("\n")):
        return True
    return not line.strip() or line.lstrip().startswith("#") or _ENDED.search(line) is not None


def _opens(text: str, at: int) -> bool:
    following = _AFTER.match(text, at)
    return following is not None and following.group()[-1:].isupper()


def _agrees(label: _Label, part: PartName) -> float:
    if label.below:
        return 0.0
    if label.kind == part.kind or ("§" in (label.kind, part.kind) and {label.kind, part.kind} <= _SAME):
        return EXACT
    # A contract's clauses are called sections, a statement's paragraphs points: without a word any may be meant.
    return UNNAMED if not label.kind or not part.kind else 0.0


def _descend(labels: list[_Label], at: int, steps: tuple[str, ...]) -> int | None:
    """The label that is these steps below the label `at`, which is reached step by step; None where there is none."""
    if not steps:
        return at
    above = labels[at]
    for number in range(at + 1, len(labels)):
        label = labels[number]
        if not label.below and not _inside(label, above):
            return None
        if label.below and label.steps == steps[:1]:
            return _descend_further(labels, number, steps[1:])
    return None


def _descend_further(labels: list[_Label], at: int, steps: tuple[str, ...]) -> int | None:
    if not steps:
        return at
    for number in range(at + 1, len(labels)):
        label = labels[number]
        if not label.below or label.style == labels[at].style:
            return None
        if label.steps == steps[:1]:
            return _descend_further(labels, number, steps[1:])
    return None


def _inside(label: _Label, above: _Label) -> bool:
    return len(label.steps) > len(above.steps) and label.steps[: len(above.steps)] == above.steps


def _style(step: str, before: str) -> str:
    """How a step below is numbered; "(i)" is a letter behind "(h)" only, "(v)" a number behind "(iv)"."""
    if step.isdigit():
        return "digits"
    small = before != "h" if step == "i" else before == _SMALL_BEFORE.get(step, before if len(step) > 1 else None)
    return "roman" if small else "letters"


def _end(text: str, labels: list[_Label], at: int) -> int:
    """Where the part ends: before the next that is no part of it or, for one that is no heading, with its paragraph."""
    label = labels[at]
    last, end = label, len(text)
    for other in labels[at + 1 :]:
        ends = other.style == label.style if label.below and other.below else not _inside_any(text, other, label)
        if ends:
            end = other.line
            break
        last = other
    if heading := _HEADING.search(text, last.end, end):
        end = heading.start()
    # What stands below a title belongs to it; after a paragraph that is numbered itself comes something else.
    if not (last is label and _is_title(text, label)) and (blank := _BLANK.search(text, last.end, end)):
        end = blank.start()
    if label.row and not label.heading and last is label:
        end = min(end, _line_end(text, label.end))
    if end == len(text) and (foot := _FOOT.search(text, max(last.end, end - _FOOT_LONG))):
        end = foot.start()
    return max(label.end, label.start + len(text[label.start : end].rstrip()))


def _is_title(text: str, label: _Label) -> bool:
    line = text[label.end : label.end + _TITLE].split("\n", 1)
    return label.heading or (len(line) == 2 and not _ENDED.search(line[0]))


def _inside_any(text: str, other: _Label, label: _Label) -> bool:
    if other.below or _inside(other, label):
        return True
    if not label.heading or _SAME_LEVEL.get(other.kind, other.kind) == _SAME_LEVEL.get(label.kind, label.kind):
        return False
    # "§ 4" below the title "Article II", "1." below "Schedule 2".
    return bool(label.kind) and (not other.heading or _depth(text, other) > _depth(text, label))


def _depth(text: str, label: _Label) -> int:
    """Levels of headings above it, itself among them; a row that is a title stands below them all."""
    return 7 if label.row else len(text[label.start : label.end]) - len(text[label.start : label.end].lstrip("#"))
