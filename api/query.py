"""Parameters in the address of a request: those that the OpenAPI document tells of, and no others.

A slip in a name would otherwise filter, order or limit nothing, and nothing in the answer would show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError


def parameters(schema: Mapping[str, Any]) -> dict[tuple[str, str], frozenset[str]]:
    """By method and path, of an OpenAPI document."""
    return {
        (method.upper(), path): frozenset(
            one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"
        )
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    }


async def _known(request: Request) -> None:
    known = request.app.state.parameters[request.method, request.scope["route"].path]
    if unknown := sorted(set(request.query_params) - known):
        others = f"; known are {', '.join(sorted(known))}" if known else ", which takes no parameters"
        told = f"Parameter is not known at this address{others}"
        raise RequestValidationError(
            [{"loc": ("query", name[:100]), "type": "unknown_parameter", "msg": told} for name in unknown]
        )


ONLY_KNOWN = Depends(_known)
"""For the routes of a router; not where clients of others' specifications may add parameters of their own."""
