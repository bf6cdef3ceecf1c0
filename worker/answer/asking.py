"""What a question asks for: its content words, the names and identifiers that must be supported, and the
kind of answer that would fit.

`read_question` is a pure function and never fails. A *look-up* (an identifier, a quoted phrase, nothing
else) is told apart, because it is answered by spelling alone.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from index.query import QueryPlan, analyse
from index.words import STOPWORDS, stem, tokens


class Kind(enum.StrEnum):
    """The kind of answer that a question wants. `ANY` promises nothing about the answer's form."""

    DATE = "date"
    TIME = "time"
    MONEY = "money"
    NUMBER = "number"
    MEASURE = "measure"
    DURATION = "duration"
    SHARE = "share"
    CONTACT = "contact"
    PERSON = "person"
    PLACE = "place"
    REASON = "reason"
    ANY = "any"


class Role(enum.StrEnum):
    """What a word of the question is to the answer."""

    CONTENT = "content"
    NAME = "name"  # a name, a year, a number: a page that lacks it speaks of something else
    IDENTIFIER = "identifier"  # `INV-2024-0117`: nothing but this very one will do
    FRAME = "frame"  # "number", "kind", "date": the form of the question, met by the kind of answer
    PART = "part"  # a part of an identifier, which is looked for whole


@dataclass(frozen=True, slots=True)
class Question:
    """`roles` says for each of `plan.terms` what it is. `lookup`: an identifier or a quoted phrase and no more."""

    text: str
    plan: QueryPlan
    kind: Kind
    roles: tuple[Role, ...]
    lookup: bool

    @property
    def empty(self) -> bool:
        """Nothing that a page could support: only stop words, or no word at all."""
        return not self.plan.phrases and all(term.form in STOPWORDS for term in self.plan.terms)

    def numbers(self, *roles: Role) -> list[int]:
        """The numbers of the terms that have one of these roles."""
        return [number for number, role in enumerate(self.roles) if role in roles]


_KINDS: tuple[tuple[Kind, str], ...] = (
    (Kind.CONTACT, r"tele?phone|phone number|fax|e-?mail|web ?site|\baddress\b.*\b(?:write|send|contact|mail)"),
    (Kind.SHARE, r"\b(?:what|which) (?:share|percentage|proportion|fraction|part)|per ?cent|how many per"),
    (Kind.TIME, r"\bwhat time\b|\bat what hour|\bopening hours"),
    (
        Kind.DATE,
        r"^when\b|[,;] when\b|\b(?:since|until|till|from|by) when\b"
        r"|\b(?:what|which) (?:\w+ )?(?:day|date|year|month|week|season|century|decade)s?\b",
    ),
    (
        Kind.DURATION,
        r"\bhow (?:long|often|frequently|soon|old|far ahead|many (?:years|months|weeks|days|hours|minutes|nights))\b"
        r"|\b(?:what|which)\b[^?]*\b(?:age|duration|interval|period|term)\b",
    ),
    (
        Kind.MONEY,
        r"\bhow much (?:money|did|does|do|was|is|were|are|will|would|had|has|have)\b[^?]*\b(?:cost|pa(?:y|id)|charge|earn"
        r"|spen[dt]|worth|owe|raise|rent|fee|price|grant|given?|give|budget|borrow|lend|lent)"
        r"|\bhow much (?:money|rent|pay|salary|tax|interest|is|was)\b"
        r"|\b(?:what|which)\b[^?]*\b(?:cost|costs|price|fee|fees|salary|wages?|rent|fine|total|amount|sum|bill|charge|budget"
        r"|deficit|surplus|income|revenue|expenditure|expense|premium|deposit)\b"
        r"|\bwhat did\b[^?]*\bpay\b",
    ),
    (
        Kind.MEASURE,
        r"\bhow (?:far|deep|high|tall|wide|heavy|fast|large|big|thick|hot|cold|warm|strong|loud|steep|close)\b"
        r"|\b(?:what|which)\b[^?]*\b(?:length|depth|height|width|weight|speed|size|diameter|distance|capacity|temperature"
        r"|pressure|power|voltage|volume|area|load|thickness|range|rate|tonnage|level)\b",
    ),
    (Kind.NUMBER, r"\bhow (?:many|much)\b|\b(?:what|which) (?:\w+ )?numbers?\b"),
    (Kind.PERSON, r"\bwho\b|\bwhom\b|\bwhose\b|\bwhat (?:was|is|were|are) the names?\b|'s name\b"),
    (Kind.PLACE, r"\bwhere\b|\b(?:what|which) (?:place|town|city|country|village|room|street|harbour|port)\b"),
    (Kind.REASON, r"\bwhy\b|\bfor what reason|\bwhat (?:\w+ )?(?:cause[ds]?|made)\b|\bhow come\b"),
)
_PATTERNS = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _KINDS)

_FRAME = frozenset(
    # Words that put the question, and do not have to be written on the page that answers it.
    stem(word)
    for word in "name named kind type sort number date day year month time amount person people place happen happened "
    "according mention document page archive say said state give given mean called long far old deep high wide heavy "
    "often way reason use used take took get got make made come came go went become became put keep kept let want "
    "happening describe explain thing anything something anybody somebody anyone someone much many cost price sum "
    "exactly today following new one".split()
)
_ASKING = re.compile(
    r"(?:\w+ )?\b(?:who|whom|whose|what|when|where|why|which|how|is|are|was|were|do|does|did|can|could|may|must|should|has|"
    r"have|had|will|would)\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“„«][^\"”“»]{1,400}[\"”“»]")


def read_question(text: str) -> Question:
    """Take a question apart. Any text is a question; one without content words is `empty`."""
    text = " ".join(text.split())
    plan = analyse(text)
    asks = text.endswith("?") or _ASKING.match(text) is not None
    roles: dict[str, Role] = {}
    whole_until = -1
    for number, token in enumerate(tokens(text)):
        raw = text[token.start : token.end]
        if token.end <= whole_until:
            roles.setdefault(token.form, Role.PART)
        elif token.identifier and _is_identifier(raw):
            roles[token.form] = Role.IDENTIFIER
            whole_until = token.end
        elif _has_digit(raw) or (raw[:1].isupper() and (number > 0 or not asks)):
            roles[token.form] = Role.NAME
        elif stem(token.form) in _FRAME or token.form in STOPWORDS:
            roles.setdefault(token.form, Role.FRAME)
        else:
            roles.setdefault(token.form, Role.CONTENT)
    spelled = {form for form, role in roles.items() if role in {Role.IDENTIFIER, Role.NAME} and _has_digit(form)}
    loose = [
        token
        for token in tokens(_QUOTED.sub(" ", text))
        if token.form not in spelled and roles.get(token.form) in {Role.CONTENT, Role.NAME}
    ]
    lookup = not asks and bool(plan.phrases or spelled) and not loose
    kind = _kind(text) if asks else Kind.ANY
    return Question(text, plan, kind, tuple(roles.get(t.form, Role.CONTENT) for t in plan.terms), lookup)


def _is_identifier(raw: str) -> bool:
    """Letters and digits together, or digits in groups that are no plain number, date or year."""
    digits = sum(c.isdigit() for c in raw)
    letters = any(c.isalpha() for c in raw)
    return digits >= 3 and (letters or len(raw) > 5) and not re.fullmatch(r"(?:1\d|20)\d\ds?", raw)


def _has_digit(word: str) -> bool:
    return any(c.isdigit() for c in word)


def _kind(text: str) -> Kind:
    return next((kind for kind, pattern in _PATTERNS if pattern.search(text)), Kind.ANY)
