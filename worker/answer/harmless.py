"""Text of documents and models as text and nothing else, for whoever shows answers.

Many programs render what they get as Markdown or HTML: a picture in it is loaded at once, and tells its server what its
address holds. `harmless` leaves the words and takes the life out of links, pictures, tags and characters that cannot be
seen. It changes nothing else, and nothing the second time. Exact words are in citations, as data.

Addresses of mail are left: a click on one opens a letter and loads nothing.
"""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f"  # control characters but tab and line ends
    "\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069"  # zero width, and marks that turn the direction of text
    "\u180e\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\U000e0100-\U000e01ef]"  # tags and selectors, which can carry a text that nobody sees
)
"""Joiners (U+200C, U+200D) stay: Persian, Indic scripts and emoji are written with them."""

_LIVE = (
    (re.compile(r"<(?=[A-Za-z/!?])"), "\u2039"),
    (re.compile(r"://"), "[:]//"),
    (re.compile(r"(?i)\b(javascript|vbscript|data|mailto|file|blob|tel|sms|ftp|xmpp):(?=\S)"), r"\1[:]"),
    (re.compile(r"(?i)\bwww\."), "www[.]"),
    # Last, for the brackets of those before are brackets too: `data:(//evil.test)`.
    (re.compile(r"!(?=\[)"), "! "),  # ![picture]
    (re.compile(r"\](?=[(\[:])"), "] "),  # [link](address), [link][name], [name]: address
)
_HOST = re.compile(r"(?i)(?<![\w@.-])(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}(?=[/?#]\w)")
"""`evil.test/path` without a scheme, which eager programs make a link of."""


def unseen_removed(untrusted_text: str) -> str:
    """Without characters that nobody sees, and that can hide words or turn their order."""
    return _UNSEEN.sub("", untrusted_text)


def harmless(untrusted_text: str) -> str:
    """The text with dead links and pictures, e.g. `http[:]//evil.test`."""
    text = unseen_removed(untrusted_text)
    for live, still in _LIVE:
        text = live.sub(still, text)
    return _HOST.sub(lambda host: host[0].replace(".", "[.]"), text)
