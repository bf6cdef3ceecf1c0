"""What training pages say: prose that lies on every machine with Python, and strings that nobody can guess.

The prose are the language reference's topics (`pydoc_data`) and the docstrings of the standard library, both under the
Python Software Foundation licence, and sentences made here in the manner of letters and minutes. One paragraph
in twenty, chosen by a hash of its words, is held out: only `Texts(held_out=True)` says it. Unguessable strings
(identifiers, amounts, dates, names, syllables) are drawn anew each time, so a model that writes them has read them.

Everything is a function of the random generator that is passed in and of the Python version.
"""

from __future__ import annotations

import ast
import hashlib
import random
import re
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from worker.train.phrases import ENDS, GIVEN, HEADINGS, LABELS, OBJECTS, SUBJECTS, SYLLABLES, VERBS

ALPHABET = " " + "".join(map(chr, range(33, 127))) + "£€§°–—’“”éèüöä"
"""The characters that pages are written with. The place in this string is the class of a character's label."""

_HELD_OUT_SHARE = 20
_SPACES = re.compile(r"\s+")
_PROSE = re.compile(r"[A-Za-z][a-z]+ [a-z]+ ")
_WORD = re.compile(r"[A-Za-z]{2,12}")
_MODULES = (
    "argparse", "ast", "asyncio/events", "bisect", "calendar", "codecs", "collections/__init__", "configparser",
    "contextlib", "csv", "datetime", "decimal", "difflib", "dis", "email/message", "enum", "fractions", "ftplib",
    "functools", "gettext", "heapq", "http/client", "http/cookiejar", "imaplib", "inspect", "ipaddress", "locale",
    "logging/__init__", "mailbox", "mimetypes", "optparse", "os", "pathlib", "pdb", "pickletools", "pprint",
    "random", "re/__init__", "sched", "shutil", "smtplib", "socket", "ssl", "statistics", "string", "subprocess",
    "tarfile", "tempfile", "textwrap", "threading", "tkinter/__init__", "traceback", "turtle", "typing",
    "unittest/case", "unittest/mock", "urllib/request", "uuid", "webbrowser", "zipfile", "zoneinfo/_zoneinfo",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """Words in order. `guessable` says of each whether a reader of English might guess its letters."""

    words: tuple[str, ...]
    guessable: tuple[bool, ...]


class Texts:
    """Words for pages. `held_out` chooses which paragraphs of the corpus are said."""

    def __init__(self, *, held_out: bool = False) -> None:
        self._paragraphs = [p for p in paragraphs() if is_held_out(p) == held_out]
        self._words = [word for p in self._paragraphs for word in _WORD.findall(p)]

    def say(self, rng: random.Random, chars: int, unguessable: float = 0.2) -> Said:
        """About `chars` characters of running text, never more; `unguessable` is the share of such strings."""
        words: list[str] = []
        guessable: list[bool] = []
        left = chars
        source: list[str] = []
        while left > 0:
            if rng.random() < unguessable:
                made, known = strange(rng).split(" "), False
            elif unguessable > 0.5 and rng.random() < 0.5:  # words out of order: letters, and no grammar
                made, known = [rng.choice(self._words)], True
            else:
                if not source:
                    source = self._passage(rng)
                made, known = [source.pop(0)], True
            for word in made:
                if len(word) > left:
                    left = 0
                    break
                words.append(word)
                guessable.append(known)
                left -= len(word) + 1
        if not words:
            words, guessable = [str(rng.randrange(10))], [False]
        return Said(tuple(words), tuple(guessable))

    def heading(self, rng: random.Random) -> str:
        if rng.random() < 0.5:
            return rng.choice(HEADINGS)
        return " ".join(rng.choice(self._words).capitalize() for _ in range(rng.randint(1, 3)))

    def label(self, rng: random.Random) -> str:
        """What stands before a field of a form or above a column."""
        return rng.choice(LABELS)

    def _passage(self, rng: random.Random) -> list[str]:
        if rng.random() < 0.4:
            return sentence(rng).split(" ")
        words = rng.choice(self._paragraphs).split(" ")
        start = rng.randrange(max(1, len(words) - 8))
        return words[start : start + rng.randint(8, 60)]


def sentence(rng: random.Random) -> str:
    """A sentence as letters and minutes have them."""
    parts = [rng.choice(SUBJECTS), rng.choice(VERBS), rng.choice(OBJECTS)]
    if rng.random() < 0.7:
        parts.append(rng.choice(ENDS))
    return " ".join(parts) + "."


def strange(rng: random.Random) -> str:
    """A string that cannot be guessed: one to three words, at most 24 characters."""
    return _STRANGE[rng.randrange(len(_STRANGE))](rng)


def _identifier(rng: random.Random) -> str:
    letters = "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(rng.randint(1, 3)))
    digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(2, 6)))
    return letters + rng.choice(("-", "/", "", ".")) + digits + rng.choice(("", "", f"/{rng.randrange(10, 99)}", "-B"))


def _amount(rng: random.Random) -> str:
    value = rng.random() * 10 ** rng.randint(1, 6)
    sign = rng.choice(("£", "€", "$", "", "", ""))
    return f"{sign}{value:,.2f}" if rng.random() < 0.7 else f"{sign}{int(value)}"


def _date(rng: random.Random) -> str:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1850, 2025)
    return rng.choice((f"{day}.{month}.{year}", f"{year}-{month:02}-{day:02}", f"{day:02}/{month:02}/{year % 100:02}"))


def _name(rng: random.Random) -> str:
    return f"{rng.choice(GIVEN)} {_place(rng)}"


def _place(rng: random.Random) -> str:
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 3))).capitalize()


def _letters(rng: random.Random) -> str:
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(2, 8)))


def _capitals(rng: random.Random) -> str:
    return "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(rng.randint(2, 6)))


def _number(rng: random.Random) -> str:
    return "".join(rng.choice("0123456789") for _ in range(rng.randint(1, 7)))


def _signs(rng: random.Random) -> str:
    """Any characters of the alphabet, so that rare ones are seen too."""
    return "".join(rng.choice(ALPHABET[1:]) for _ in range(rng.randint(1, 5)))


_STRANGE = (_identifier, _amount, _date, _name, _place, _letters, _letters, _capitals, _number, _signs)


@cache
def paragraphs() -> tuple[str, ...]:
    """All prose of the corpus, one line each, in `ALPHABET` only."""
    from pydoc_data import topics

    found = [part for text in topics.topics.values() for part in text.split("\n\n")]
    library = Path(sysconfig.get_path("stdlib"))
    for name in _MODULES:
        path = library / f"{name}.py"
        if path.is_file():
            found += _docstrings(path)
    known, kept = set(ALPHABET), {}
    for part in found:
        line = _SPACES.sub(" ", part.replace("“", '"').replace("”", '"')).strip()
        if len(line) >= 60 and len(_PROSE.findall(line)) >= 2 and set(line) <= known:
            kept[line] = None
    return tuple(kept)


def is_held_out(paragraph: str) -> bool:
    return hashlib.sha256(paragraph.encode()).digest()[0] % _HELD_OUT_SHARE == 0


def _docstrings(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    texts = [ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, documented)]
    return [part for text in texts if text for part in text.split("\n\n") if ">>>" not in part]
