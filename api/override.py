"""`X-HTTP-Method-Override` for resumable uploads: proxies and browsers that let only `GET` and `POST` through.

tus 1.0.0 asks it of every server: where the header is there, it is the request's method. Heeded for `PATCH` and
`DELETE` of an upload alone, which are no less guarded than the `POST` that carries them.
Source: tus.io, "Resumable upload protocol", X-HTTP-Method-Override.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from api.middleware import RESUMABLE_PATH

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_METHODS = frozenset({"PATCH", "DELETE"})


class MethodOverride:
    """Stands before all that looks at the method."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].startswith(f"{RESUMABLE_PATH}/"):
            meant = Headers(scope=scope).get("x-http-method-override", "").upper()
            if meant in _METHODS:
                scope["method"] = meant
        await self.app(scope, receive, send)
