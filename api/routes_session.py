"""`/v1/session`: what a key is good for, and a short-lived cookie for the pictures of the web page."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api import examples
from api.access import COOKIE
from api.context import AppContext
from api.openapi import answers, empty
from api.schemas import SessionJSON
from api.tenants import CurrentCaller

router = APIRouter(tags=["operations"])


@router.post(
    "/v1/session",
    responses=answers(
        200,
        "Whose key this is. `Set-Cookie` carries the session.",
        examples.SESSION,
        "origin_not_allowed",
        "store_unavailable",
        headers={"Set-Cookie": "`folioscope_session`, HttpOnly, SameSite=Strict; missing where no key was needed."},
    ),
)
async def open_session(request: Request, response: Response, context: AppContext, caller: CurrentCaller) -> SessionJSON:
    """Ask what the key may do; and open a session, with which a browser may look at documents for 15 minutes.

    The session counts for `GET` below `/v1/documents/` only, ends with its key, and is simply opened again.
    """
    given = SessionJSON(
        tenant=caller.tenant,
        scopes=sorted(caller.scopes),
        name=caller.key.name if caller.key else None,
        key_expires_at=caller.key.expires_at if caller.key else None,
    )
    if caller.key is None:
        return given
    value, given.session_expires_at = await context.call(context.ring.session, caller)
    # Behind a proxy that ends TLS only the page's own origin says that the way to the browser is encrypted.
    secure = request.url.scheme == "https" or request.headers.get("origin", "").startswith("https:")
    response.set_cookie(COOKIE, value, httponly=True, samesite="strict", secure=secure, path="/")
    return given


@router.delete(
    "/v1/session",
    status_code=204,
    response_class=Response,
    responses=empty(204, "The cookie is removed.", "origin_not_allowed"),
)
async def close_session(_caller: CurrentCaller) -> Response:
    """Take the cookie away. What stays valid for its last minutes was never shown to anybody but this browser."""
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response
