"""Whether a piece of text holds the kind of thing that a question asks for.

`spans_of(kind, text)` gives the places of dates, amounts, numbers, names, ... in a text. They are found by
form alone (no model, no gazetteer): English number and month words, the common currency signs, capital letters.
Old documents are meant as much as new ones: guineas, 6d, "the 2nd of October", "half past seven".
"""

from __future__ import annotations

import re

from worker.answer.asking import Kind

_NUMERALS = (
    "zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen"
    "|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|dozen|score|half|third|quarter"
    "|once|twice|thrice|double|both|none|nil|no|single"
)
_FOREIGN_NUMERALS = (
    r"(?:zwei|drei|vier|fünf|sechs|sieben|acht|neun|zwölf"
    r"|[a-zäöüß]*(?:zehn|zwanzig|dreißig|vierzig|fünfzig|sechzig|siebzig|achtzig|neunzig|hundert|tausend)"
    r"|deux|trois|quatre|cinq|huit|neuf|dix|onze|douze|treize|quatorze|quinze|seize|vingt|trente|quarante|cinquante"
    r"|soixante|mille)"
)
"""German and French; those that are English words too are left out."""
_WORDS = rf"\b(?:{_NUMERALS})(?:[ -](?:and |a )?(?:{_NUMERALS}))*\b"
_DIGITS = r"(?<![\w.])[+−-]?\d{1,3}(?:[., ]\d{3})+(?:[.,]\d+)?(?![\d])|(?<![\w])[+−-]?\d+(?:[.,/]\d+)*(?:½|¼|¾)?"
_NUMBER = rf"(?:{_DIGITS}|{_WORDS}|\b{_FOREIGN_NUMERALS}(?:[ -](?:et )?{_FOREIGN_NUMERALS})*\b)"
_MONTH = (
    r"\b(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?|januar|februar|märz|mai|juni|juli|oktober|dezember|janvier|février|avril|juin"
    r"|juillet|août|septembre|octobre|novembre|décembre)\b\.?"
)
_YEAR = r"\b(?:1[0-9]|20)\d\d\b"
_DAY_NUMBER = r"\d{1,2}(?:st|nd|rd|th|er|\.)?"
_NUMERIC_DATE = r"\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|\b\d{4}-\d\d-\d\d\b"
_WEEKDAY = r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b"
_SEASON = (
    r"\b(?:easter|christmas|whitsun(?:tide)?|michaelmas|lady day|good friday|palm sunday|new year'?s?(?: eve| day)?"
    r"|midsummer|spring|summer|autumn|winter|tomorrow|yesterday|to-?day|to-?night|next (?:week|month|year))\b"
)
_CURRENCY = (
    r"(?:pounds?|shillings?|pence|pennies|penny|guineas?|farthings?|crowns?|dollars?|cents?|euros?|francs?|marks?|kronor"
    r"|kroner|kronen?|lire?|pesetas?|roubles?|rubles?|rupees?|yen|escudos?|florins?|gulden|guilders?|thalers?|sovereigns?"
    r"|threepence|sixpence|twopence|halfpenny|usd|eur|gbp|chf)"
)
_CODE = (
    r"(?:(?:gbp|usd|eur|chf|sek|nok|dkk|jpy|inr|cny|aud|cad|nzd|zar|us\$|hk\$|₹|₤)"
    r"|(?-i:DM|RM|Rs|Frs?|frs?|F[Ll]|fl(?!\.? ?oz)|Kr|kr|Kčs?|zł|Lit)(?![\w]))\.?"
)
"""Stands before a sum as well as behind it. "Rm. 12" is a room."""
_TIME_UNIT = (
    r"(?:seconds?|minutes?|min|hours?|hrs?|days?|nights?|weeks?|fortnights?|months?|years?|yrs?|decades?|centur(?:y|ies)"
    r"|terms?)"
)
_UNIT = (
    r"(?:%|°|mm|cm|m|km|kg|g|mg|t|l|ml|hp|kw|kwh|mw|w|kva|v|a|hz|khz|mhz|db|bar|mbar|psi|pa|kpa|mpa|rpm|knots?|kn|mph|m/s"
    r"|km/h|m2|m3|m²|m³|sq\.?|cubic|square|inch(?:es)?|in\.|feet|foot|ft|yards?|miles?|fathoms?|leagues?|furlongs?|acres?"
    r"|hectares?|ha|tons?|tonnes?|cwt|hundredweight|stones?|lbs?|ounces?|oz|gallons?|pints?|litres?|liters?|metres?"
    r"|meters?|centimetres?|kilometres?|millimetres?|kilograms?|grams?|grammes?|kilos?|degrees?|per ?cent|percent"
    r"|volts?|watts?|horse-?power|barrels?|bushels?|sacks?|pages?|candle-?power)"
)
_TITLE = (
    r"(?:Mr|Mrs|Ms|Miss|Dr|Prof|Professor|Sir|Lord|Lady|Captain|Capt|Rev|Sister|Brother|Councillor|Cllr|Major|Colonel|Col"
    r"|Constable|Inspector|Father|Widow|Sergeant|Alderman|Messrs|Nurse|Matron|Madame|Herr|Frau|St)"
)
_NAME = (
    rf"\b(?:{_TITLE}\.? )?(?:[A-Z]\.[ ]?)*[A-Z][a-zà-ÿ'’]+"
    r"(?:[- ](?:(?:[A-Z]\.?|de|van|von|of|the|and|&)[ ])*[A-Z][\w'’]+)*"
)
_OFFICE = (
    r"\b(?:secretary|treasurer|chairman|chairwoman|captain|master|mate|engineer|surveyor|architect|sexton|vicar|caretaker"
    r"|mayor|porter|driver|guard|keeper|pilot|coxswain|matron|nurse|doctor|surgeon|warden|foreman|clerk|committee|council"
    r"|ministry|board|company|society|club|department|trust|firm|office|widow|wife|son|daughter|brother|sister|father"
    r"|mother|students?|members?|tenants?|pensioners?|fishermen|crew|inspector|director|manager|contractor|builder"
    r"|carpenter|smith|teacher|owner|harbour ?master)\b"
)

