"""The command line's HTTP client: one code path, whether a service is running or not.

`connect` finds the service: the URL given, `FOLIOSCOPE_URL`, the one that owns the data directory, or, when none runs,
one opened in this process and called without a socket.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx

from index.payload import storable
from worker.settings import Settings

SERVICE_FILE = "service.json"

_CHUNK = 256 << 10
_ID = re.compile(r"[0-9A-Fa-f-]{36}")
_IN_PROCESS_URL = "http://localhost"
# Reading an answer may wait for a model to load; sending waits only for the disk.
_TIMEOUT = httpx.Timeout(60.0, connect=5.0, write=300.0)
# On a CPU a page takes minutes, and the weights are loaded first; an answer may need several.
_DECODE_TIMEOUT = httpx.Timeout(900.0, connect=5.0)
_LOOK_S = 5.0  # for whether a service is there at all
_LOOK_AGAIN_S = 0.4
_ATTEMPTS = 4
_PATIENCE_S = 20.0  # a limit that lasts longer is told at once


class ApiError(Exception):
    """A problem that the API answered with, or no answer at all (`status` 0)."""

    def __init__(self, detail: str, *, code: str = "unreachable", status: int = 0) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.status = status


class FileChanged(OSError):
    """A file that did not keep its length while it was sent; nothing of it was kept."""

    def __init__(self) -> None:
        super().__init__("The file grew or shrank while it was sent. Add it again when it is whole.")


class Client:
    """The routes that the commands use, as methods that return JSON. All raise `ApiError`."""

    def __init__(self, http: httpx.AsyncClient, *, in_process: bool) -> None:
        self._http = http
        self.in_process = in_process

    async def upload(
        self,
        path: Path,
        *,
        password: str | None = None,
        text_layer: str | None = None,
        lay_at: str | None = None,
        progress: Callable[[int], None] = lambda _sent: None,
    ) -> tuple[dict[str, Any], bool]:
        """Send a file; the document, and whether it is new. `lay_at` is its path in a folder. `progress` is told how
        many bytes were sent in all. `OSError` for a file that cannot be read, or changes meanwhile.
        """
        fields = {"password": password, "text_layer": text_layer, "path": lay_at}
        boundary = secrets.token_hex(16)
        head, tail = _form(boundary, path.name, {name: value for name, value in fields.items() if value})
        size = (await anyio.Path(path).stat()).st_size

        changed: list[bool] = []

        async def body() -> AsyncIterator[bytes]:
            yield head
            left = size
            async with await anyio.open_file(path, "rb") as file:
                while left and (chunk := await file.read(min(_CHUNK, left))):
                    yield chunk
                    left -= len(chunk)
                    progress(size - left)
                # A scanner that is still writing, say. The request ends without its last bytes: nothing of it counts.
                if left or await file.read(1):
                    changed.append(True)
                    if self.in_process:
                        return  # the app would take what is raised here for an error of its own
                    raise FileChanged
            yield tail

        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(head) + size + len(tail)),
        }
        try:
            response = await self._send("POST", "/v1/documents", body=body, headers=headers)
        except ApiError:
            if changed:
                raise FileChanged from None
            raise
        return response.json(), response.headers.get("folioscope-existing") != "true"

    async def document(self, document_id: str) -> dict[str, Any]:
        return (await self._send("GET", f"/v1/documents/{_part(document_id)}")).json()

    async def read_again(self, document_id: str, *, page: int | None, everything: bool) -> dict[str, Any]:
        """Ask for another try of what failed; what is tried."""
        path = f"/v1/documents/{_part(document_id)}" + (f"/pages/{page}" if page is not None else "")
        params = {"all": "true"} if everything else {}
        return (await self._send("POST", f"{path}/read-again", params=params)).json()

    async def read_failed_again(self) -> AsyncIterator[dict[str, Any]]:
        """Ask for another try of all that failed; what each step tries."""
        cursor: str | None = None
        while True:
            step = (await self._send("POST", "/v1/read-again", params={"cursor": cursor} if cursor else {})).json()
            yield step
            cursor = step["next_cursor"]
            if cursor is None:
                return

    async def documents(self, name: str | None = None) -> AsyncIterator[dict[str, Any]]:
        """All, newest first; or those in whose names the words of `name` stand."""
        cursor: str | None = None
        while True:
            params = {"limit": "100"} | ({"name": name} if name else {}) | ({"cursor": cursor} if cursor else {})
            page = (await self._send("GET", "/v1/documents", params=params)).json()
            for item in page["items"]:
                yield item
            cursor = page["next_cursor"]
            if cursor is None:
                return

    async def wait(
        self, document_ids: list[str], progress: Callable[[dict[str, dict[str, Any]]], None] = lambda _seen: None
    ) -> dict[str, dict[str, Any]]:
        """The documents once nothing in them is pending, by id; deleted ones are left out."""
        seen: dict[str, dict[str, Any]] = {}
        pending = list(dict.fromkeys(document_ids))
        while pending:
            still = []
            for document_id in pending:
                try:
                    seen[document_id] = await self.document(document_id)
                except ApiError as error:
                    if error.status != httpx.codes.NOT_FOUND:
                        raise
                    seen.pop(document_id, None)
                    continue
                if seen[document_id]["state"] in {"accepted", "reading"}:
                    still.append(document_id)
            progress(seen)
            pending = still
            if pending:
                await anyio.sleep(_LOOK_AGAIN_S)
        return seen

    async def delete(self, document_id: str) -> dict[str, Any]:
        return (await self._send("DELETE", f"/v1/documents/{_part(document_id)}")).json()

    async def search(self, request: dict[str, Any]) -> dict[str, Any]:
        return (await self._send("POST", "/v1/search", json=request)).json()

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        return (await self._send("POST", "/v1/answers", json=request, timeout=_DECODE_TIMEOUT)).json()

    async def ask_streamed(self, request: dict[str, Any]) -> tuple[dict[str, Any], float]:
        """The same answer, and after how many seconds its first words came (in process they come with the last)."""
        body = _written(request | {"stream": True})
        for attempt in range(1, _ATTEMPTS + 1):
            began = time.perf_counter()
            try:
                async with self._http.stream("POST", "/v1/answers", json=body, timeout=_DECODE_TIMEOUT) as response:
                    if response.is_success:
                        return await _told(response, began)
                    await response.aread()
            except httpx.TransportError as error:
                raise self._unreachable(error) from error
            wait = _wait(response, again=True)
            if wait is None or attempt == _ATTEMPTS:
                raise _error(response)
            await anyio.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    async def decode(self, document_id: str, page: int, request: dict[str, Any]) -> dict[str, Any]:
        path = f"/v1/documents/{_part(document_id)}/pages/{page}/decode"
        return (await self._send("POST", path, json=request, timeout=_DECODE_TIMEOUT)).json()

    async def locate(self, document_id: str, page: int, phrase: str) -> dict[str, Any]:
        path = f"/v1/documents/{_part(document_id)}/pages/{page}/locate"
        return (await self._send("POST", path, json={"phrase": phrase}, timeout=_DECODE_TIMEOUT)).json()

    async def page(self, document_id: str, page: int) -> dict[str, Any]:
        return (await self._send("GET", f"/v1/documents/{_part(document_id)}/pages/{page}")).json()

    async def page_image(self, document_id: str, page: int, *, width: int, kind: str) -> bytes:
        """The page as a `png` or `webp`."""
        path = f"/v1/documents/{_part(document_id)}/pages/{page}/image"
        return (await self._send("GET", path, params={"width": str(width), "format": kind})).content

    async def _send(
        self, method: str, path: str, *, body: Callable[[], AsyncIterator[bytes]] | None = None, **options: Any
    ) -> httpx.Response:
        """`body` is made anew for each attempt."""
        options |= {"json": _written(options["json"])} if "json" in options else {}
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                content = {"content": body()} if body else {}
                response = await self._http.request(method, path, **options, **content)
            except httpx.TransportError as error:
                raise self._unreachable(error) from error
            wait = _wait(response, again=body is None)
            if wait is None or attempt == _ATTEMPTS:
                break
            await anyio.sleep(wait)
        if response.is_success:
            return response
        raise _error(response)

    def _unreachable(self, error: httpx.TransportError) -> ApiError:
        return ApiError(f"No answer from {self._http.base_url}: {str(error) or type(error).__name__}")


def _part(document_id: str) -> str:
    """An id as one part of a path. What is none is unknown, and must not make another path: `..` would."""
    if not _ID.fullmatch(document_id):
        raise ApiError("There is no such document.", code="not_found", status=httpx.codes.NOT_FOUND)
    return document_id


def _written(request: Any) -> Any:
    """A request whose texts UTF-8 can carry: arguments of a command line need not be any, and come with lone surrogates
    where they are not.
    """
    if isinstance(request, dict):
        return {name: _written(value) for name, value in request.items()}
    if isinstance(request, list | tuple):
        return [_written(value) for value in request]
    return storable(request) if isinstance(request, str) else request


def _wait(response: httpx.Response, *, again: bool) -> float | None:
    """Seconds after which the same is worth another try; None where it is not. `again`: it may be sent twice."""
    after = response.headers.get("retry-after", "1")
    wait = float(after) if after.isdecimal() else 1.0
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS and wait <= _PATIENCE_S:
        return wait
    return min(wait, 5.0) if again and response.status_code == httpx.codes.SERVICE_UNAVAILABLE else None


async def _told(response: httpx.Response, began: float) -> tuple[dict[str, Any], float]:
    """The end of an answer's events, and when its text began."""
    kind, first = "", 0.0
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
            if kind == "text" and not first:
                first = time.perf_counter() - began
        elif name == "data" and kind == "done":
            return json.loads(value), first
        elif name == "data" and kind == "error":
            problem = json.loads(value)
            raise ApiError(problem["detail"], code=problem["code"], status=problem["status"])
    raise ApiError("The answer broke off.", code="unexpected_answer")


