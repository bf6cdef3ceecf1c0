"""The web page and a plain page of the API's documentation. No template, no third-party script."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from starlette.responses import FileResponse, HTMLResponse
from starlette.staticfiles import StaticFiles

from api import docs_page
from api.context import AppContext
from index.errors import NotFound

if TYPE_CHECKING:
    from starlette.types import Scope

router = APIRouter(include_in_schema=False)

# The machine's own table may say otherwise, and browsers refuse modules of another type.
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("image/svg+xml", ".svg")
mimetypes.add_type("image/webp", ".webp")


class WebFiles(StaticFiles):
    """Static files that browsers ask for again each time, at the price of a 304."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "no-cache"
        return response

    async def get_response(self, path: str, scope: Scope) -> Response:
        if "\0" in path:
            raise NotFound("There is no such file.")
        return await super().get_response(path, scope)


@router.api_route("/", methods=["GET", "HEAD"])
async def index(context: AppContext) -> Response:
    page = context.config.web_dir / "index.html"
    if not page.is_file():
        raise NotFound("This installation has no web page.")
    return FileResponse(page, media_type="text/html", headers={"Cache-Control": "no-cache"})


@router.api_route("/docs", methods=["GET", "HEAD"])
async def docs(request: Request) -> Response:
    return HTMLResponse(docs_page.render(request.app.openapi()))


@router.api_route("/docs.css", methods=["GET", "HEAD"])
async def docs_style() -> Response:
    return FileResponse(
        Path(__file__).parent / "docs.css", media_type="text/css", headers={"Cache-Control": "no-cache"}
    )
