"""What routes need of the app they run in: the service, its limits, and threads to call it from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request

from api.config import ApiConfig
from api.keyring import KeyRing
from api.limits import Limits
from api.metrics import Metrics
from worker.service import ServiceProtocol

P = ParamSpec("P")
T = TypeVar("T")


class Context:
    """One for each app. `stopping` tells endless responses to come to their end."""

    def __init__(
        self, service: ServiceProtocol, config: ApiConfig, metrics: Metrics, ring: KeyRing, limits: Limits
    ) -> None:
        self.service = service
        self.config = config
        self.metrics = metrics
        self.ring = ring
        self.limits = limits
        self.stopping = False
        self._threads = CapacityLimiter(config.threads)
        self._image_threads = CapacityLimiter(config.image_threads)
        self._waiting_threads = CapacityLimiter(config.threads)
        self._probe_threads = CapacityLimiter(2)

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking call in a thread."""
        return await to_thread.run_sync(partial(function, *args, **kwargs), limiter=self._threads)

    async def call_abandoned(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for calls that may wait for a worker or a model, so in threads of theirs; who is cancelled does not
        wait for the call's end: it ends by itself.
        """
        call = partial(function, *args, **kwargs)
        return await to_thread.run_sync(call, limiter=self._waiting_threads, abandon_on_cancel=True)

    async def call_waiting(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for calls that wait for a worker: they take no thread from searches and uploads."""
        return await to_thread.run_sync(partial(function, *args, **kwargs), limiter=self._waiting_threads)

    async def call_probe(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for health checks, which have to answer however busy the service is."""
        return await to_thread.run_sync(partial(function, *args, **kwargs), limiter=self._probe_threads)

    async def call_image(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for calls that render."""
        return await to_thread.run_sync(partial(function, *args, **kwargs), limiter=self._image_threads)


async def _context(request: Request) -> Context:
    return request.app.state.context


AppContext = Annotated[Context, Depends(_context)]