_PATTERNS: dict[Kind, tuple[str, ...]] = {
    Kind.DATE: (
        rf"\b{_DAY_NUMBER}(?: of)? (?:{_MONTH})(?:,? {_YEAR})?",
        rf"(?:{_MONTH}) {_DAY_NUMBER}(?:,? {_YEAR})?",
        rf"(?:{_MONTH})(?:,? {_YEAR})?",
        rf"{_NUMERIC_DATE}|\bthe \d{{1,2}}(?:st|nd|rd|th)\b",
        rf"{_YEAR}|{_WEEKDAY}|{_SEASON}",
    ),
    Kind.TIME: (
        r"\b\d{1,2}[.:]\d\d(?: ?[ap]\.?m\.?)?\b|\b\d{1,2} ?[ap]\.?m\b|o'clock|\b\d{4} h(?:ou)?rs",
        r"\bnoon\b|\bmidnight\b|\bdawn\b|\bdusk\b|\bsun(?:rise|set)\b|\b(?:half|quarter|minutes?) (?:past|to)\b",
        rf"{_WORDS} (?:in the (?:morning|afternoon|evening)|at night)",
    ),
    Kind.MONEY: (
        rf"[£$€¥] ?\d[\d.,]*(?: (?:million|billion|thousand))?|\b\d[\d.,]* ?[£$€¥]|{_NUMBER} ?{_CURRENCY}\b",
        rf"(?<!\w){_CODE} ?\d[\d.,]*|\b\d[\d.,]* ?{_CODE}(?!\w)",
        r"\b\d+ ?(?:s|d|p|c|l)\b\.?(?! ?[a-z])|\b\d+/(?:\d+|-)|\b\d[\d.,]*[.,]\d\d\b",
        r"\b(?:a penny|a shilling|a pound|free of charge|free|no charge|threepence|sixpence|twopence|tuppence|nil)\b",
    ),
    Kind.NUMBER: (_NUMBER,),
    Kind.MEASURE: (rf"{_NUMBER}[ -]?(?:{_UNIT}|{_TIME_UNIT})(?![\w])", r"\b\d+ ?° ?[CF]?|\b1 in \d+|\bone in \w+"),
    Kind.DURATION: (
        rf"{_NUMBER}[ -](?:[a-z]+ )?{_TIME_UNIT}\b|\baged? \w+",
        rf"\b(?:every|each|per|a|once a|twice a) (?:\w+ )?{_TIME_UNIT}\b",
        r"\b(?:daily|weekly|monthly|quarterly|annual(?:ly)?|yearly|hourly|for life|always|fortnightly|immediately)\b",
    ),
    Kind.SHARE: (
        rf"{_NUMBER} ?(?:%|per ?cent|percent)",
        r"\b(?:half|third|quarter|two[- ]thirds|three[- ]quarters|majority|all|tenth|fifth)\b",
        r"\b\w+ (?:in|out of) \w+\b",
    ),
    Kind.CONTACT: (
        r"\S+@\S+\.\w+|\bwww\.\S+|https?://\S+|(?<!\w)\+?\d[\d /()-]{5,}\d",
        r"\b\d+[a-z]? [a-z]\w+ (?:street|road|lane|avenue|square|quay)",
    ),
    Kind.PERSON: (rf"{_NAME}|(?i:{_OFFICE})",),
    Kind.PLACE: (
        r"\b(?:in|at|on|near|to|from|under|behind|beside|between|opposite|above|below|along|off|outside|inside|into|over)"
        r" (?:the |a |an |its |his |her |their |our )?[\w'’]+",
    ),
    Kind.REASON: (
        r"\b(?:because|owing to|due to|since|as|in consequence|on account of|thanks to|so that|in order to|to protect"
        r"|weil|denn|wegen|infolge|parce que|à cause d\w*|puisque|grâce à"
        r"|reason|caused?|being|having|for want of|as a result|therefore|for fear|lest|could not|too \w+|through)\b",
    ),
}
_COMPILED = {
    kind: re.compile("|".join(parts), 0 if kind is Kind.PERSON else re.IGNORECASE) for kind, parts in _PATTERNS.items()
}

