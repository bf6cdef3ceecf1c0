"""A client for chat completions in OpenAI's shape: vLLM, Ollama, llama.cpp, a hosted service.

It promises: one text or one error of ours within `timeout_s`, whatever the server does; at most `_MAX_REPLY` bytes
are read; the key is in no message and no `repr`. It knows nothing of documents. Thread-safe.

Source of the shape: the OpenAI API reference, "Create chat completion".
"""

from __future__ import annotations

import json
import time
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

    def complete(self, system: str, user: str) -> str:
        """The model's reply. Asks for a JSON object where the server can promise one.

        Raises `Unavailable` (`llm_unavailable`) when the server does not answer in time or at all (`llm_refused`:
        will not answer this key or knows no such model).
        """
        body: dict[str, Any] = {
            "model": self._config.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "temperature": 0,
            "max_tokens": self._config.max_tokens,
            "stream": False,
        }
        deadline = time.monotonic() + self._config.timeout_s
        last = "no answer"
        for attempt in range(_TRIES):
            asked = body if self._plain else body | {"response_format": {"type": "json_object"}}
            pause = 0.2 * 2**attempt
            try:
                status, headers, content = self._post(asked, deadline)
            except httpx.HTTPError as error:
                last = type(error).__name__
            else:
                if status == 200:
                    return _text(content)
                if status in {400, 422} and not self._plain:
                    self._plain = True  # older servers refuse the field; the prompt asks for JSON too
                    continue
                last = f"status {status}"
                if status not in _AGAIN:
                    raise Unavailable(
                        f"The answering model refused the request ({last}): check FOLIOSCOPE_LLM_BASE_URL, "
                        "FOLIOSCOPE_LLM_MODEL and FOLIOSCOPE_LLM_API_KEY.",
                        code="llm_refused",
                    )
                pause = _retry_after(headers, pause)
            if time.monotonic() + pause >= deadline:
                break
            if attempt < _TRIES - 1:
                time.sleep(pause)
        raise Unavailable(
            f"The answering model at {self._config.base_url} does not answer ({last}); try again in a moment.",
            code="llm_unavailable",
        )

    def close(self) -> None:
        self._client.close()

    def _post(self, body: dict[str, Any], deadline: float) -> tuple[int, httpx.Headers, bytes]:
        """Status, headers and at most `_MAX_REPLY` bytes; a server that drips is given up at the deadline."""
        with self._client.stream("POST", "chat/completions", json=body) as response:
            parts, size = [], 0
            for chunk in response.iter_bytes():
                parts.append(chunk)
                size += len(chunk)
                if size > _MAX_REPLY:
                    raise httpx.ReadError("reply too long")
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("reply too slow")
            return response.status_code, response.headers, b"".join(parts)


def _text(content: bytes) -> str:
    try:
        text = json.loads(content)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError):
        text = None
    if not isinstance(text, str):
        raise Unavailable(
            "The answering model's reply is no chat completion; is FOLIOSCOPE_LLM_BASE_URL right?",
            code="llm_unavailable",
        )
    return text


def _retry_after(headers: httpx.Headers, default: float) -> float:
    try:
        return min(max(float(headers.get("retry-after", default)), default), _LONGEST_PAUSE_S)
    except ValueError:
        return default
