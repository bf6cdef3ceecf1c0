"""Pages found by a running service, for the adapters beside this module. Knows HTTP and none of their libraries."""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, Self, get_args
from uuid import UUID

import anyio
import httpx

log = logging.getLogger("folioscope.retrievers")

Content = Literal["page", "snippets"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""A proxy of the environment is not meant for this machine."""
_LEAST_WAIT_S = 0.1


class RetrievalError(Exception):
    """The service refused or did not answer; `code` is that of its problem, or `unreachable`."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class _Gone(RetrievalError):
    """The page was deleted after it was found: it is left out, and the others are brought."""


@dataclass(frozen=True, slots=True)
class FoundPage:
    """`id` is stable: document and page. `metadata` holds plain values only, as vector stores like them."""

    id: str
    text: str
    score: float
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """Where to search and what to bring: the whole page, or only the places that matched.

    `where` is the filter of `/v1/search`, e.g. `{"folder": "council/1931"}` or `{"created_from": date(2026, 3, 1)}`;
    with `rerank` the service reads the first pages together with the query, which takes some 100 ms more and finds
    better. What the filter names and is not there
    is a warning in the log, and no error: a folder may be asked for before its first document is sent. A request for
    which the key's limit leaves no room is sent again when there is, within `timeout_s`. `transport` is for tests.
    """

    url: str = "http://127.0.0.1:8321"
    api_key: str | None = field(default=None, repr=False)
    limit: int = 5
    content: Content = "page"
    where: dict[str, Any] = field(default_factory=dict)
    rerank: bool = True
    timeout_s: float = 30.0
    transport: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.content not in get_args(Content):  # taken for the other one, it would never be seen
            raise ValueError(f"content can be {' or '.join(map(repr, get_args(Content)))}, not {self.content!r}.")

    @classmethod
    def of(cls, options: Any, api_key: str | None, limit: int | None, where: dict[str, Any] | None) -> Self:
        """With what a library's component has as attributes; what comes with a call (`limit`, `where`) goes before."""
        return cls(
            url=options.url,
            api_key=api_key,
            limit=options.limit if limit is None else limit,
            content=options.content,
            where=options.where if where is None else where,
            rerank=options.rerank,
            timeout_s=options.timeout_s,
            transport=options.transport,
        )

    def find(self, query: str) -> list[FoundPage]:
        """Best first. Raises `RetrievalError`."""
        with httpx.Client(**self._options()) as http:
            hits = _hits(_send(http, "hits", "POST", "/v1/search", **self._request(query)))
            if self.content == "snippets":
                return [_found(hit, _snippets(hit)) for hit in hits]
            found = []
            for hit in hits:
                with suppress(_Gone):
                    found.append(_found(hit, _send(http, "text", "GET", _path(hit))["text"]))
            return found

    async def find_async(self, query: str) -> list[FoundPage]:
        """The same without holding a thread."""
        async with httpx.AsyncClient(**self._options()) as http:
            hits = _hits(await _send_async(http, "hits", "POST", "/v1/search", **self._request(query)))
            if self.content == "snippets":
                return [_found(hit, _snippets(hit)) for hit in hits]
            found = []
            for hit in hits:
                with suppress(_Gone):
                    found.append(_found(hit, (await _send_async(http, "text", "GET", _path(hit)))["text"]))
            return found

    def _options(self) -> dict[str, Any]:
        """Of an HTTP client."""
        key = (self.api_key or "").strip()  # a key out of a file ends with its line
        if not (key.isascii() and key.isprintable()):
            # The HTTP library would say so, and the key with it.
            raise RetrievalError(
                "This is no key: it has other characters than keys have. Was it copied whole?", "bad_key"
            )
        try:
            base = httpx.URL(self.url.rstrip("/"))
        except httpx.InvalidURL as error:
            raise RetrievalError(f"{self.url!r} is no address: {error}", "unreachable") from None
        return {
            "base_url": base,
            "headers": {"Authorization": f"Bearer {key}"} if key else {},
            "timeout": self.timeout_s,
            "transport": self.transport,
            "trust_env": base.host not in _LOOPBACK,
        }

    def _request(self, query: str) -> dict[str, Any]:
        # What models write may hold half a surrogate pair, which no request can carry.
        text = query.encode("utf-8", "replace").decode()
        asked = {"query": text, "limit": self.limit, "filter": self.where, "rerank": self.rerank}
        content = json.dumps(asked, default=_as_json, separators=(",", ":"))
        return {"content": content, "headers": {"Content-Type": "application/json"}}


def _as_json(value: Any) -> Any:
    """What Python has and JSON has not, in a filter: days, moments, ids and sets of them. `TypeError` for all else."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    raise TypeError(f"`where` holds a {type(value).__name__}, which no filter has.")


def _hits(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The hits; what else is told, which a list of pages has no place for, is logged. Older services do not tell."""
    if folder := found.get("unknown_folder"):
        log.warning("No document lies in the folder %r, so nothing is found in it.", folder)
    if gone := found.get("unknown_documents"):
        log.warning("The filter names documents that are not there: %s.", ", ".join(map(str, gone)))
    return found["hits"]


def _path(hit: dict[str, Any]) -> str:
    return f"/v1/documents/{hit['document_id']}/pages/{hit['page']}"


def _snippets(hit: dict[str, Any]) -> str:
    return "\n\n".join(snippet["text"] for snippet in hit["snippets"])


def _found(hit: dict[str, Any], text: str) -> FoundPage:
    return FoundPage(
        id=f"{hit['document_id']}#{hit['page']}",
        text=text,
        score=hit["score"],
        metadata={
            "source": hit["paths"][0] if hit["paths"] else hit["filename"],
            "document_id": hit["document_id"],
            "page": hit["page"],
            "filename": hit["filename"],
            "media_type": hit["media_type"],
            "trust": hit["trust"],
            "draft": hit.get("draft", False),  # its text was read quickly, and may be misread
            "score": hit["score"],
        },
    )


def _send(http: httpx.Client, part: str, method: str, path: str, **options: Any) -> dict[str, Any]:
    deadline = _deadline(http.timeout)
    try:
        while True:
            response = http.request(method, path, **options)
            if (wait := _wait(response, deadline)) is None:
                return _checked(response, part)
            time.sleep(wait)
    except httpx.TransportError as error:
        raise _unreachable(http.base_url, error) from error


async def _send_async(http: httpx.AsyncClient, part: str, method: str, path: str, **options: Any) -> dict[str, Any]:
    deadline = _deadline(http.timeout)
    try:
        while True:
            response = await http.request(method, path, **options)
            if (wait := _wait(response, deadline)) is None:
                return _checked(response, part)
            await anyio.sleep(wait)
    except httpx.TransportError as error:
        raise _unreachable(http.base_url, error) from error


def _deadline(timeout: httpx.Timeout) -> float:
    return time.monotonic() + (timeout.read or 0.0)


def _wait(response: httpx.Response, deadline: float) -> float | None:
    """Seconds after which a request that came too fast may be sent again, as in a batch of many questions; None for
    every other answer, and where that is too late.
    """
    after = response.headers.get("retry-after", "")
    wait = max(_LEAST_WAIT_S, float(after) if after.isascii() and after.isdecimal() else 1.0)
    busy = response.status_code == httpx.codes.TOO_MANY_REQUESTS
    return wait if busy and time.monotonic() + wait <= deadline else None


def _checked(response: httpx.Response, part: str) -> dict[str, Any]:
    """What was answered, with the part that is wanted of it."""
    try:
        told = response.json()
        if response.is_success:
            return told | {part: told[part]}
        if told["code"] != "not_found":
            raise RetrievalError(told["detail"], told["code"])
        if part == "text":
            raise _Gone(told["detail"], told["code"])
        raise RetrievalError(f"Nothing is searched at {response.url}; does the address end in /v1?", told["code"])
    except (ValueError, KeyError, TypeError):
        raise RetrievalError(
            f"{response.url} answered {response.status_code}, and not as Folioscope would.", "unexpected_answer"
        ) from None


def _unreachable(base: httpx.URL, error: httpx.TransportError) -> RetrievalError:
    return RetrievalError(f"No answer from {base}: {error or type(error).__name__}", "unreachable")