_WHOLE_DATE = re.compile(
    rf"{_NUMERIC_DATE}|\b{_DAY_NUMBER}(?: of)? (?:{_MONTH}),? {_YEAR}|(?:{_MONTH}) {_DAY_NUMBER},? {_YEAR}",
    re.IGNORECASE,
)
"""Dates with day, month and year: their figures count nothing, cost nothing and are no telephone number."""

HARD_KINDS = frozenset(
    {Kind.DATE, Kind.TIME, Kind.MONEY, Kind.NUMBER, Kind.MEASURE, Kind.DURATION, Kind.SHARE, Kind.CONTACT}
)
"""Kinds whose form is plain: text without one does not answer. Of persons, places and reasons the form is a hint."""

_CAPITALISED = """
    the a an this that these those it he she they we i you there here in on at of for from to by with and but or
    if as when while where which who no not all any some our your their his her its total date name no. after
    before since until during such should was were is are has have had january february march april may june july
    august september october november december monday tuesday wednesday thursday friday saturday sunday
"""
_SINGLE = re.compile(r"[A-Z][a-zà-ÿ'’]+")
_NOT_NAMES = frozenset(_CAPITALISED.split())


def spans_of(kind: Kind, text: str) -> list[tuple[int, int]]:
    """Places in `text` that could be an answer of this kind; empty for `Kind.ANY`."""
    pattern = _COMPILED.get(kind)
    if pattern is None:
        return []
    spans = [m.span() for m in pattern.finditer(text)]
    if kind in HARD_KINDS and kind is not Kind.DATE and spans:
        dates = [m.span() for m in _WHOLE_DATE.finditer(text)]
        spans = [(a, b) for a, b in spans if not any(start <= a and b <= end for start, end in dates)]
    if kind is Kind.PERSON:
        spans = [(a, b) for a, b in spans if text[a:b].lower() not in _NOT_NAMES and not _opens_sentence(text, a, b)]
    return spans


def _opens_sentence(text: str, start: int, end: int) -> bool:
    """Whether a capital letter is there only because a sentence or a line begins (a table cell may be a name)."""
    if not _SINGLE.fullmatch(text, start, end):
        return False
    before = text[:start].rstrip(" \t\"'“‘(*_#")
    return not before or before[-1] in ".!?:\n"
