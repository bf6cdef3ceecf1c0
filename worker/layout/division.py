"""Whether a hyphen at a line end is the word's own or the printer's. Knows words and no lines.

It is the word's own where the compound stands unbroken elsewhere on the page; where the part before it is a whole word
of a longer compound ("state-of-the-", "art", but not "well-estab-", "lished"); after "self", "half", "well" or
"quasi"; in numbers ("twenty-", "five"); and where French sets a pronoun behind its verb ("disait-", "il").
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

_COMPOUNDS = frozenset({"self", "half", "well", "quasi"})
# Words that stand inside a compound of three parts and more, of the languages that join words so.
_ENGLISH = "a an and as at by for from in into it no o of off on or out so the to up upon with"
_FRENCH = "à au aux c'est ce ci d de des du en et la le les l là pas plus sous sur t tu y"
_OTHERS = "al am an auf aus bei bis con da del der di die e el il im in los mit por und von vor zu zum zur"
_LINKS = frozenset(f"{_ENGLISH} {_FRENCH} {_OTHERS}".split())
_TENS = frozenset({"twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"})
_CARDINALS = frozenset({"one", "two", "three", "four", "five", "six", "seven", "eight", "nine"})
_ORDINALS = frozenset({"first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"})
_INVERTED = frozenset({"il", "elle", "ils", "elles"})  # behind t or d: no French word is divided there
_FIXED = frozenset({"peut-être", "rendez-vous", "vis-à-vis", "lui-même", "elle-même", "au-dessus", "au-dessous"})


def keeps_hyphen(text: str, first: str, rest: str, seen: AbstractSet[str]) -> bool:
    """Is the hyphen between `first` and `rest`, both in lower case, the word's own?

    `text` is the first half as it is set, with its hyphen; `seen` are the page's words in lower case.
    """
    compound = f"{first}-{rest}"
    if compound in seen or compound in _FIXED or first in _COMPOUNDS:
        return True
    before, _, part = first.rpartition("-")
    if before:
        # "Nord-Süd-Verbin-", "dung": a part with a capital would go on with one, were it whole.
        capital = text.rstrip("-").rpartition("-")[2][:1].isupper()
        return part in seen or (not capital and (part in _LINKS or part in _TENS))
    if first in _TENS:
        return rest.partition("-")[0] in _CARDINALS | _ORDINALS
    return rest in _INVERTED and first[-1] in "td"
