"""What fields of a form and offices are called, where no colon tells, and their values; terms and their meanings.

Knows texts and no page.
"""

from __future__ import annotations

from collections.abc import Sequence

from worker.layout.kinds import ends_sentence, is_numeric, starts_small

_MOST_WORDS = 4
_SHARE = 0.6  # of the names, more than of what stands beside them
_FEWEST_TERMS, _TERM, _SENTENCE = 3, 20, 28  # and characters of a term and of a line of its text on average
_PERSON = (
    "name names surname forename forenames christian address residence occupation profession trade rank employer age "
    "sex birth born baptised married widowed status religion parish county nationality kin telephone email "
    "vorname familienname nachname anschrift adresse wohnort beruf geburtsdatum geburtsort geboren "
    "nom prénom prénoms domicile métier naissance lieu"
)
_PAPER = (
    "date dated no number reference ref subject title author publisher edition shelfmark depositor donor accession "
    "extent language provenance condition place landlord tenant vendor purchaser premises term rent plaintiff "
    "defendant court judge datum nummer betreff numéro objet titre auteur"
)
_PATIENT = "ward bed diagnosis consultant admitted discharged died allergies weight height temperature pulse dose"
_OFFICE = (
    "chairman chairwoman president treasurer secretary auditor auditors librarian archivist matron superintendent "
    "clerk registrar curator surveyor solicitor solicitors bankers physician surgeon chaplain steward "
    "vorsitzender schatzmeister schriftführer kassier président trésorier secrétaire"
)
_FIELDS = frozenset(f"{_PERSON} {_PAPER} {_PATIENT} {_OFFICE}".split())


def are_fields(left: Sequence[str], right: Sequence[str]) -> bool:
    """Are the texts on the left mostly names of fields, and those on the right not?"""
    return _share(left) - _share(right) > _SHARE


def are_values(left: Sequence[str], right: Sequence[str]) -> bool:
    """Names of things without figures, and beside them what they are, some of it figures. Addresses have commas, and
    figures, if any, on both sides.
    """
    if any(c.isdigit() for text in left for c in text) or any(text.endswith(",") for text in (*left, *right)):
        return False
    return sum(map(is_numeric, right)) >= max(2, 0.3 * len(right))


def are_terms(left: Sequence[str], right: Sequence[str], first: Sequence[int]) -> bool:
    """Are those on the left terms, and those on the right what they mean? `first` tells which on the right stand level
    with a term: there sentences begin, and only there.
    """
    if len(left) < _FEWEST_TERMS or sum(map(len, right)) < _SENTENCE * len(right):
        return False
    if sum(map(len, left)) > _TERM * len(left) or any(map(starts_small, left)):
        return False
    begun = sum(right[k][:1].isupper() and (not k or ends_sentence(right[k - 1])) for k in first)
    return begun > 0.8 * len(first) and any(ends_sentence(right[k]) for k in first)


def _share(texts: Sequence[str]) -> float:
    return sum(map(_is_field, texts)) / max(1, len(texts))


def _is_field(text: str) -> bool:
    """As "Surname", "Date of birth", "Hon. Treasurer" are."""
    words = [word.strip(".,()") for word in text.casefold().replace("-", " ").split()]
    return 0 < len(words) <= _MOST_WORDS and (words[0] in _FIELDS or words[-1] in _FIELDS)
