"""A reply in the shape of OpenAI's chat completions, from a response's bytes to pieces of text.

At once or as server-sent events, as servers and the proxies before them really speak it: chunks without a choice or a
`delta`, text as a list of parts, any end of a line, events under another content type. It promises to tell a reply
that is no answer from an answer: one that broke off, said nothing, was cut short, or is an error. It knows nothing of
requests, nor of what the text says.

Sources of the shapes: the OpenAI API reference, "Create chat completion"; the HTML standard, "Server-sent events".
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx

from index.errors import Unavailable

_MAX_REPLY = 1 << 20
_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")
_OF_STREAM = (b"data:", b":", b"event:", b"id:", b"retry:")
_CUT = {
    "length": "at its limit of tokens (FOLIOSCOPE_LLM_MAX_TOKENS)",
    "content_filter": "by its server's content filter",
}


class CutShort(Unavailable):
    """The reply ends too early, and what came is what the model had said so far. `how` is for people."""

    def __init__(self, how: str) -> None:
        super().__init__(f"The answering model's reply was cut short {how}.", code="llm_unavailable")
        self.how = how


async def pieces(response: httpx.Response) -> AsyncIterator[str]:
    """Pieces of the text, as they come. Raises `httpx.ReadError` or `httpx.DecodingError` where the reply breaks off or
    says nothing, `Unavailable` where it is no chat completion, and `CutShort`, after its last piece.
    """
    size, held, whole, after_cr = 0, b"", None, False
    end = _End()
    async for chunk in response.aiter_bytes():
        if after_cr:  # one end of a line, cut in two, is no empty line
            chunk = chunk.removeprefix(b"\n")  # noqa: PLW2901
        after_cr = chunk.endswith(b"\r")
        size += len(chunk)
        if size > _MAX_REPLY:
            raise httpx.ReadError("its reply is too long")
        held += chunk
        if whole is None:
            # What comes tells it, and not the content type, which proxies get wrong.
            held = held.removeprefix(_BOM).lstrip()
            whole = None if _BOM.startswith(held) else held.startswith(b"{")
        if whole is not False or _LINE_END.search(chunk) is None:  # a long line in small pieces is looked at once
            continue
        *lines, held = _LINE_END.split(held)
        for line in lines:
            if (piece := end.after(line)) is not None:
                yield piece
            if end.done:
                end.check()
                return
    if whole:
        yield end.at_once(held)
    else:  # some servers close without [DONE], and without ending their last line
        for line in (held, b""):
            try:
                piece = end.after(line)
            except httpx.DecodingError:
                raise httpx.ReadError("its reply broke off") from None
            if piece is not None:
                yield piece
        if held and not end.of_stream:
            raise _no_completion()
        if end.finish is None and not end.done:  # that the reply is whole, its last chunk says
            raise httpx.ReadError("its reply broke off")
    end.check()


class _End:
    """What is known of a reply's end: `finish` is why the model ended, `done` whether the server said that it did."""

    def __init__(self) -> None:
        self.finish: str | None = None
        self.done = False
        self.of_stream = False
        self._silent = True
        self._begun: list[bytes] = []  # lines of an event whose data has several

    def after(self, line: bytes) -> str | None:
        """The text that one line of a stream brings, if any; an empty one ends an event. Where a line is a chunk by
        itself it is not waited for that: some servers leave it out.
        """
        self.of_stream = self.of_stream or line.startswith(_OF_STREAM)
        data = line[5:].strip() if line.startswith(b"data:") else b""
        self.done = self.done or data == b"[DONE]"
        if data and not self.done:
            given = None if self._begun else _object(data)
            if given is None:
                self._begun.append(data)
                return None
        elif self._begun and (self.done or not line):
            given, self._begun = _object(b"\n".join(self._begun)), []
            if given is None:
                raise httpx.DecodingError("a line of the reply is no chunk of a completion")
        else:
            return None
        _check_no_error(given)
        choices = given.get("choices")
        # Without one it is the usage, a filter's remark or a sign of life.
        return self._of_choice(choices[0]) if isinstance(choices, list) and choices else None

    def at_once(self, body: bytes) -> str:
        """The text of a whole completion."""
        try:
            given = json.loads(body)
            _check_no_error(given)
            return self._of_choice(given["choices"][0])
        except (ValueError, KeyError, IndexError, TypeError, RecursionError):
            raise _no_completion() from None

    def _of_choice(self, choice: Any) -> str:
        if not isinstance(choice, dict):
            raise _no_completion()
        said = choice.get("delta") or choice.get("message")
        text = _text(said.get("content")) if isinstance(said, dict) else ""
        finish = choice.get("finish_reason")
        self.finish = finish if isinstance(finish, str) and finish else self.finish
        self._silent = self._silent and not text.strip()
        return text

    def check(self) -> None:
        """Whether a reply that is over is one. Silence is not the answer that there is none: a model that thinks first
        may spend all of its tokens on that, and one that was trained to may call a tool.
        """
        if self.finish == "error":
            raise httpx.ReadError("its reply ends with an error")
        if self._silent and self.finish == "length":
            raise httpx.ReadError(
                "it spent all of its tokens (FOLIOSCOPE_LLM_MAX_TOKENS) before its first word, as models that think "
                "first may"
            )
        if self._silent and self.finish != "content_filter":
            raise httpx.ReadError("its reply is empty" + (f": {self.finish[:40]}" if self.finish else ""))
        if self.finish in _CUT:
            raise CutShort(_CUT[self.finish])


def _text(content: Any) -> str:
    """Text, or the parts of it that are no thoughts, pictures or sounds."""
    if isinstance(content, str):
        return content
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return "".join(part["text"] for part in parts if part.get("type") == "text" and isinstance(part.get("text"), str))


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        given = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return given if isinstance(given, dict) else None


def _check_no_error(given: Any) -> None:
    if isinstance(given, dict) and given.get("error"):
        raise httpx.ReadError("its reply is an error")


def _no_completion() -> Unavailable:
    return Unavailable(
        "The answering model's reply is no chat completion; is FOLIOSCOPE_LLM_BASE_URL right?", code="llm_unavailable"
    )
