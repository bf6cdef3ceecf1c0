"""Words that are written in one way on one page and in another on the next: "Doctor" and "Dr.", "Street" and "St.",
"baptised" and "baptized", "harbour" and "harbor", "gaol" and "jail".

A query that has one of them looks for the other as well. Only pairs whose short form is hardly another word; "No." for
number and "in." for inch are not among them. A rule for spellings may make what is no word ("motour"): no page has it.
"""

from __future__ import annotations

import re

from index.words import stem

_PAIRS_TEXT = (
    "street st, saint st, avenue ave, avenue av, road rd, boulevard blvd, terrace ter, square sq, lane ln, mount mt, "
    "doctor dr, professor prof, reverend rev, captain capt, lieutenant lt, sergeant sgt, colonel col, major maj, "
    "general gen, honourable hon, governor gov, senator sen, president pres, superintendent supt, assistant asst, "
    "mister mr, junior jr, senior sr, esquire esq, "
    "company co, companies cos, limited ltd, corporation corp, incorporated inc, brothers bros, department dept, "
    "association assn, association assoc, university univ, government govt, secretary secy, treasurer treas, "
    "committee cttee, telephone tel, "
    "william wm, thomas thos, charles chas, james jas, george geo, robert robt, joseph jos, samuel saml, "
    "alexander alex, edward edw, benjamin benj, "
    "gaol jail, connexion connection, waggon wagon, enquiry inquiry, enquiries inquiries, enquire inquire, "
    "despatch dispatch, judgement judgment, programme program, catalogue catalog, plough plow, kerb curb, "
    "mediaeval medieval, jewellery jewelry, shewn shown, shewed showed"
)
_S_OR_Z = re.compile(r"(?<=[a-z]{3}[^aeiou])i([sz])(?=(?:e[ds]?|ing|ers?|ations?)\Z)")
_OUR = re.compile(r"(?:(?<=[a-z]{3})|(?<=\bod))(ou?r)(?=(?:s|ed|ing|ers?|able|ably|ful|ite|ites|hood|less)?\Z)")
_RE = re.compile(r"(?:cent|(?:amphi)?theat|(?:kilo|centi|milli)?met|lit|fib|sab|mit|lust|calib|spect)(re|er)(?=s?\Z)")
"""Only words of which the other form is no other word: there are "timber" and "timbre", "register" and "registre"."""


def _read(pairs: str) -> dict[str, tuple[str, ...]]:
    others: dict[str, list[str]] = {}
    for pair in pairs.split(", "):
        full, short = pair.split()
        others.setdefault(full, []).append(short)
        others.setdefault(short, []).append(full)
    return {form: tuple(also) for form, also in others.items()}


_OTHERS = _read(_PAIRS_TEXT)


def also_written(form: str) -> tuple[str, ...]:
    """How else a folded word may be written; nothing for most."""
    return (*_OTHERS.get(form, ()), *_spelt(form))


def _spelt(form: str) -> tuple[str, ...]:
    """The British spelling of an American one, and the other way round."""
    if (found := _S_OR_Z.search(form)) is not None:
        other = "z" if found[1] == "s" else "s"
    elif (found := _OUR.search(form)) is not None:
        other = "our" if found[1] == "or" else "or"
    elif (found := _RE.match(form)) is not None:
        other = "er" if found[1] == "re" else "re"
    else:
        return ()
    written = form[: found.start(1)] + other + form[found.end(1) :]
    # Words are compared by their stems, and that of "authorized" is "author", which is another word.
    return (written,) if other != "z" or stem(written).endswith("z") else ()
