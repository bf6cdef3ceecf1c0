"""What a short text looks like: a bullet, a number, a label, a page number. Knows no geometry."""

from __future__ import annotations

import re
import unicodedata

BULLETS = frozenset("•●○◦▪▫■□◆◇►▶▸‣⁃∙·–*❖➢➤✓✔-")
TICKS = frozenset("✓✔")  # bullets that say something: on a form, what was ticked
_ENUMERATOR = re.compile(
    r"(?:\(?(?:\d{1,3}(?:\.\d{1,3}){0,4}|[a-z]|[A-Z]|[ivxlc]{1,6}|[IVXLC]{1,6})[.)]|\d{1,2}(?:\.\d{1,3}){1,4}|§+\s?\d{1,4})"
)
_ITEM = re.compile(
    r"(?:\((?:\d{1,3}|[a-z]|[ivx]{1,5})\)|(?:\d{1,3}|[a-z])[.)]|[ivx]{1,5}[.)]|\d{1,2}(?:\.\d{1,3}){1,4}\.?)$"
)
_SECTION = re.compile(r"§{1,2}\s?\d{1,4}\s?[a-z]?[.)]?")
_COUNTED = re.compile(r"(?:[^\W\d_]{1,12}\.?\s)?[\[(]?(\d{1,4})[\])]?[.:]?")
_ROMAN = r"[ivxlc]{1,7}|[IVXLC]{1,7}"
_PAGE = re.compile(
    rf"[-–—\s\[(|]*(?:(?:page|seite|p|pg|s|pagina|página)\b\.?\s*)?(?:\d{{1,4}}|{_ROMAN})"
    r"(?:\s*(?:/|of|von|de|sur|di)\s*\d{1,4})?[-–—\s\])|.]*",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\d{1,2}(?:st|nd|rd|th|\.)?\s?[^\W\d_]{3,9}\.?(?:\s\d{2,4})?|[^\W\d_]{3,9}\.?\s?\d{1,2}(?:,?\s\d{4})?"
)
_SENTENCE_END = re.compile(r"[.!?:…][\"'”’»)\]]*$")
_ENTRY = re.compile(r"[^\W\d_][^\n]*, \d[\dfn.,\s–-]*$")
_SUM = r"\d{1,9}(?:[.,/:-]\d{1,6}){0,3}\s?[½¼¾]?(?:/-|[.,]|[ds]\.?)?"  # "118", "1,204.50", "1/6", "2/-", "4½d."
_LED_TO = re.compile(rf"(?:(?:[£$€]\s?)?{_SUM}|\d{{1,4}}s\.? ?{_SUM}|[½¼¾]d\.?|[ivxlc]{{1,7}})$")
_DITTO = re.compile(r"(?:[\"'”“„‟″〃,/|\s]{1,8}|d[o°º]\.?|ditto\.?|dto\.?|idem|id\.)", re.IGNORECASE)
_LEADERS = {".": 4, "·": 4, "…": 2}  # how many make a leader
_RIGHT_TO_LEFT = "\u0590"  # no script before the Hebrew block runs from right to left
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uff60]")


def is_bullet(text: str) -> bool:
    return len(text) == 1 and text in BULLETS


def is_enumerator(text: str) -> bool:
    """A bullet or a number of a list or clause standing alone: "•", "1.", "(a)", "iv)", "2.3"."""
    return is_bullet(text) or _ENUMERATOR.fullmatch(text) is not None


def is_item_number(word: str) -> bool:
    """A first word that makes its line an item: "1.", "(a)", "3)", "2.1"."""
    return _ITEM.match(word) is not None


def is_section_number(text: str) -> bool:
    """The number of a section of a law or a contract standing alone: "§ 4", "§ 12a"."""
    return _SECTION.fullmatch(text) is not None


def counted(text: str) -> int | None:
    """The number of what is counted by a number alone, behind a word or in brackets: "14", "Art. 14", "[14]"."""
    found = _COUNTED.fullmatch(text)
    return int(found[1]) if found else None


def item_ordinal(word: str) -> tuple[str, int] | None:
    """The style and the number of "3." or "(c)" where it counts by plain numbers or letters."""
    core = word.strip("().")
    style = word.replace(core, "#", 1) if core else ""
    if core.isdecimal():
        return style + "1", int(core)
    if len(core) == 1 and core.isascii() and core.isalpha():
        return style + ("a" if core.islower() else "A"), ord(core.lower()) - 96
    return None


def dotted(word: str) -> tuple[int, ...]:
    """The parts of "2", "2." or "2.1.3"; none of other words."""
    core = word.removesuffix(".")
    return tuple(map(int, core.split("."))) if re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){0,4}", core) else ()


def is_numeric(text: str) -> bool:
    """An amount, a date, a count, or the dash that stands for none: half of it or more is digits."""
    marks = [c for c in text if not c.isspace()]
    if _DATE.fullmatch(text.strip()):
        return True
    if marks and all(c in "-–—.*" for c in marks):
        return True
    letters = sum(c.isalpha() for c in marks)
    digits = sum(c.isdigit() for c in marks)
    return digits > 0 and (digits >= letters or (digits >= 2 and letters <= 4))


def is_ditto(text: str) -> bool:
    """What stands for "the same as above": marks under the word, or "Do.", "ditto", "id."."""
    return _DITTO.fullmatch(text.strip()) is not None


def is_label(text: str) -> bool:
    return text.endswith(":") and len(text) <= 48


def has_leader(text: str) -> bool:
    """An entry of a table of contents or a list of prices: dots lead from its words to its number."""
    number = _LED_TO.search(text, max(0, len(text) - 12))
    if number is None:
        return False
    return ends_in_leader(text[: number.start()])


def ends_in_leader(text: str) -> bool:
    """Words, and dots that lead from them to what stands next on the line."""
    # By hand from the end: a pattern tries a row of dots from each of them anew.
    end = len(text.rstrip())
    mark = text[end - 1] if end else ""
    count = 0
    while end and (text[end - 1] == mark or (text[end - 1].isspace() and text[max(0, end - 2)] == mark)):
        count += text[end - 1] == mark
        end -= 1
    return count >= _LEADERS.get(mark, count + 1) and any(character.isalnum() for character in text[:end])


def is_entry(text: str) -> bool:
    """An entry of an index: "anchors, price of, 118", "lifeboat, 74-8, 80 ff."."""
    return _ENTRY.match(text) is not None


def is_page_number(text: str) -> bool:
    return _PAGE.fullmatch(text.strip()) is not None


def ends_sentence(text: str) -> bool:
    return _SENTENCE_END.search(text) is not None


def starts_lower(text: str) -> bool:
    return text[:1].islower()


def starts_small(text: str) -> bool:
    """A small letter, or one of a script without capitals."""
    return text[:1].isalpha() and not text[:1].isupper()


def is_all_caps(text: str) -> bool:
    letters = [c for c in text if c.isalpha()]
    return len(letters) >= 4 and sum(c.isupper() for c in letters) >= 0.95 * len(letters)


def is_cjk(char: str) -> bool:
    return _CJK.match(char) is not None


def runs_left(text: str) -> bool:
    """Whether most of the text's letters are of a script that runs from right to left."""
    if not text or max(text) < _RIGHT_TO_LEFT:
        return False
    directions = [unicodedata.bidirectional(character) for character in text]
    return sum(d in ("R", "AL") for d in directions) > directions.count("L")
