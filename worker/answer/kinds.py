"""Whether a piece of text holds the kind of thing that a question asks for.

`spans_of(kind, text)` gives the places of dates, amounts, numbers, names, ... in a text. They are found by
form alone (no model, no gazetteer): English number and month words, the common currency signs, capital letters.
Old documents are meant as much as new ones: guineas, 6d, "the 2nd of October", "half past seven".
"""

from __future__ import annotations

import re

from worker.answer.asking import Kind

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million dozen score half "
    "third quarter once twice thrice double both none nil no single"
).split()
_WORDS = rf"\b(?:{'|'.join(_UNITS)})(?:[ -](?:and |a )?(?:{'|'.join(_UNITS)}))*\b"
_DIGITS = r"(?<![\w.])[+−-]?\d{1,3}(?:[., ]\d{3})+(?:[.,]\d+)?(?![\d])|(?<![\w])[+−-]?\d+(?:[.,/]\d+)*(?:½|¼|¾)?"
_NUMBER = rf"(?:{_DIGITS}|{_WORDS})"
_MONTH = (
    r"\b(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_DAY = r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b"
_FEAST = (
    r"\b(?:easter|christmas|whitsun(?:tide)?|michaelmas|lady day|good friday|palm sunday|new year'?s?(?: eve| day)?|"
    r"midsummer|spring|summer|autumn|winter|tomorrow|yesterday|to-?day|to-?night|next (?:week|month|year))\b"
)
_YEAR = r"\b(?:1[0-9]|20)\d\d\b"
_CURRENCY = (
    r"pounds?|shillings?|pence|pennies|penny|guineas?|farthings?|crowns?|dollars?|cents?|euros?|francs?|marks?|kronor|kroner"
    r"|kronen?|lire?|pesetas?|roubles?|rubles?|rupees?|yen|escudos?|florins?|gulden|guilders?|thalers?|sovereigns?|threepence"
    r"|sixpence|twopence|halfpenny|usd|eur|gbp|chf"
)
_TIME_UNIT = r"(?:seconds?|minutes?|min|hours?|hrs?|days?|nights?|weeks?|fortnights?|months?|years?|yrs?|decades?|centur(?:y|ies)|terms?)"
_MEASURE_UNIT = (
    r"(?:%|°|mm|cm|m|km|kg|g|mg|t|l|ml|hp|kw|kwh|mw|w|kva|v|a|hz|khz|mhz|db|bar|mbar|psi|pa|kpa|mpa|rpm|knots?|kn|mph|m/s"
    r"|km/h|m2|m3|m²|m³|sq\.?|cubic|square|inch(?:es)?|in\.|feet|foot|ft|yards?|miles?|fathoms?|leagues?|furlongs?|acres?"
    r"|hectares?|ha|tons?|tonnes?|cwt|hundredweight|stones?|lbs?|ounces?|oz|gallons?|pints?|litres?|liters?|metres?|meters?"
    r"|centimetres?|kilometres?|millimetres?|kilograms?|grams?|grammes?|kilos?|degrees?|per ?cent|percent|volts?|watts?"
    r"|horse-?power|barrels?|bushels?|sacks?|pages?|candle-?power)"
)
_NAME = (
    r"\b(?:(?:Mr|Mrs|Ms|Miss|Dr|Prof|Professor|Sir|Lord|Lady|Captain|Capt|Rev|Sister|Brother|Councillor|Cllr|Major|Colonel|Col"
    r"|Constable|Inspector|Father|Widow|Sergeant|Alderman|Messrs|Nurse|Matron|Madame|Herr|Frau|St)\.? )?"
    r"(?:[A-Z]\.[ ]?)*[A-Z][a-zà-ÿ'’]+(?:[- ](?:(?:[A-Z]\.?|de|van|von|of|the|and|&)[ ])*[A-Z][\w'’]+)*"
)
_OFFICE = (
    r"\b(?:secretary|treasurer|chairman|chairwoman|captain|master|mate|engineer|surveyor|architect|sexton|vicar|caretaker|mayor"
    r"|porter|driver|guard|keeper|pilot|coxswain|matron|nurse|doctor|surgeon|warden|foreman|clerk|committee|council|ministry|board"
    r"|company|society|club|department|trust|firm|office|widow|wife|son|daughter|brother|sister|father|mother|students?|members?"
    r"|tenants?|pensioners?|fishermen|crew|inspector|director|manager|contractor|builder|carpenter|smith|teacher|owner|harbour ?master)\b"
)

_PATTERNS: dict[Kind, tuple[str, int]] = {
    Kind.DATE: (
        rf"\b\d{{1,2}}(?:st|nd|rd|th)?(?: of)? (?:{_MONTH})(?:,? {_YEAR})?|(?:{_MONTH}) \d{{1,2}}(?:st|nd|rd|th)?(?:,? {_YEAR})?"
        rf"|(?:{_MONTH})(?:,? {_YEAR})?|\b\d{{1,2}}[./-]\d{{1,2}}[./-]\d{{2,4}}\b|\b\d{{4}}-\d\d-\d\d\b|{_YEAR}|{_DAY}|{_FEAST}"
        r"|\bthe \d{1,2}(?:st|nd|rd|th)\b",
        re.IGNORECASE,
    ),
    Kind.TIME: (
        r"\b\d{1,2}[.:]\d\d(?: ?[ap]\.?m\.?)?\b|\b\d{1,2} ?[ap]\.?m\b|o'clock|\bnoon\b|\bmidnight\b|\bdawn\b|\bdusk\b|\bsun(?:rise|set)\b"
        rf"|\b(?:half|quarter|minutes?) (?:past|to)\b|{_WORDS} (?:in the (?:morning|afternoon|evening)|at night)|\b\d{{4}} h(?:ou)?rs",
        re.IGNORECASE,
    ),
    Kind.MONEY: (
        rf"[£$€¥] ?\d[\d.,]*(?: (?:million|billion|thousand))?|{_NUMBER} ?(?:{_CURRENCY})\b|\b\d+ ?(?:s|d|p|c|l)\b\.?(?! ?[a-z])"
        r"|\b\d+/(?:\d+|-)|\b\d[\d.,]*[.,]\d\d\b|\b(?:a penny|a shilling|a pound|free of charge|free|no charge|"
        r"threepence|sixpence|twopence|tuppence|nil)\b",
        re.IGNORECASE,
    ),
    Kind.NUMBER: (_NUMBER, re.IGNORECASE),
    Kind.MEASURE: (
        rf"{_NUMBER}[ -]?(?:{_MEASURE_UNIT}|{_TIME_UNIT})(?![\w])|\b\d+ ?° ?[CF]?|\b1 in \d+|one in \w+",
        re.IGNORECASE,
    ),
    Kind.DURATION: (
        rf"{_NUMBER}[ -](?:[a-z]+ )?(?:{_TIME_UNIT})\b|\b(?:every|each|per|a|once a|twice a) (?:\w+ )?(?:{_TIME_UNIT})\b|\baged? \w+"
        r"|\b(?:daily|weekly|monthly|quarterly|annual(?:ly)?|yearly|hourly|for life|always|fortnightly|immediately)\b",
        re.IGNORECASE,
    ),
    Kind.SHARE: (
        rf"{_NUMBER} ?(?:%|per ?cent|percent)|\b(?:half|third|quarter|two[- ]thirds|three[- ]quarters|majority|all|tenth|fifth)\b"
        r"|\b\w+ (?:in|out of) \w+\b",
        re.IGNORECASE,
    ),
    Kind.CONTACT: (
        r"\S+@\S+\.\w+|\bwww\.\S+|https?://\S+|(?<!\w)\+?\d[\d /()-]{5,}\d|\b\d+[a-z]? [A-Z]\w+ (?:Street|Road|Lane|Avenue|Square|Quay)",
        0,
    ),
    Kind.PERSON: (rf"{_NAME}|(?i:{_OFFICE})", 0),
    Kind.PLACE: (
        r"\b(?:in|at|on|near|to|from|under|behind|beside|between|opposite|above|below|along|off|outside|inside|into|over)"
        r" (?:the |a |an |its |his |her |their |our )?[\w'’]+",
        re.IGNORECASE,
    ),
    Kind.REASON: (
        r"\b(?:because|owing to|due to|since|as|in consequence|on account of|thanks to|so that|in order to|to protect|reason|caused?"
        r"|being|having|for want of|as a result|therefore|for fear|lest|could not|too \w+|through)\b",
        re.IGNORECASE,
    ),
}
_COMPILED = {kind: re.compile(pattern, flags) for kind, (pattern, flags) in _PATTERNS.items()}

HARD_KINDS = frozenset(
    {Kind.DATE, Kind.TIME, Kind.MONEY, Kind.NUMBER, Kind.MEASURE, Kind.DURATION, Kind.SHARE, Kind.CONTACT}
)
"""Kinds whose form is plain: text without one does not answer. Of persons, places and reasons the form is a hint."""

_NOT_NAMES = frozenset(
    "the a an this that these those it he she they we i you there here in on at of for from to by with and but or if as when "
    "while where which who no not all any some our your their his her its total date name no. january february march april "
    "may june july august september october november december monday tuesday wednesday thursday friday saturday sunday "
    "after before since until during such should was were is are has have had".split()
)


def spans_of(kind: Kind, text: str) -> list[tuple[int, int]]:
    """Places in `text` that could be an answer of this kind; empty for `Kind.ANY`."""
    pattern = _COMPILED.get(kind)
    if pattern is None:
        return []
    spans = [m.span() for m in pattern.finditer(text)]
    if kind is Kind.PERSON:
        spans = [(a, b) for a, b in spans if text[a:b].lower() not in _NOT_NAMES]
    return spans
