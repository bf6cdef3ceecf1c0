"""Whose documents a request is about. The one place that decides it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

DEFAULT_TENANT = "default"


async def resolve_tenant(_request: Request) -> str:
    """The tenant of a request: on loopback without keys always the local user's."""
    return DEFAULT_TENANT


Tenant = Annotated[str, Depends(resolve_tenant)]
