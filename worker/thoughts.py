"""What a language model thinks before it answers is not its answer.

Servers that know their model tell its thoughts apart; others leave them in the reply, as `<think>…</think>`, in another
markup or in none, and where the model's own template opens the block, with the closing tag alone. Thoughts hold drafts
of claims that the model then drops, and brackets that make its JSON unreadable: of several answers the last one counts.
The reply is untrusted text. Knows nothing of servers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from index.errors import Unavailable

_NAMES = r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis)"
_BEGIN = re.compile(
    rf"<(?:\w{{1,20}}:)?{_NAMES}(?:\s[^<>]{{0,80}})?>|<\|(?:start|begin)_(?:of_)?{_NAMES}\|>|\[THINK\]|◁think▷"
    r"|<\|?(?:start\|>assistant<\|)?channel\|?>\s*(?:analysis|commentary|thought)",
    re.IGNORECASE,
)
_END = re.compile(
    rf"</(?:\w{{1,20}}:)?{_NAMES}>|<\|end_(?:of_)?{_NAMES}\|>|\[/THINK\]|◁/think▷"
    r"|<\|channel\|>\s*final\b[^{}]{0,40}?<\|message\|>|<channel\|>",
    re.IGNORECASE,
)
"""`<think>` and its kin, also with a name before it (Seed's `<seed:think>`), the marks of Cohere and Kimi, the channels
of gpt-oss and Gemma.
"""
_LONGEST = 90
"""No end of thoughts is longer."""
_ASKED = re.compile(r"\{\s*\"(?:found|claims)\"\s*:")
"""How the JSON begins that was asked for."""
_ANSWERS = ("{", "```")
"""How a reply begins that is nothing but that: what stands in it is no tag."""


def without_thoughts(pieces: Iterator[str], cancelled: Callable[[], bool] = lambda: False) -> Iterator[str]:
    """The pieces of a reply that are its answer: JSON as it comes, and anything else at its end, for only then is it
    known whether it was thought. Raises `Unavailable` where the reply ends before its thoughts do.
    """
    held = ""
    for piece in pieces:
        looked = max(0, len(held) - _LONGEST)
        if held:
            held += piece
        else:
            held = piece.lstrip()
        while not held.startswith(_ANSWERS) and (end := _END.search(held, looked)):
            held, looked = held[end.end() :].lstrip(), 0
        if held.startswith(_ANSWERS):
            yield held
            yield from pieces
            return
    if _BEGIN.match(held) and not cancelled():
        raise Unavailable(
            "The answering model spent all of its tokens on its thoughts, before its first word; give it more "
            "(FOLIOSCOPE_LLM_MAX_TOKENS), or use a model, or a setting of its server, that thinks less.",
            code="llm_unavailable",
        )
    last = max((begun.start() for begun in _ASKED.finditer(held)), default=0)
    yield held[last:]
