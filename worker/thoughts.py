"""What a language model thinks before it answers is not its answer.

Servers that know their model tell its thoughts apart; others leave them in the reply, as `<think>…</think>` or, where
the model's own template opens the block, with the closing tag alone. Thoughts hold drafts of claims that the model then
drops, and brackets that make its JSON unreadable. The reply is untrusted text. Knows nothing of servers and claims.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from index.errors import Unavailable

_NAMES = "think|thinking|thought|reasoning"
_BEGIN = re.compile(rf"<(?:{_NAMES})>|\[THINK\]", re.IGNORECASE)
_END = re.compile(rf"</(?:{_NAMES})>|\[/THINK\]", re.IGNORECASE)
_LONGEST = len("</reasoning>")
_ANSWERS = ("{", "```")
"""How a reply begins that is the JSON which was asked for: what stands in it is no tag."""


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
    yield held
