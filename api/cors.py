"""Cross-origin requests: closed, but for the origins of a setting.

Those may call the API with a key of their own; cookies are never theirs (no `Allow-Credentials`). To everybody
else no header says anything, and a preflight meets the route that does not exist.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PATCH, DELETE",
    "Access-Control-Max-Age": "600",
    "Vary": "Origin, Access-Control-Request-Headers",
}
_EXPOSED = (
    "Content-Disposition, Content-Range, ETag, Folioscope-Document, Folioscope-Existing, Folioscope-Replayed, "
    "Location, Retry-After, Tus-Checksum-Algorithm, Tus-Extension, Tus-Max-Size, Tus-Resumable, Tus-Version, "
    "Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset, X-Request-ID"
)
_HEADERS = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, \t-]{1,2000}")


class Cors:
    def __init__(self, app: ASGIApp, *, origins: tuple[str, ...]) -> None:
        self.app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        origin = headers.get("origin", "")
        if origin not in self._origins:
            await self.app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            allowed = {"Access-Control-Allow-Origin": origin, **_PREFLIGHT}
            wanted = headers.get("access-control-request-headers", "")
            if _HEADERS.fullmatch(wanted):
                # Whatever a client has to send: libraries add headers of their own (the `openai` client a dozen), and
                # the origins are those that the setting trusts.
                allowed["Access-Control-Allow-Headers"] = wanted
            await Response(status_code=204, headers=allowed)(scope, receive, send)
            return

        async def send_with_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer["Access-Control-Allow-Origin"] = origin
                answer["Access-Control-Expose-Headers"] = _EXPOSED
                answer.add_vary_header("Origin")
            await send(message)

        await self.app(scope, receive, send_with_origin)
