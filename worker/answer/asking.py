"""What a question asks for: its content words, the names and identifiers that must be supported, and the
kind of answer that would fit.

`read_question` is a pure function and never fails. A *look-up* (an identifier, a quoted phrase, nothing
else) is told apart, because it is answered by spelling alone.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from index.dates import dates_named
from index.flat import flat
from index.fuzzy import SHAPE_QUALITY
from index.matching import matcher_of
from index.parts import PartName, parts_named
from index.query import QueryPlan, analyse, is_silent, shelf_marks
from index.words import STOPWORDS, fold, squeeze, stem, tokens

MAX_HINTS = 2
"""Words beside an identifier or a phrase that leave it a look-up; more of them ask for something else."""


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
    PART = "part"  # a part of an identifier, or the number of a document's part: looked for whole


@dataclass(frozen=True, slots=True)
class Question:
    """`roles` says for each of `plan.terms` what it is. `lookup`: an identifier or a quoted phrase, with at most
    a word or two beside it (`claim HM-88431-C`), or what a numbered part says ("What is in § 12 of the lease?").
    """

    text: str
    plan: QueryPlan
    kind: Kind
    roles: tuple[Role, ...]
    lookup: bool
    focus: int | None = None
    """The number of the term that names what is asked for: `hotel` of "which hotel", `nurses` of "how many nurses"."""
    parts: tuple[PartName, ...] = ()
    """The numbered parts of documents that it names. With `lookup` it asks for what they say."""
    told: frozenset[int] = frozenset()
    """Of a follow-up the numbers of the terms that only what was asked before has: its own words go before them."""
    spans: bool = False
    """Whether something in it is read as a span of years ("in 1888-89") that may be an identifier as well."""

    @property
    def empty(self) -> bool:
        """Nothing that a page could support: only stop words, or no word at all."""
        return not self.plan.phrases and all(is_silent(term.form, self.text) for term in self.plan.terms)

    def adds(self, form: str) -> bool:
        """Whether a folded word says something that the question does not say itself."""
        return form not in STOPWORDS | _COURTESY and stem(form) not in {term.stem for term in self.plan.terms}

    def numbers(self, *roles: Role) -> list[int]:
        """The numbers of the terms that have one of these roles."""
        return [number for number, role in enumerate(self.roles) if role in roles]


_KINDS: dict[Kind, tuple[str, ...]] = {  # in this order, after `_OPENERS`: the first that matches is the kind
    Kind.CONTACT: (
        r"\b(?:what|which)\b[^?]*\b(?:tele?phone|phone|fax|e-?mail|web ?site)|(?:phone|fax) number",
        r"\baddress\b.*\b(?:write|send|contact|mail)",
    ),
    Kind.SHARE: (r"\b(?:what|which) (?:share|percentage|proportion|fraction)|per ?cent|how many per",),
    Kind.TIME: (r"\bwhat time\b(?! of (?:the )?(?:year|month))|\bat what hour|\bopening hours",),
    Kind.DATE: (
        r"[,;] when\b|\bwhat (?:time|part) of (?:the )?(?:year|month)\b|\b(?:since|until|till|from|by) when\b",
        r"\b(?:what|which) (?:\w+ )?(?:day|date|year|month|week|season|century|decade)s?\b",
    ),
    Kind.DURATION: (
        r"\bhow (?:long|often|frequently|soon|old|far ahead)\b",
        r"\bhow many (?:years|months|weeks|days|hours|minutes|nights)\b",
        r"\b(?:what|which)\b[^?]*\b(?:age|duration|interval|period|term)\b",
    ),
    Kind.MONEY: (
        r"\bhow much (?:money|rent|pay|salary|tax|interest|is|was)\b",
        r"\bhow much (?:did|does|do|was|is|were|are|will|would|had|has|have)\b[^?]*\b(?:cost|pa(?:y|id)|charge|earn"
        r"|spen[dt]|worth|owe|raise|rent|fee|price|grant|given?|budget|borrow|len[dt])",
        r"\b(?:what|which)\b[^?]*\b(?:costs?|price|fees?|salary|wages?|rent|fine|total|amount|sum|bill|charge|budget|deficit"
        r"|surplus|income|revenue|expenditure|expense|premium|deposit|compensation|dues|toll|debt|pension"
        r"|grant|damages|dividend|subscription|balance)\b",
        r"\bwhat\b[^?]*\b(?:paid|pay)\b",
    ),
    Kind.MEASURE: (
        r"\bhow (?:far|deep|high|tall|wide|heavy|fast|large|big|thick|hot|cold|warm|strong|loud|steep|close)\b",
        r"\b(?:what|which)\b[^?]*\b(?:length|depth|height|width|weight|speed|size|diameter|distance|capacity|temperature"
        r"|pressure|power|voltage|volume|area|load|thickness|range|tonnage|level)\b",
    ),
    Kind.NUMBER: (  # a rate is so much money, so many knots or per cent
        r"\bhow (?:many|much)\b|\b(?:what|which) (?:\w+ )?numbers?\b|\b(?:what|which)\b[^?]*\brate\b",
    ),
    Kind.PERSON: (r"\bwho\b|\bwhom\b|\bwhose\b|\bwhat (?:was|is|were|are) the names?\b|'s name\b",),
    Kind.PLACE: (r"\bwhere\b|\b(?:what|which) (?:place|town|city|country|village|room|street|harbour|port)\b",),
    Kind.REASON: (r"\bwhy\b|\bfor what reason|\bwhat (?:\w+ )?(?:cause[ds]?|made)\b|\bhow come\b",),
}
_OPENERS: dict[str, Kind] = {
    # German and French ask with other words.
    r"(?:seit |bis |ab )?wann\b|(?:an|in) welchem (?:tag|jahr)\b": Kind.DATE,
    r"(?:depuis |jusqu'à )?quand\b|à quelle date\b": Kind.DATE,
    r"(?:um )?wie ?viel uhr\b|à quelle heure\b": Kind.TIME,
    r"wie lange\b|wie ?viele (?:jahre|monate|wochen|tage|stunden)\b": Kind.DURATION,
    r"combien de (?:temps|jours|mois|ans|années|heures)\b": Kind.DURATION,
    r"(?:was|wie ?viel) (?:kostete?n?|zahlte?n?|bekommt|verdiente?n?)\b|wie (?:hoch|teuer)\b": Kind.MONEY,
    r"combien (?:coûte|gagne|paie|vaut|faut)|quel (?:est|était) le (?:prix|salaire|loyer|montant)": Kind.MONEY,
    r"(?:wie ?viele|combien d(?:e|es|'))": Kind.NUMBER,
    r"(?:von |mit |an |für |zu )?(?:wer|wem|wen|wessen)\b|(?:par |à |de |avec |pour )?qui\b": Kind.PERSON,
    r"(?:wo|wohin|woher|où|d'où)\b": Kind.PLACE,
    r"(?:warum|weshalb|wieso|pourquoi)\b": Kind.REASON,
    # "When must a keeper report ...?" asks for a case as often as for a date.
    r"when (?:must|should|shall|may|might|can)\b": Kind.ANY,
    r"when\b": Kind.DATE,
    r"(?:(?:to|by|for|from|with|of) )?(?:who|whom|whose)\b": Kind.PERSON,
    r"where\b": Kind.PLACE,
    r"why\b": Kind.REASON,
}
"""A question word in front says what is asked for, whatever else the question mentions."""
_PATTERNS = {kind: re.compile("|".join(parts), re.IGNORECASE) for kind, parts in _KINDS.items()}

_FRAME_WORDS = """
    name named kind type sort number date day year month time amount person people place happen happened according
    mention document page archive say said state give given mean called long far old deep high wide heavy often
    way reason use used take took get got make made come came go went become became put keep kept let want
    happening describe explain thing anything something anybody somebody anyone someone much many cost price sum
    exactly today following new one
