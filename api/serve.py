"""Runs the service behind a socket: bound first, then opened, then found by others, then closed in order.

`running` does it in a thread, for the demonstration and tests; `serve` waits in the main thread for a signal.
"""

from __future__ import annotations

import errno
import gc
import ipaddress
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.cli_client import SERVICE_FILE
from api.config import ApiConfig
from api.keyring import KeyRing
from api.limits import Limits
from api.protocol import PatientProtocol
from index.errors import ConfigError, InternalError
from index.keys import KeyDirectory
from index.usage import DailyUsage
from worker.service import ServiceProtocol
from worker.settings import Settings
from worker.shared_counts import open_counts

_GRACE_S = 10
_BACKLOG = 512


@dataclass(frozen=True, slots=True)
class Running:
    url: str
    alive: Callable[[], bool]


def is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_address(settings: Settings) -> None:
    """Without keys, everybody who reaches the address could read and delete everything."""
    host = settings.host
    if not is_loopback(host) and not key_ring(settings, host=host).has_usable():
        raise ConfigError(
            f"There are no keys: Folioscope serves this machine only and does not bind to {host or 'all addresses'}. "
            "Make one first, on the same data directory: folioscope keys create --name me "
            "(or give FOLIOSCOPE_INITIAL_KEY_FILE).",
            code="open_address",
        )


def api_config(settings: Settings, *, host: str = "127.0.0.1") -> ApiConfig:
    """The HTTP side's part of the settings. Bound to all addresses, no host name is known to be right or wrong."""
    bound = host.strip("[]")
    own = "*" if bound in {"", "0.0.0.0", "::"} else f"[{bound}]" if ":" in bound else bound  # noqa: S104
    return ApiConfig(
        max_upload_bytes=settings.max_upload_bytes,
        allowed_hosts=(*settings.allowed_hosts, own),
        upload_min_bytes_per_s=settings.upload_min_bytes_per_s,
        cors_origins=tuple(settings.cors_origins),
    )


def key_ring(settings: Settings, *, host: str, trusted: bool = False) -> KeyRing:
    """The keys of the data directory. Bound beyond loopback, they are always asked for."""
    initial = settings.initial_key
    return KeyRing(
        KeyDirectory(settings.data_dir),
        initial_key=initial.get_secret_value() if initial else None,
        required=not is_loopback(host),
        trusted=trusted,
    )


def build_app(
    service: ServiceProtocol, settings: Settings, *, host: str = "127.0.0.1", trusted: bool = False
) -> FastAPI:
    """The application as the settings want it. `trusted`: for this process's own use, without a socket."""
    limits = Limits(
        requests_per_minute=settings.requests_per_minute,
        concurrent_answers=settings.concurrent_answers,
        upload_bytes_per_day=settings.upload_bytes_per_day,
        usage=DailyUsage(settings.data_dir),
        shared=open_counts(settings),
    )
    ring = key_ring(settings, host=host, trusted=trusted)
    return create_app(service, api_config(settings, host=host), ring=ring, limits=limits)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; `ConfigError` that says what to do when the address cannot be had."""
    try:
        found = socket.getaddrinfo(host.strip("[]") or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(f"There is no address {host!r}: {error.strerror}.", code="bad_address") from None
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. Without, a response of two writes waits 40 ms for the client's delayed ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        # At once, so that the port is ours while the index opens; who connects meanwhile waits for a moment.
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"Port {port} of {host} is in use, perhaps by another Folioscope. "
                "Choose another with --port, or --port 0 for a free one.",
                code="port_in_use",
            ) from None
        raise ConfigError(f"Cannot listen on {host} port {port}: {error.strerror}.", code="bad_address") from None
    return listener


@contextmanager
def running(settings: Settings, listener: socket.socket, *, host: str) -> Iterator[Running]:
    """A whole service that answers on `listener` while the block runs. Streams end promptly at its end."""
    # Here and not above: a taken port is said before model libraries are loaded.
    from worker.wiring import open_service

    bound_host, port = listener.getsockname()[:2]
    shown = "127.0.0.1" if bound_host in {"0.0.0.0", "::"} else bound_host  # noqa: S104
    url = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
    with listener, open_service(settings) as service:
        app = build_app(service, settings, host=host)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=PatientProtocol,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="http")
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            if not server.started:
                raise InternalError("The HTTP server did not start; the log says why.")
            threading.Thread(target=service.prepare, name="prepare", daemon=True).start()
            with _service_file(settings.data_dir / SERVICE_FILE, url):
                yield Running(url, thread.is_alive)
        finally:
            app.state.context.stopping = True
            server.should_exit = True
            thread.join()
            app.state.context.limits.close()


@contextmanager
def _service_file(path: Path, url: str) -> Iterator[None]:
    """Tells other processes of this machine where the service is. Written whole or not at all."""
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps({"pid": os.getpid(), "url": url}))
    partial.replace(path)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()


def serve(settings: Settings, *, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; requests that run are answered first, for a few seconds at most.

    `announce` is told the URL once it answers. `InternalError` when the server ends by itself.
    """
    check_address(settings)
    listener = bind(settings.host, settings.port)
    with stop_signal() as stop, running(settings, listener, host=settings.host) as service:
        # What is there by now, modules above all, stays as long as the process. Looked through for garbage again and
        # again, it kept every thread waiting for more than 0.1 s some eight times in a hundred answers.
        gc.collect()
        gc.freeze()
        announce(service.url)
        while not stop.wait(1.0):
            if not service.alive():
                # An exit code of its own: what supervises the service starts it again.
                raise InternalError("The HTTP server ended by itself; the log says why.")


@contextmanager
def stop_signal() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set. The second one ends the process at once: nothing that was
    acknowledged needs a clean end.
    """
    stop = threading.Event()

    def on_signal(number: int, _frame: object) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    before = {one: signal.signal(one, on_signal) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
