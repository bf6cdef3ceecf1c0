"""Names of uploaded files: made harmless on the way in, quoted correctly on the way out.

A name is for people. It is never used as a path; what is taken away here only keeps displays and headers sane.
"""

from __future__ import annotations

import re
import unicodedata
from email.message import Message
from email.utils import collapse_rfc2231_value
from urllib.parse import quote, unquote

MAX_CHARS = 200
MAX_PARTS = 16
_MOST_READ = 4096
"""Characters of a part that are looked at, as many as a parameter may have: accents are put in order one by one."""
FALLBACK = "document"

# Characters that turn the reading direction around make `gpj.exe` look like `exe.jpg`.
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_CONTROLS = frozenset({"Cc", "Cs"})


def display_name(untrusted_name: str) -> str:
    """The base name, in NFC, on one line and without control characters, at most `MAX_CHARS` long with its extension
    kept. What parts words, line ends and tabs too, becomes a space: words that were two are searched for as two.
    """
    name = _cleaned(untrusted_name.replace("\\", "/").rsplit("/", 1)[-1])
    if not name:
        return FALLBACK
    if len(name) > MAX_CHARS:
        stem, dot, extension = name.rpartition(".")
        if dot and stem and len(extension) <= 10:
            return stem[: MAX_CHARS - len(extension) - 1] + dot + extension
        return name[:MAX_CHARS]
    return name


def _cleaned(untrusted_part: str) -> str:
    """A part of a path on one line; empty if it says nothing: dots and what does not show."""
    name = unicodedata.normalize("NFC", untrusted_part[:_MOST_READ])
    kept = (char for char in _BIDI.sub("", name) if char.isspace() or unicodedata.category(char) not in _CONTROLS)
    name = " ".join("".join(kept).split())
    return name if name.strip(". ") else ""


def relative_path(untrusted_path: str) -> str:
    """Where a file lay in a folder that was sent in, its name last: `letters/1911/may.pdf`. Each part is cleaned as a
    name is; parts that lead nowhere or upwards are dropped, and of very deep ones the innermost are kept.
    """
    parts = [part for part in untrusted_path.replace("\\", "/").split("/") if _cleaned(part)]
    return "/".join(display_name(part) for part in parts[-MAX_PARTS:]) or FALLBACK


def placed(untrusted_path: str | None, untrusted_name: str | None) -> str:
    """A file's name, in its folders if it lay in some. A path that ends with a slash, or with a part that says nothing,
    names folders alone.
    """
    path = (untrusted_path or "").replace("\\", "/")
    if not _cleaned(path.rpartition("/")[2]):
        path += f"/{display_name(untrusted_name or '')}"
    return relative_path(path)


def folder_path(untrusted_folder: str) -> str:
    """A folder that is asked for, as paths are kept: in NFC (file names of a Mac are not), parted by single slashes.
    Empty: the outermost. Otherwise as it is told: spaces, what does not show and long parts are kept in one way from
    uploads (`folder_as_sent`) and in another from archives, and the same folder may be either's.
    """
    parts = unicodedata.normalize("NFC", untrusted_folder.replace("\\", "/")).split("/")
    return "/".join(part for part in parts if part not in {"", "."})


def folder_as_sent(folder: str) -> str:
    """A folder by the path that files were sent in with, as it is kept of uploads; the last part is the files' own."""
    parts = [part for part in folder.split("/") if _cleaned(part)]
    return "/".join(display_name(part) for part in parts[1 - MAX_PARTS :])


def from_content_disposition(value: str) -> str | None:
    """The filename of a `Content-Disposition` header, `filename*` (RFC 5987) before `filename`. None where there is
    none that can be read.
    """
    message = Message()
    message["Content-Disposition"] = value
    try:
        names = [given for key, given in message.get_params([], "Content-Disposition") if key == "filename"]
        # The email package hands extended values over as (charset, language, text).
        extended = [given for given in names if isinstance(given, tuple)]
        if extended:
            return collapse_rfc2231_value(extended[0])
    except ValueError:  # a number of thousands of digits; a charset of Python's that is none (`idna`, `undefined`)
        return None
    if not names:
        return None
    name = names[0]
    # Header values arrive as latin-1; clients that send raw UTF-8 are understood too.
    try:
        return name.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return name


def from_multipart(raw: bytes) -> str:
    """The filename of a multipart part. Browsers escape exactly quotes and line ends (WHATWG HTML, 4.10.21.8)."""
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        name = raw.decode("latin-1")
    return re.sub("%(?:22|0D|0A)", lambda match: unquote(match[0]), name)


def attachment(name: str) -> str:
    """A `Content-Disposition` value (RFC 6266): an ASCII name for old clients, and the exact one."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r'["\\%;]', "_", plain).strip() or FALLBACK
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
