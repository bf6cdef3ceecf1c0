"""What the command line prints: for people on a terminal, plain in a log, or JSON for programs.

Results go to stdout, everything else to stderr. Text out of documents is made safe first: it may hold escape codes.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from api.cli_options import is_unicode

OK, ERROR, USAGE, PARTIAL, INTERRUPTED = 0, 1, 2, 3, 130

# Rows between a table's head and body, and the signs of headings.
_MARKDOWN = re.compile(r"^[ |:]*-{3}[-| :]*$|^#{1,6} ", re.MULTILINE)

_SNIPPET_CHARS = 280
_BEFORE_HIGHLIGHT = 80


class Output:
    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        # A log has no width: lines there are as long as they are.
        self.out = _console(stderr=False)
        self.err = _console(stderr=True)

    def json(self, value: object) -> None:
        """One JSON document on a line of its own, whatever the mode."""
        if sys.stdout is None:  # closed by who started us
            return
        print(json.dumps(value, ensure_ascii=not is_unicode(sys.stdout), default=str), flush=True)

    def say(self, text: str | Text = "", *, style: str | None = None) -> None:
        """A line for people: on stdout, or nowhere when a program reads it."""
        if not self.as_json:
            self.out.print(_text(text, style))

    def note(self, text: str | Text, *, style: str | None = None) -> None:
        """A line beside the result."""
        self.err.print(_text(text, style))

    def error(self, message: str) -> None:
        """One line."""
        self.note(safe(" ".join(message.split())), style="red")

    def upload_progress(self) -> Progress:
        return self._progress(DownloadColumn(), TransferSpeedColumn())

    def page_progress(self, unit: str = "pages") -> Progress:
        return self._progress(MofNCompleteColumn(), TextColumn(unit), TimeElapsedColumn())

    def _progress(self, *columns: Any) -> Progress:
        return Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            *columns,
            console=self.err,
            # A log gets lines from the commands themselves instead of a bar that cannot be redrawn.
            disable=not self.err.is_terminal,
        )


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704  rich would end with an error: `run` knows that whoever read has seen enough


def _console(*, stderr: bool) -> Console:
    console = _Console(stderr=stderr, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console = _Console(stderr=stderr, highlight=False, soft_wrap=True, width=10_000)
    return console


def _text(text: str | Text, style: str | None) -> Text:
    return text if isinstance(text, Text) else Text(text, style=style or "")


def safe(untrusted_text: str) -> str:
    """Without control characters, which terminals obey; as long as before, so that spans still fit."""
    return "".join(
        char if char == "\n" or unicodedata.category(char) not in {"Cc", "Cs"} else " " for char in untrusted_text
    )


def name_of(untrusted_name: object) -> str:
    """A name, or a path, as one line has it: names of files may hold line ends."""
    return safe(str(untrusted_name)).replace("\n", " ")


def snippet(text: str, highlights: Iterable[Iterable[int]]) -> Text:
    """A line or three around the first highlight, highlights bold, without the marks of Markdown."""
    spans = [tuple(span) for span in highlights]
    flat = _MARKDOWN.sub(lambda found: " " * len(found[0]), safe(text)).replace("\n", " ")
    start = max(0, spans[0][0] - _BEFORE_HIGHLIGHT) if spans else 0
    if start:
        start = flat.find(" ", start, spans[0][0]) + 1 or start
    end = min(len(flat), start + _SNIPPET_CHARS)
    if end < len(flat):
        end = max(flat.rfind(" ", start, end), start + 1)
    bold = {at for begin, stop in spans for at in range(begin, stop)}
    shown = Text("… " if start else "")
    # Runs and not characters, or a terminal would get a code for each letter.
    kept = [at for at in range(start, end) if flat[at] != " " or (at > start and flat[at - 1] != " ")]
    for is_bold, run in groupby(kept, key=bold.__contains__):
        shown.append("".join(flat[at] for at in run), style="bold" if is_bold else None)
    return shown.append(" …" if end < len(flat) else "")


def count(number: int, noun: str, nouns: str | None = None) -> str:
    """`1 page`, `2 pages`; `nouns` where an `s` does not do."""
    return f"{number} {noun}" if number == 1 else f"{number} {nouns or noun + 's'}"


def bytes_of(size: int) -> str:
    """`2.4 MB`, in powers of 1000 as disks are sold."""
    value, units = float(size), iter(("bytes", "kB", "MB", "GB", "TB"))
    unit = next(units)
    while value >= 1000 and unit != "TB":
        value, unit = value / 1000, next(units)
    return f"{size} bytes" if unit == "bytes" else f"{value:.1f} {unit}"


def failures(document: Mapping[str, Any]) -> list[str]:
    """What failed in a document, a line each."""
    found = []
    if document["failure"]:
        found.append(f"{document['failure']['code']}: {document['failure']['message']}")
    paths = {member["document_id"]: member["path"] for member in document["members"]}
    for one in document["page_failures"]:
        of = one["document_id"]
        # Members of archives inside are not in the list, but they have an id.
        where = "" if of == document["id"] else f"{paths.get(of, of)}, "
        found.append(f"{where}page {one['page']}: {one['code']} (tried {count(one['attempts'], 'time')})")
    found += [f"{one['path']}: {one['code']}: {one['message']}" for one in document["member_failures"]]
    return [safe(line).replace("\n", " ") for line in found]
