"""Fields of forms: who names the thing that a form is about, and one of its labels, asks for that line.

"When does permit BP-2017-00977 expire?" is answered by "Expires: 01/02/2019" on the page that says BP-2017-00977. Such
lines are short and share hardly a word with the question, so meaning alone does not find them.
"""

from __future__ import annotations

from collections.abc import Sequence

from index.fuzzy import SHAPE_QUALITY
from index.words import STOPWORDS, fold, stem, tokens
from worker.answer.asking import Kind, Question, Role
from worker.answer.candidates import Candidate, label_end
from worker.answer.features import Found
from worker.answer.kinds import HARD_KINDS, spans_of

SURE = 0.9
"""Confidence of such an answer: all names are there, and the label is; that it is this form's thing is not proved."""
_ENDING = 2
"""Letters that two words of one root may differ by behind it: "own" and "owner", "inspect" and "inspector"."""
_SHORT_ENDINGS = frozenset({"e", "s", "ed", "ee", "en", "er", "es", "or", "um"})
"""Of a root of three letters: "ref" is not "refuse"."""
_NOUNS = {(stem("born"), stem("birth")), (stem("died"), stem("death"))}
"""Who asks when somebody was born or died, and what forms have for that."""
_OF_KIND = {Kind.DATE: (stem("date"), stem("day")), Kind.PLACE: (stem("place"),)}
"""Words of a label that "when" and "where" stand for: "When was it inspected?" has "Date of inspection"."""
_ROOT = 3
_WORDS = 10
"""Of a field with somebody's name; sentences have more."""
_READ = 500
"""Characters of a line that are looked at: what stands in a field is short."""


def fields_asked(question: Question, found: Sequence[Found]) -> list[Candidate]:
    """The labelled lines that the question asks for, in the order of the pages: the page has all its names, years and
    identifiers (of which there must be one), the line's label is in the question, what the question has besides stands
    on the page, and the value is of the kind that is asked for.
    """
    named = question.numbers(Role.NAME, Role.IDENTIFIER)
    if not named or question.plan.phrases or (question.lookup and question.parts):
        return []
    content = question.numbers(Role.CONTENT)
    own = set(content) - question.told
    stems = {n: question.plan.terms[n].stem for n in (*content, *named, *question.numbers(Role.FRAME))}
    focus = None if question.focus in question.told else question.focus
    lines: list[tuple[int, Candidate]] = []
    for page in found:
        if (
            not page.candidates
            or any(page.on_page[n] < SHAPE_QUALITY for n in named)
            or _is_only_told_of(question, page)
        ):
            continue
        lacking = {n for n in content if not page.on_page[n]}
        for line in page.candidates:
            if line.order in page.barred:
                continue
            text = page.text[line.start : min(line.end, line.start + _READ)]
            value = label_end(text, framed=line.framed)
            label = [stem(t.form) for t in tokens(text[:value]) if t.form not in STOPWORDS]
            label = [word for word in label if word in stems.values() or word not in _OF_KIND.get(question.kind, ())]
            met = {n for n, asked in stems.items() if any(_akin(asked, word) for word in label)}
            asked_for = label and lacking <= met and all(any(_akin(stems[n], word) for n in met) for word in label)
            asked_for = asked_for and not met.issuperset(named)  # "GP: Dr Li" is of somebody, whom another word names
            # "What is the error of the machine?" is not answered by "Machine: ..." where something else says "Error".
            # A value may say it, too: "Which company owned ...?" - "Owner: Baltic Shipping Company".
            asked_for = asked_for and (focus is None or focus in met | lacking or page.qualities[line.order, focus] > 0)
            # A follow-up asks for another label than the question before, but where it only names another thing.
            asked_for = asked_for and (not question.told or not own or met & own)
            if asked_for and _fits(question.kind, text[value:]) and not _is_known(question, text[value:]):
                lines.append((len(met), line))
    most = max((met for met, _ in lines), default=0)
    return [line for met, line in lines if met == most]


def _is_only_told_of(question: Question, page: Found) -> bool:
    """Whether the form is another's: whom the question names stands in the sentences below it and nowhere else."""
    text = fold(question.text)
    forms = {n: question.plan.terms[n].form for n in question.numbers(Role.NAME)}
    names = [n for n, form in forms.items() if form.isalpha() and f"the {form}" not in text]  # "the Lindqvist wall"
    there = [c for c in page.candidates if (page.qualities[c.order, names] >= SHAPE_QUALITY).any()]
    in_title = (page.in_title[names] >= SHAPE_QUALITY).any()
    told = all(not c.is_row and _is_sentence(page.text[c.start : c.end]) for c in there)
    return bool(there) and told and not in_title


def _is_sentence(text: str) -> bool:
    """And neither a title nor a field that names somebody."""
    return len(text.split()) > _WORDS and text.rstrip("\"'”’) ").endswith((".", "!", "?"))


def _is_known(question: Question, value: str) -> bool:
    """Whether the question says it all itself: "Permit: BP-2017-00977" tells nothing about BP-2017-00977."""
    asked = {term.form for term in question.plan.terms}
    return all(token.form in asked or token.form in STOPWORDS for token in tokens(value))


def _akin(one: str, other: str) -> bool:
    """Whether two stems are of one root."""
    short, long = sorted((one, other), key=len)
    if one == other or len(short) < _ROOT or not long.startswith(short):
        return one == other or (one, other) in _NOUNS
    ending = long[len(short) :]
    return ending in _SHORT_ENDINGS if len(short) == _ROOT else len(ending) <= _ENDING


def _fits(kind: Kind, value: str) -> bool:
    if kind in HARD_KINDS:
        return bool(spans_of(kind, value))
    if kind in {Kind.PERSON, Kind.PLACE}:
        return any(c.isupper() for c in value) and not spans_of(Kind.DATE, value)
    return True
