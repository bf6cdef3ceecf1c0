"""A client for chat completions in OpenAI's shape: vLLM, Ollama, llama.cpp, a hosted service.

It promises: a whole reply or one error of ours within `timeout_s`, whatever the server does; at most `_MAX_REPLY` bytes
are read; the key is in no message and no `repr`. It knows nothing of documents. Thread-safe.

Source of the shape: the OpenAI API reference, "Create chat completion".
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from index.errors import ConfigError, Unavailable

_MAX_REPLY = 1 << 20
_TRIES = 3
_LONGEST_PAUSE_S = 5.0
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class ChatConfig:
    """`base_url` ends where `/chat/completions` begins, e.g. `http://127.0.0.1:11434/v1`."""

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    timeout_s: float = 60.0
    max_tokens: int = 1000


class ChatModel:
    """`transport` is for tests; anything that httpx takes."""

    def __init__(self, config: ChatConfig, *, transport: httpx.BaseTransport | None = None) -> None:
        if not config.base_url.startswith(("http://", "https://")):
            raise ConfigError(
                "FOLIOSCOPE_LLM_BASE_URL must be an http(s) address such as http://127.0.0.1:11434/v1.",
                code="bad_setting",
            )
        self._config = config
        headers = {"Authorization": f"Bearer {config.api_key}"} if config.api_key else {}
        self._client = httpx.Client(
            base_url=config.base_url.rstrip("/") + "/",
            headers=headers,
            timeout=httpx.Timeout(config.timeout_s, connect=min(5.0, config.timeout_s)),
            follow_redirects=False,  # a redirect would carry documents to somebody who was not named
            transport=transport,
        )
        self._plain = False  # this server takes no response_format

    def stream(self, system: str, user: str, cancelled: Callable[[], bool] = lambda: False) -> Iterator[str]:
        """The model's reply, piece by piece. Asks for a JSON object where the server can promise one.

        Ends early, without an error, once `cancelled()`. Raises `Unavailable`: `llm_unavailable` when the server does
        not answer in time, breaks off, or is none; `llm_refused` when it refuses this key or knows no such model.
        """
        deadline = time.monotonic() + self._config.timeout_s
        response = self._open(system, user, deadline, cancelled)
        if response is None:
            return
        whole = False
        try:
            for piece in _pieces(response, deadline):
                if cancelled():
                    return
                if piece is None:
                    whole = True
                    break
                yield piece
        except httpx.HTTPError as error:
            raise self._away(type(error).__name__) from error
        finally:
            response.close()
        if not whole:
            raise self._away("its reply broke off")

    def _open(self, system: str, user: str, deadline: float, cancelled: Callable[[], bool]) -> httpx.Response | None:
        """A response that has begun with status 200; None once cancelled. What passes is tried again until then."""
        body: dict[str, Any] = {
            "model": self._config.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "temperature": 0,
            "max_tokens": self._config.max_tokens,
            "stream": True,
        }
        last = "no answer"
        for attempt in range(_TRIES):
            asked = body if self._plain else body | {"response_format": {"type": "json_object"}}
            pause = 0.2 * 2**attempt
            try:
                request = self._client.build_request("POST", "chat/completions", json=asked)
                response = self._client.send(request, stream=True)
            except httpx.HTTPError as error:
                last = type(error).__name__
            else:
                if response.status_code == 200:
                    return response
                response.close()
                last = f"status {response.status_code}"
                if response.status_code in {400, 422} and not self._plain:
                    self._plain = True  # older servers refuse the field; the prompt asks for JSON too
                    continue
                if response.status_code not in _AGAIN:
                    raise Unavailable(
                        f"The answering model refused the request ({last}): check FOLIOSCOPE_LLM_BASE_URL, "
                        "FOLIOSCOPE_LLM_MODEL and FOLIOSCOPE_LLM_API_KEY.",
                        code="llm_refused",
                    )
                pause = _retry_after(response.headers, pause)
            if cancelled():
                return None
            if time.monotonic() + pause >= deadline:
                break
            if attempt < _TRIES - 1:
                time.sleep(pause)
        raise self._away(last)

    def _away(self, reason: str) -> Unavailable:
        return Unavailable(
            f"The answering model at {self._config.base_url} does not answer ({reason}); try again in a moment.",
            code="llm_unavailable",
        )

    def close(self) -> None:
        self._client.close()


def _pieces(response: httpx.Response, deadline: float) -> Iterator[str | None]:
    """Pieces of the reply, then None; also of a server that does not stream but answers at once."""
    size, plain = 0, not response.headers.get("content-type", "").startswith("text/event-stream")
    held = b""
    for chunk in response.iter_bytes():
        size += len(chunk)
        if size > _MAX_REPLY:
            raise httpx.ReadError("the reply is too long")
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("the reply is too slow")
        held += chunk
        if plain:
            continue
        *lines, held = held.split(b"\n")
        for line in lines:
            piece = _of_line(line)
            if piece is not None:
                yield piece
            elif line.startswith(b"data:") and line[5:].strip() == b"[DONE]":
                yield None
    if plain:
        yield _text(held, "message")
        yield None


def _of_line(line: bytes) -> str | None:
    """The text that one line of the stream brings, if any."""
    if not line.startswith(b"data:") or line[5:].strip() in {b"", b"[DONE]"}:
        return None
    try:
        choices = json.loads(line[5:])["choices"]
    except (ValueError, KeyError, TypeError):
        raise httpx.DecodingError("a line of the reply is no chunk of a completion") from None
    return _text(line[5:], "delta") if choices else None


def _text(content: bytes, where: str) -> str:
    """`message` of a whole completion, or the `delta` of a chunk, which may bring no text."""
    try:
        text = json.loads(content)["choices"][0][where].get("content")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise Unavailable(
            "The answering model's reply is no chat completion; is FOLIOSCOPE_LLM_BASE_URL right?",
            code="llm_unavailable",
        ) from None
    return text if isinstance(text, str) else ""


def _retry_after(headers: httpx.Headers, default: float) -> float:
    try:
        return min(max(float(headers.get("retry-after", default)), default), _LONGEST_PAUSE_S)
    except ValueError:
        return default
