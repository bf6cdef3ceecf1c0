"""`folioscope worker` and `folioscope health`: commands of the full stack's containers."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import httpx

from api.cli_client import checked_url
from api.cli_output import OK, Output
from api.cli_settings import tell_misspelt
from index.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    from types import ModuleType

    from worker.settings import Settings


def _stack() -> ModuleType:
    try:
        from worker import stack
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"celery", "kombu", "redis"}:
            raise
        raise ConfigError("Workers need Celery: pip install 'folioscope[stack]'.", code="missing_extra") from None
    return stack


def worker(settings: Settings, *, queues: str, threads: int, name: str | None, json_logs: bool) -> int:
    """Work until SIGTERM."""
    from worker import logs, metrics, tracing

    stack = _stack()
    logs.configure(settings.log_level, as_json=json_logs or settings.log_format == "json")
    tell_misspelt()
    tracing.configure("folioscope-worker", settings.traces_url)
    if settings.metrics_port:
        try:
            metrics.start_metrics_server(settings.metrics_port, host=settings.metrics_host)
        except OSError as error:
            raise ConfigError(
                f"Metrics cannot be served on {settings.metrics_host} port {settings.metrics_port}: {error.strerror}. "
                "Workers of one machine need a FOLIOSCOPE_METRICS_PORT each.",
                code="port_in_use" if error.errno == errno.EADDRINUSE else "bad_address",
            ) from None
    wanted = tuple(dict.fromkeys(part.strip() for part in queues.split(",") if part.strip()))
    return stack.run_worker(settings, stack.WorkerConfig(name or stack.default_name(), wanted, threads))


def health(output: Output, settings: Settings, *, part: str, url: str | None, name: str | None) -> int:
    """Exit code 0 when the part works; else one line that says why not."""
    if part == "worker":
        stack = _stack()
        reason = stack.check_worker(settings, name or stack.default_name())
    else:
        url = url or os.environ.get("FOLIOSCOPE_URL") or f"http://127.0.0.1:{settings.port}"
        reason = _ask(checked_url(url).rstrip("/"))
    if reason is not None:
        raise Unavailable(reason)
    if output.as_json:
        output.json({"healthy": True})
    output.say("healthy")
    return OK


def _ask(url: str) -> str | None:
    try:
        # No proxy of the environment, and no name that the service does not know.
        with httpx.Client(timeout=10.0, trust_env=False) as client:
            response = client.get(f"{url}/readyz")
    except httpx.HTTPError as error:
        return f"{url} does not answer: {error or type(error).__name__}."
    return None if response.is_success else f"{url}/readyz answers {response.status_code}: {response.text[:500]}"
