"""Words that are written in full on one page and short on another: "Doctor" and "Dr.", "Street" and "St.".

A query that has one of them looks for the other as well. Only pairs whose short form is hardly another word; "No." for
number and "in." for inch are not among them.
"""

from __future__ import annotations

_PAIRS_TEXT = (
    "street st, saint st, avenue ave, avenue av, road rd, boulevard blvd, terrace ter, square sq, lane ln, mount mt, "
    "doctor dr, professor prof, reverend rev, captain capt, lieutenant lt, sergeant sgt, colonel col, major maj, "
    "general gen, honourable hon, governor gov, senator sen, president pres, superintendent supt, assistant asst, "
    "mister mr, junior jr, senior sr, esquire esq, "
    "company co, companies cos, limited ltd, corporation corp, incorporated inc, brothers bros, department dept, "
    "association assn, association assoc, university univ, government govt, secretary secy, treasurer treas, "
    "committee cttee, telephone tel, "
    "william wm, thomas thos, charles chas, james jas, george geo, robert robt, joseph jos, samuel saml, "
    "alexander alex, edward edw, benjamin benj"
)


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
    return _OTHERS.get(form, ())
