"""What counts as a question, for every route that takes one."""

from __future__ import annotations

import unicodedata

from index.errors import InvalidRequest
from index.payload import storable

MAX_CHARS = 2000
_MOST_READ = 4 * MAX_CHARS  # a letter and its accents are four characters at most, where programs paste them apart

_NOTHING = ' \t\r\n"“”„«»'


def asked_text(value: str, name: str) -> str:
    """Without NUL and half surrogate pairs, which no index takes, letters as one with their accents, as pages have them
    (some programs paste them apart). `InvalidRequest` for one that is empty, or nothing
    but spaces and quotes, and for one that is too long: cut short it would be another question.
    """
    text = value.strip()
    if len(text) <= _MOST_READ:
        text = cleaned(text).strip()
    if not text.strip(_NOTHING):
        raise InvalidRequest(f"The {name} is empty.")
    if len(text) > MAX_CHARS:
        raise InvalidRequest(f"The {name} has {len(text)} characters; up to {MAX_CHARS} are read.")
    return text


def cleaned(value: str) -> str:
    """What a person wrote as pages have it; also nothing. Of what is longer than any question, the beginning: accents
    are put in their order one by one, which takes minutes where hundreds of thousands follow one another.
    """
    return unicodedata.normalize("NFC", storable(value[:_MOST_READ]).replace("\0", " "))
