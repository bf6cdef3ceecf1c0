"""Whose documents a request is about, and whether its key may do this. The one place that decides it.

A route that takes `Tenant` needs the read scope, `WritingTenant` the write scope, `Administrator` the admin scope; the
OpenAPI document says so, and a test compares what routes say with what they do. The tenant comes from the key alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from api.answering import Run
from api.context import AppContext
from api.keyring import Caller
from api.limits import Place
from api.problems import ScopeMissing

_bearer = HTTPBearer(
    auto_error=False,  # api.access has looked already; this one is for the OpenAPI document
    scheme_name="key",
    bearerFormat="fsk_…",
    description="A key of `folioscope keys create`. Not needed where the service runs on loopback without any keys.",
)


async def _caller(
    request: Request,
    needed: SecurityScopes,
    _described: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Caller:
    caller: Caller = request.state.caller
    missing = [scope for scope in needed.scopes if scope not in caller.scopes]
    if missing:
        raise ScopeMissing(f"This needs a key with the scope `{missing[0]}`.")
    return caller


CurrentCaller = Annotated[Caller, Security(_caller)]


async def _reading(caller: Annotated[Caller, Security(_caller, scopes=["read"])]) -> str:
    return caller.tenant


async def _writing(caller: Annotated[Caller, Security(_caller, scopes=["write"])]) -> str:
    return caller.tenant


async def _administrating(caller: Annotated[Caller, Security(_caller, scopes=["admin"])]) -> Caller:
    return caller


Tenant = Annotated[str, Security(_reading)]
WritingTenant = Annotated[str, Security(_writing)]
Administrator = Annotated[Caller, Security(_administrating)]


class Answering:
    """The place of a request that is answered. Its run gives the place back, when its work has really ended."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.run: Run | None = None

    def leave(self) -> None:
        """The request is over, whatever became of it: also when its stream was never begun to be sent."""
        if self.run is None:
            self.place.give_back()
        else:
            self.run.leave()


async def _answering(context: AppContext, caller: CurrentCaller) -> AsyncIterator[Answering]:
    limits = context.limits
    place = await context.call_probe(limits.answer, caller.key) if limits.shared else limits.answer(caller.key)
    answering = Answering(place)
    try:
        yield answering
    finally:
        answering.leave()


AnswerPlace = Annotated[Answering, Depends(_answering)]
"""For routes that keep a model busy: one of the places that the key has for them. To be handed to `Run`."""