"""
_FRAME = frozenset(stem(word) for word in _FRAME_WORDS.split())
"""Words that put the question, and do not have to be written on the page that answers it."""
_COURTESY_TEXT = "mr mrs ms miss mister messrs dr doctor sir madam herr frau fraulein monsieur madame mme"
_COURTESY = frozenset(_COURTESY_TEXT.split())
"""Said before a name by who asks, and on a page as it pleases: "Okonjo, Blessing A." is Mrs Okonjo."""
_ASKING = re.compile(
    r"(?:\w+ )?\b(?:who|whom|whose|what|when|where|why|which|how|is|are|was|were|do|does|did|can|could|may|must|should"
    r"|has|have|had|will|would)\b",
    re.IGNORECASE,
)
_HELPER = r"(?:is|are|was|were|do|does|did|has|have|had|can|could|may|must|should|will|would|of)"
_SMALL = (
    r"(?:in|on|at|for|from|to|by|with|beside|near|under|over|behind|above|against|about"
    r"|that|who|which|he|she|it|they|we|you|the|a|an)"
)
_NOUNS = rf"((?:(?!{_HELPER}\b|{_SMALL}\b)[\w'’-]+ ){{1,2}})"
_FOCUS = re.compile(rf"\b(?:what|which|how many|how much) {_NOUNS}({_HELPER}|{_SMALL})\b", re.IGNORECASE)
_FOCUS_OF = re.compile(r"\bwhat (?:is|are|was|were) (?:the )?((?:[\w'’-]+ ){1,2}?)of\b", re.IGNORECASE)
_OPENING = re.compile(
    r"^(?:(?:please|and|so|but) )?(?:(?:can|could|would|will) you |i (?:want|need) (?:to )?)?"
    r"(?:what(?:'s| is| are| was| does| do| did| stands| says)?|how does|show|read|quote|give|tell|find|cite|see"
    r"|was (?:steht|sagt|besagt|regelt)|wie lautet|que (?:dit|prévoit)|qu'est-ce que dit)\b"
    r"(?: (?:me|us|out|know))*(?: (?:what|the (?:text|wording|content)s?|said|written|stated|es))*"
    r"(?: (?:does|is|are|in|of|on|under|at|to|that|the|der|die|das|im|l['’]|le|la|dans))*\s*",
    re.IGNORECASE,
)
_SAYING = re.compile(
    r"\b(?:say|says|said|state|states|stated|provide|provides|read|reads|contain|contains|require|requires|mean|means|about"
    r"|forbids?|prohibits?|allows?|permits?|prescribes?|covers?|regulates?|lays? down|deals? with"
    r"|tell us|there|exactly|and)\b",
    re.IGNORECASE,
)
_OF = re.compile(r"\s*(?:,|\(|of|in|from|on|to|under|for|des|der|vom|im|du|de|d['’])(?:\b|\s)", re.IGNORECASE)
"""How asking for a part of a document begins, what else it says, and how it goes on to name the document."""
_QUOTED = re.compile(r"[\"“„«][^\"”“»]{1,400}[\"”“»]")
_YEARS = re.compile(r"(?<![\w.,/–-])((?:1\d|20)\d\d)[-–/]((?:1\d|20)\d\d|\d\d?)(?![\w/–-]|[.,]\d)")
_IN_YEARS = re.compile(
    r"(?:[(,]|\b(?:in|of|for|from|to|since|until|till|during|between|by|through|the|years?|seasons?|sessions?|winter|war|about"
    r"|im|von|für|seit|bis|jahr|saison|en|de|pour|depuis|hiver))\s*\Z",
    re.IGNORECASE,
)
"""What stands before a span of years; in "complaint 1918/22" it is a number."""
_TOLD = re.compile(r" \((?P<before>(?:[^()]|\(\w{1,4}\))+)\)$")
"""What was asked before, behind a follow-up (`worker/asking/conversation.py`), or what who asks put there."""
_GOES_ON = re.compile(r"^(?:(?:and|but|so|or|also|(?:what|how) about),? )+", re.IGNORECASE)
_WHOSE = re.compile(r"(?:his|her|its|their|whose)\b", re.IGNORECASE)


def read_question(text: str, *, spelled_spans: bool = False) -> Question:
    """Take a question apart. Any text is a question; one without content words is `empty`. With `spelled_spans` what
    looks like a span of years is an identifier: complaint 1918/22, accession 1986-9.
    """
    text = " ".join(text.split())
    given, text = text, text if spelled_spans else _YEARS.sub(_in_full, text)
    plan = analyse(text)
    before = _TOLD.search(text)
    asks = text.endswith("?") or _ASKING.match(text) is not None or (before is not None and "?" in text)
    parts = parts_named(text)
    # Of "5/7/1948" a page may say "5 July 1948": no identifier, and its figures are no numbers.
    beside = {t.form for t in tokens(text) if not _has_digit(t.form) and not is_silent(t.form, text)}
    dates = [d for d in dates_named(flat(text)) if not any(map(str.isalpha, text[d.start : d.end]))]
    dates = dates if asks or len(beside) > MAX_HINTS else []
    roles: dict[str, Role] = {}
    marks = [span for span in shelf_marks(text) if squeeze(text[slice(*span)]) in {t.form for t in plan.terms}]
    roles |= {squeeze(text[start:end]): Role.IDENTIFIER for start, end in marks}
    whole_until = -1
    for number, token in enumerate(tokens(text)):
        whole_until = max((end for start, end in marks if start <= token.start), default=whole_until)
        raw = text[token.start : token.end]
        if any(d.start == token.start and token.end == d.end for d in dates):
            roles[token.form] = Role.NAME  # a page that does not have the date, however it writes it, tells of another
        elif token.end <= whole_until or any(part.start <= token.start < part.end for part in (*parts, *dates)):
            roles.setdefault(token.form, Role.PART)
        elif raw == "s" and text[token.start - 1] in "'’":
            roles.setdefault(token.form, Role.PART)  # of "BP-2017's"
        elif token.identifier and _is_identifier(raw):
            roles[token.form] = Role.IDENTIFIER
            whole_until = token.end
        elif _has_digit(raw) or (raw[:1].isupper() and (number > 0 or not asks) and token.form not in _COURTESY):
            roles[token.form] = Role.NAME
        elif stem(token.form) in _FRAME or is_silent(token.form, text) or token.form in _COURTESY:
            roles.setdefault(token.form, Role.FRAME)
        else:
            roles.setdefault(token.form, Role.CONTENT)
    roles |= {term.form: Role.PART for term in plan.terms if term.part and roles.get(term.form) is not Role.NAME}
    dated = {t.form for t in tokens(plan.text) if any(d.start <= t.start < d.end for d in plan.dated)}
    loose = {
        token.form
        for token in tokens(_QUOTED.sub(" ", text))
        if roles.get(token.form) in {Role.CONTENT, Role.NAME} and not _has_digit(token.form)
    } - dated
    numbered = any(_has_digit(form) for form, role in roles.items() if role is Role.NAME)
    spelled = bool(plan.phrases) or Role.IDENTIFIER in roles.values()
    lookup = not asks and ((spelled and len(loose) <= MAX_HINTS) or (numbered and not loose))
    named = tuple(roles.get(term.form, Role.CONTENT) for term in plan.terms)
    told: frozenset[int] = frozenset()
    if before is not None:
        own = {token.form for token in tokens(text[: before.start()])}
        told = frozenset(n for n, term in enumerate(plan.terms) if term.form not in own)
    kind = _kind_of(text, before, names_only=_only_names(named, told)) if asks else Kind.ANY
    end = before.start() if before is not None else len(text)
    parts = tuple(part for part in parts if part.start < end) or parts  # "And rule 9? (What does rule 8 say?)"
    if parts and not plan.phrases:
        lookup = not asks or _asks_what_it_says(text[:end] if parts[0].start < end else text, parts)
    focus = _focus(text, plan, named) if asks else None
    return Question(given, plan, kind, named, lookup, focus, parts, told, text != given)


def read_over(text: str, texts: Sequence[str]) -> Question:
    """The question as these texts are asked it. What looks like a span of years is an identifier where one of them has
    it so: then its "1932-33" is not the "1931-32" beside it, nor its accession 1986-9 the 1986-8.
    """
    asked = read_question(text)
    if asked.spans:
        spelled = read_question(text, spelled_spans=True)
        summaries = matcher_of(spelled.plan).summaries(texts)
        there = {n for summary in summaries for n, quality in summary.terms.items() if quality >= SHAPE_QUALITY}
        if there.issuperset(spelled.numbers(Role.IDENTIFIER)):
            return replace(spelled, lookup=asked.lookup)  # "rent in 2022-23" asks for more than where the years stand
    return asked


def _only_names(roles: tuple[Role, ...], told: frozenset[int]) -> bool:
    return Role.CONTENT not in {role for number, role in enumerate(roles) if number not in told}


def _asks_what_it_says(text: str, parts: tuple[PartName, ...]) -> bool:
    """Whether the question is about nothing but the parts: before the first stands only that their text is wanted,
    and behind it only where they are.
    """
    before = _OPENING.sub("", _GOES_ON.sub("", text[: parts[0].start], count=1))
    behind = _SAYING.sub("", text[parts[-1].end :])
    return not before.strip(" ,:") and (not behind.strip(" ?.!") or _OF.match(behind) is not None)


def _focus(text: str, plan: QueryPlan, roles: tuple[Role, ...]) -> int | None:
    words: list[str] = []
    if match := _FOCUS_OF.search(text):
        words = match.group(1).split()
    elif match := _FOCUS.search(text):
        words = match.group(1).split()
        if not re.fullmatch(_HELPER, match.group(2), re.IGNORECASE):
            words = words[:-1]  # "which company built the ...": before an article stands a verb
    forms = [fold(word) for word in words]
    numbers = [n for n, term in enumerate(plan.terms) if term.form in forms and roles[n] is Role.CONTENT]
    return numbers[-1] if numbers else None


def _is_identifier(raw: str) -> bool:
    """Letters and digits together, or digits in groups that are no plain number, date or year."""
    digits = sum(c.isdigit() for c in raw)
    letters = any(c.isalpha() for c in raw)
    return digits >= 3 and (letters or len(raw) > 5) and not re.fullmatch(r"(?:1\d|20)\d\ds?", raw)


def _in_full(years: re.Match[str]) -> str:
    """Both years of a span: of 1888-89 a page says "Easter 1888 to Easter 1889"."""
    first, last = years[1], years[2]
    is_one = last > first[-len(last) :] and _IN_YEARS.search(years.string[max(0, years.start() - 20) : years.start()])
    return f"{first} to {first[: -len(last)]}{last}" if is_one else years.group()


def _has_digit(word: str) -> bool:
    return any(c.isdigit() for c in word)


def _kind_of(text: str, before: re.Match[str] | None, *, names_only: bool) -> Kind:
    """Of a follow-up the kind that its own words ask for ("And where?", "Was it mended?", "And her salary?"). Where
    they are `names_only` ("And Brook?") they ask the same as before.
    """
    if before is None:
        return _kind(text)
    own = _GOES_ON.sub("", text[: before.start()], count=1)
    kind = _kind(own)
    if kind is not Kind.ANY or _ASKING.match(own) or _WHOSE.match(own):
        return kind
    return _kind(before["before"] if names_only else text)


def _kind(text: str) -> Kind:
    opened = next((kind for opener, kind in _OPENERS.items() if re.match(opener, text, re.IGNORECASE)), None)
    if opened is not None:
        return opened
    return next((kind for kind, pattern in _PATTERNS.items() if pattern.search(text)), Kind.ANY)
