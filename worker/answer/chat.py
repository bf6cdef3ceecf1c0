"""A client for chat completions in OpenAI's shape: vLLM, Ollama, llama.cpp, a hosted service.

It promises: a whole reply or one error of ours within `timeout_s`, whatever the server does. The key is in no message
and no `repr`. The server's address is in no message either, which are for whoever asks, but in the log. How replies are
read: `worker.answer.replies`. It knows nothing of documents. Thread-safe.

Source of the shape: the OpenAI API reference, "Create chat completion".
"""

from __future__ import annotations

import asyncio
import json
import logging
import queue
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from index.errors import ConfigError, Unavailable
from worker.answer.replies import pieces

_MAX_ERROR = 16 << 10
log = logging.getLogger("folioscope.answering")

_TRIES = 3
_LONGEST_PAUSE_S = 5.0
_LOOK_S = 0.1
"""How often it is asked whether anybody still listens."""
_AGAIN = frozenset({408, 409, 425, 429})
"""Beside what begins with 5: proxies have numbers of their own for a server that is away or too slow."""
_CHOOSY = frozenset({400, 422})
_TOO_LARGE = 413
_TOO_LONG = re.compile(rb"context[ _](?:length|size|window)|too (?:long|large)|tokens\W+must be <=", re.IGNORECASE)
"""How servers say that question, excerpts and reply are more than the model can hold."""
_LATER = {"max_tokens": "max_completion_tokens"}
"""OpenAI's reasoning models want the younger name, and refuse the one that everybody else knows."""
_DISPENSABLE = ("response_format", "max_tokens", "temperature", "max_completion_tokens")
"""What a request does without where a server refuses it: older ones know no `response_format`, reasoning models take no
`temperature`.
"""
_UNSUPPORTED = re.compile(rb"unsupported|n(?:o|')t support", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ChatConfig:
    """`base_url` ends where `/chat/completions` begins, e.g. `http://127.0.0.1:11434/v1`."""

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    timeout_s: float = 60.0
    max_tokens: int = 2000


class ChatModel:
    """`transport` is for tests; anything that `httpx.AsyncClient` takes.

    Requests run in an event loop of their own, in one thread of this model: there a time limit holds over everything
    (name, connection, headers, each byte of the reply), and a request that nobody waits for ends at once.
    """

    def __init__(self, config: ChatConfig, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        if not config.base_url.startswith(("http://", "https://")):
            raise ConfigError(
                "FOLIOSCOPE_LLM_BASE_URL must be an http(s) address such as http://127.0.0.1:11434/v1.",
                code="bad_setting",
            )
        self._config = config
        headers = {"Authorization": f"Bearer {config.api_key}"} if config.api_key else {}
        self._client = httpx.AsyncClient(
            base_url=config.base_url.rstrip("/") + "/",
            headers=headers,
            timeout=httpx.Timeout(config.timeout_s, connect=min(5.0, config.timeout_s)),
            follow_redirects=False,  # a redirect would carry documents to somebody who was not named
            transport=transport,
        )
        self._refused: frozenset[str] = frozenset()  # of `_DISPENSABLE`, what this server does not take
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting = threading.Lock()

    def stream(self, system: str, user: str, cancelled: Callable[[], bool] = lambda: False) -> Iterator[str]:
        """The model's reply, piece by piece. Asks for a JSON object where the server can promise one.

        Ends early, without an error, once `cancelled()`, and when it is closed. Raises `Unavailable`: `llm_unavailable`
        when the server does not answer in time, breaks off, says nothing, or is none (`CutShort` after the pieces of a
        reply that ends too early); `llm_refused` when it refuses this key, knows no such model, or finds the request
        too long.
        """
        told: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        reply = asyncio.run_coroutine_threadsafe(self._reply(system, user, told), self._running())
        try:
            while not cancelled():
                try:
                    piece = told.get(timeout=_LOOK_S)
                except queue.Empty:
                    continue
                if piece is None:
                    reply.result()
                    return
                yield piece
        finally:
            reply.cancel()

    async def _reply(self, system: str, user: str, told: queue.SimpleQueue[str | None]) -> None:
        """Put the pieces into `told`, then None, whatever happens."""
        try:
            async with asyncio.timeout(self._config.timeout_s):
                response = await self._open(system, user)
                try:
                    async for piece in pieces(response):
                        told.put(piece)
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise self._away(f"not within {self._config.timeout_s:g} seconds") from error
        except httpx.HTTPError as error:
            raise self._away(str(error) or type(error).__name__) from error
        finally:
            told.put(None)

    async def _open(self, system: str, user: str) -> httpx.Response:
        """A response that has begun with status 200. What passes is tried again."""
        body: dict[str, Any] = {
            "model": self._config.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "temperature": 0,
            "max_tokens": self._config.max_tokens,
            "stream": True,
            "response_format": {"type": "json_object"},  # the prompt asks for JSON too
        }
        last, refused, attempt = "no answer", self._refused, 0
        while attempt < _TRIES:
            asked = _without(body, refused)
            pause = 0.2 * 2**attempt
            try:
                # ASCII escapes: a page or a file's name may hold what UTF-8 cannot carry.
                request = self._client.build_request(
                    "POST",
                    "chat/completions",
                    content=json.dumps(asked).encode(),
                    # Proxies hold a compressed stream back until they have a block of it.
                    headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
                )
                response = await self._client.send(request, stream=True)
                if response.status_code == 200:
                    self._refused = refused
                    return response
                try:
                    told = await _beginning(response) if response.status_code in _CHOOSY else b""
                finally:
                    await response.aclose()
            except httpx.HTTPError as error:
                last = type(error).__name__
            else:
                last = f"status {response.status_code}"
                too_long = response.status_code == _TOO_LARGE or _TOO_LONG.search(told) is not None
                if not too_long and response.status_code in _CHOOSY and (name := _dispensable(told, asked)):
                    refused |= {name}  # which ends: no request lacks more than all of them
                    continue
                if response.status_code not in _AGAIN and response.status_code < 500:
                    refusal = _refusal(last, too_long=too_long)
                    log.warning("%s (%s)", refusal.message, _without_password(self._config.base_url))
                    raise refusal
                pause = _retry_after(response.headers, pause)
            attempt += 1
            if attempt < _TRIES:
                await asyncio.sleep(pause)
        raise self._away(last)

    def _away(self, reason: str) -> Unavailable:
        log.warning("the answering model at %s does not answer: %s", _without_password(self._config.base_url), reason)
        return Unavailable(
            f"The answering model does not answer ({reason}); try again in a moment.", code="llm_unavailable"
        )

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="answering-model", daemon=True).start()
            return self._loop

    def close(self) -> None:
        """End what runs; harmless twice."""
        with self._starting:
            if self._loop is not None:
                asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result()
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._loop = None


def _without_password(base_url: str) -> str:
    return str(httpx.URL(base_url).copy_with(userinfo=b""))


def _without(body: dict[str, Any], refused: frozenset[str]) -> dict[str, Any]:
    """The request's body as a server takes it that refused these."""
    later = {_LATER[name]: body[name] for name in refused if name in _LATER}
    return {name: given for name, given in (body | later).items() if name not in refused}


async def _beginning(response: httpx.Response) -> bytes:
    """What an error says, as far as anybody reads it."""
    held = b""
    async for chunk in response.aiter_bytes():
        held += chunk
        if len(held) >= _MAX_ERROR:
            break
    return held[:_MAX_ERROR]


def _dispensable(told: bytes, asked: dict[str, Any]) -> str | None:
    """What to ask without next: the field that the error calls unsupported, in `param` as OpenAI does or in its words.
    `response_format`, which the prompt makes up for, also where the error says anything else of it, or names no field.
    """
    try:
        param = json.loads(told)["error"]["param"] or None  # proxies in front of many models leave it empty
    except (ValueError, KeyError, TypeError, RecursionError):
        param = None
    named = set(re.findall(r"\w+", param if isinstance(param, str) else told.decode("ascii", "replace")))
    if _UNSUPPORTED.search(told) and (found := [name for name in _DISPENSABLE if name in named and name in asked]):
        return found[0]
    return "response_format" if "response_format" in asked and (not param or "response_format" in named) else None


def _refusal(said: str, *, too_long: bool) -> Unavailable:
    if too_long:
        refused, remedy = "finds the request too long", "serve it with a larger context, or lower"
        settings = "FOLIOSCOPE_LLM_CONTEXT_CHARS or FOLIOSCOPE_LLM_MAX_TOKENS"
    else:
        refused, remedy = "refused the request", "check"
        settings = "FOLIOSCOPE_LLM_BASE_URL, FOLIOSCOPE_LLM_MODEL and FOLIOSCOPE_LLM_API_KEY"
    return Unavailable(f"The answering model {refused} ({said}): {remedy} {settings}.", code="llm_refused")


def _retry_after(headers: httpx.Headers, default: float) -> float:
    given = headers.get("retry-after", "")
    seconds = float(given) if given.isascii() and given.isdecimal() else default
    return min(max(seconds, default), _LONGEST_PAUSE_S)