@asynccontextmanager
async def connect(
    url: str | None, settings: Settings, *, key: str | None = None, makes: bool = False
) -> AsyncIterator[Client]:
    """A client of the service that these options mean. Without `key`, `FOLIOSCOPE_API_KEY` is the key. Where no service
    runs there has to be an archive, unless this `makes` one: a mistyped path is not to be one from then on.
    """
    key = (key or os.environ.get("FOLIOSCOPE_API_KEY") or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise ApiError("This is no key: keys are letters, digits and underscores. Was it copied whole?", code="bad_key")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = url or os.environ.get("FOLIOSCOPE_URL") or await running_url(settings.data_dir)
    if url:
        url = checked_url(url)
        async with httpx.AsyncClient(
            base_url=url, timeout=_TIMEOUT, headers=headers, trust_env=not _is_loopback(url)
        ) as http:
            yield Client(http, in_process=False)
        return
    if not makes and not any((settings.data_dir / part).is_dir() for part in ("documents", "blobs")):
        raise ApiError(
            f"There is no archive in {settings.data_dir}. Name its data directory (--data, FOLIOSCOPE_DATA_DIR), or a "
            "service (--url); `folioscope add` makes a new archive.",
            code="no_archive",
        )
    async with opened(settings, headers) as client:
        yield client


@asynccontextmanager
async def opened(settings: Settings, headers: dict[str, str] | None = None) -> AsyncIterator[Client]:
    """A client of a service that is opened in this process, whatever else runs and the environment names."""
    # Imported here: a client of a running service waits for no model libraries.
    from api.serve import build_app
    from worker.wiring import open_service

    with open_service(settings) as service:
        # Whoever may open the data directory needs no key for it; a key that is given is checked.
        transport = httpx.ASGITransport(build_app(service, settings, trusted=True))
        async with httpx.AsyncClient(transport=transport, base_url=_IN_PROCESS_URL, headers=headers) as http:
            yield Client(http, in_process=True)


async def running_url(data_dir: Path) -> str | None:
    """Of the service that owns the data directory; None when there is none. One that is too busy to answer is one: who
    took it for dead would try to open its data and be refused.
    """
    try:
        info = json.loads((data_dir / SERVICE_FILE).read_text())
        os.kill(int(info["pid"]), 0)
        url = str(info["url"])
    except PermissionError:
        url = str(info["url"])  # the process is there and somebody else's
    except (OSError, ValueError, KeyError, TypeError):
        return None
    try:
        async with httpx.AsyncClient(timeout=_LOOK_S, trust_env=False) as http:
            return url if (await http.get(f"{url}/livez")).is_success else None
    except httpx.TimeoutException:
        return url
    except (httpx.HTTPError, httpx.InvalidURL):
        return None


def checked_url(url: str) -> str:
    """An address that can be asked, or an `ApiError` that says how one is written."""
    try:
        parts = urlsplit(url.strip())
        known = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
        httpx.URL(url.strip())
    except (ValueError, httpx.InvalidURL):
        known = False
    if not known:
        raise ApiError(f"{url!r} is no address of a service: write http://host:port.", code="bad_address")
    return url.strip()


def _is_loopback(url: str) -> bool:
    """A proxy of the environment is not meant for this machine."""
    return urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}


def _form(boundary: str, filename: str, fields: dict[str, str]) -> tuple[bytes, bytes]:
    """What stands before and after the file."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    name = filename.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    # Names of files need not be UTF-8; what is not is shown as it can be.
    return "".join(parts).encode("utf-8", "replace"), f"\r\n--{boundary}--\r\n".encode()


def _error(response: httpx.Response) -> ApiError:
    try:
        problem = response.json()
        detail = str(problem["detail"])
        if response.status_code == httpx.codes.UNAUTHORIZED:
            detail += " Give one with --key or FOLIOSCOPE_API_KEY; `folioscope keys create` makes one."
        return ApiError(detail, code=str(problem["code"]), status=response.status_code)
    except (ValueError, KeyError, TypeError):
        detail = f"{response.url} answered {response.status_code}, and not as Folioscope would."
        return ApiError(detail, code="unexpected_answer", status=response.status_code)
