"""Several questions in one: "Who signed it, and when?" asks two things, and each deserves its own answer.

`single_questions` takes them apart into questions that can be searched for alone: what the second leaves out or says
with a pronoun is put back from the first. Pure, and cautious: what it does not see through stays one question.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from index.words import STOPWORDS, Token, tokens
from worker.answer.asking import Role, read_question
from worker.asking.conversation import refers_back

MAX_QUESTIONS = 6
"""More than anybody asks in `_LONGEST` characters; each costs a search and an answer."""
_LONGEST = 400
"""Characters. Longer questions tell a story, in which "and how" asks for nothing."""
_ASKS = r"(?:(?:by|to|for|from|with|of|in|on|at|since|until) )?(?:who|whom|whose|what|which|when|where|why|how)\b"
_OPENS = re.compile(_ASKS, re.IGNORECASE)
_NEXT = re.compile(rf"[,;]? and (?={_ASKS})|; (?={_ASKS})|\? (?=(?:and )?{_ASKS})", re.IGNORECASE)
"""Where the next question begins. Not behind a comma alone: ", which Behnke wrote," asks for nothing."""
_BARE = re.compile(
    r"(?:who|when|where|why|how|by whom|to whom|for whom|with whom|since when|until when|how much|how many|how long"
    r"|how often|for how much|for how long|in which year|on what date|at what price)",
    re.IGNORECASE,
)
"""What asks for another thing about the same: "and when?"."""
_HEAD = re.compile(rf"{_ASKS}(?: (?:much|many|long|often|far|old|large|big|high|deep))?", re.IGNORECASE)
_REFERS = re.compile(
    r"\b(?:he|him|his|she|her|hers|it|its|they|them|their|theirs|this|that|these|those|there|then)\b", re.IGNORECASE
)
_FEW, _SOME = 2, 3
"""Words. A question with fewer than the first, or with a pronoun and fewer than the second beside a name, speaks of
what the first one named; with an identifier in that one, so does "when was the case closed?"."""
_BRACKET = re.compile(r"[()]")
_TELLING = 4
"""Characters of names that say by themselves what is meant; the D of "vitamin D" does not."""
_NAMING = (Role.NAME, Role.IDENTIFIER)


@dataclass(frozen=True, slots=True)
class Single:
    """One thing that is asked: in the words of who asks, and to be understood alone."""

    asked: str
    text: str


def single_questions(text: str) -> tuple[Single, ...]:
    """The questions that a text asks, at most `MAX_QUESTIONS`; one is given as it is.

    A follow-up has behind it in brackets what was asked before (`standalone`): that goes with each question which
    refers to it.
    """
    whole, told = _apart(text)
    pieces = _pieces(" ".join(whole[: _LONGEST * 2].split()), referring=bool(told))
    if len(pieces) < 2:
        return (Single(text, text),)
    complete = [pieces[0], *(_completed(piece, pieces[0]) for piece in pieces[1:])]
    if _BARE.fullmatch(pieces[0]):  # "When and where was she built?"
        complete[0] = f"{pieces[0]} {_body(pieces[1])}"
    full = [f"{_question(one)} {told}" if told and refers_back(one) else _question(one) for one in complete]
    return tuple(Single(_question(a), b) for a, b in zip(pieces, full, strict=True))


def _apart(text: str) -> tuple[str, str]:
    """The text without the brackets at its end, and these; they are part of the text where there are others, and where
    it refers to nothing: then who asks wrote them.
    """
    whole, _, told = text.partition(" (")
    if told.endswith(")") and not _BRACKET.search(told[:-1]) and refers_back(whole):
        return whole, f"({told}"
    return text, ""


def _question(piece: str) -> str:
    return f"{piece[0].upper()}{piece[1:]}?"


def _pieces(whole: str, *, referring: bool = False) -> list[str]:
    """The text cut where a new question begins; one piece where it is one question or cannot be seen through. In a
    text that is `referring` to another, "when did he do it" asks something, too.
    """
    if len(whole) > _LONGEST or any(mark in whole for mark in '"“”„«»()') or not _OPENS.match(whole):
        return [whole]
    pieces: list[str] = []
    at = 0
    for cut in _NEXT.finditer(whole):
        pieces.append(whole[at : cut.start()])
        at = cut.end()
    pieces = [re.sub(r"^and ", "", one.strip(" ,;?"), flags=re.IGNORECASE) for one in (*pieces, whole[at:])]
    if len(pieces) > MAX_QUESTIONS or not all(_asks_something(one, referring) for one in pieces):
        return [whole]
    if _BARE.fullmatch(pieces[0]) and (len(pieces) != 2 or _BARE.fullmatch(pieces[1])):
        return [whole]
    return pieces


def _asks_something(piece: str, referring: bool) -> bool:
    if _BARE.fullmatch(piece) is not None:
        return True
    refers = referring and _REFERS.search(piece) is not None
    return _OPENS.match(piece) is not None and (refers or not read_question(piece).empty)


def _completed(piece: str, first: str) -> str:
    """The piece with what it takes from the first question."""
    if _BARE.fullmatch(piece):
        return f"{piece} {_body(first)}"
    asked = read_question(f"{piece}?")
    words = [n for n, term in enumerate(asked.plan.terms) if term.form not in STOPWORDS]
    named = any(asked.roles[n] in _NAMING for n in words)
    if _REFERS.search(piece):
        alone = named and len(words) >= _SOME
    else:
        identified = Role.IDENTIFIER in read_question(f"{first}?", spelled_spans=True).roles
        alone = named or len(words) >= (_SOME if identified else _FEW)
    if alone:
        return piece
    before = _names(first)
    before = before if len(before) >= _TELLING else _body(first)
    return f"{piece} ({before})" if before else piece


def _names(first: str) -> str:
    """The names, years and identifiers of a question as they stand in it, with what joins them."""
    asked = read_question(f"{first}?", spelled_spans=True)
    forms = {term.form for term, role in zip(asked.plan.terms, asked.roles, strict=True) if role in _NAMING}
    return " ".join(first[t.start : t.end] for t in _outermost(first) if t.form in forms)


def _outermost(text: str) -> list[Token]:
    """Tokens that lie in no other: of an identifier the whole."""
    found: list[Token] = []
    for token in tokens(text):
        if not found or token.start >= found[-1].end:
            found.append(token)
    return found


def _body(question: str) -> str:
    """A question without its question word."""
    return _HEAD.sub("", question, count=1).strip()
