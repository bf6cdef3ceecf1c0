"""Speaking to a Qdrant server: one client, our errors, and patience with bounds.

A request that found no server, or was cut off, is tried again for `ServerConfig.patience_s`; after that it is
`StoreUnavailable`. That is safe for every request of `index/store_server.py`, because each of them may be applied
twice with the same outcome. A refused key or certificate is a `ConfigError`, a full disk `StorageFull`. What the
server says of itself (5xx) is `StoreUnavailable` too: it is restarting, loading, or broken, and not our bug.
"""

from __future__ import annotations

import logging
import random
import ssl
import time
from collections.abc import Callable
from typing import TypeVar

import grpc
from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from index.errors import ConfigError, FolioscopeError, InternalError, StorageFull, StoreUnavailable
from index.server_config import ServerConfig

log = logging.getLogger("folioscope.index")

MIN_VERSION = (1, 19)
"""The first server with per-tenant IDF and memory tiers; `update_mode` is older."""

_AWAY = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DATA_LOSS,
}
_REFUSED = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
_FULL = ("No space left", "os error 28", "disk is full", "Insufficient disk space")
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 0.8

T = TypeVar("T")


class CollectionMissing(StoreUnavailable):
    """The server is there, the collection is not: dropped, or being made again."""


class AlreadyExists(StoreUnavailable):
    """Another process made it first."""


class ServerClient:
    """Thread-safe. Not to be carried over a fork: make one in each process."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self._client: QdrantClient | None = _connect(config)

    def run(self, call: Callable[[QdrantClient], T]) -> T:
        """The answer of the server; errors as in the module's text."""
        end = time.monotonic() + self.config.patience_s
        pause = _FIRST_PAUSE_S
        while True:
            client = self._client
            if client is None:
                raise StoreUnavailable("The index is closed: the service is stopping. Try again when it is up.")
            try:
                return call(client)
            except Exception as error:
                known = translate(error, self.config)
                if self._client is None:
                    continue  # closed while it ran
                left = end - time.monotonic()
                if type(known) is not StoreUnavailable or _timed_out(error) or left <= 0:
                    raise known from error
                time.sleep(min(left, pause * random.uniform(0.5, 1.0)))
                pause = min(_LONGEST_PAUSE_S, pause * 2)

    def close(self) -> None:
        """Harmless twice."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def check_version(self) -> None:
        """`ConfigError` for a server that is too old."""
        version = self.run(lambda client: client.info().version)
        numbers = tuple(int(part) for part in version.split("-")[0].split(".")[:2] if part.isdigit())
        if numbers < MIN_VERSION:
            raise ConfigError(
                f"The Qdrant server {self.config.url} is version {version}; Folioscope needs "
                f"{'.'.join(map(str, MIN_VERSION))} or newer.",
                code="qdrant_too_old",
            )


def translate(error: Exception, config: ServerConfig) -> FolioscopeError:
    """What an exception of the client means for us."""
    if isinstance(error, FolioscopeError):
        return error
    text = _message(error)
    place = f"The index server {config.url}"
    if any(sign in text for sign in _FULL):
        return StorageFull(f"{place} has no disk space left. Free some space there and try again.")
    if isinstance(error, grpc.RpcError):
        return _translate_grpc(error, text, place)
    if isinstance(error, UnexpectedResponse):
        return _translate_http(error, text, place)
    if isinstance(error, ResponseHandlingException):
        return _away(place, text, certificate="CERTIFICATE" in text.upper())
    if isinstance(error, (ResourceExhaustedResponse, RuntimeError, ConnectionError, OSError, ValueError)) and (
        not isinstance(error, (RuntimeError, ValueError)) or "clos" in text.lower()
    ):
        return _away(place, text)  # RuntimeError, ValueError: a channel that was closed meanwhile
    return InternalError(f"The index client failed: {text or type(error).__name__}")


def _translate_grpc(error: grpc.RpcError, text: str, place: str) -> FolioscopeError:
    code = error.code()
    if code in _REFUSED:
        return _refused(place, text)
    if code is grpc.StatusCode.NOT_FOUND and "ollection" in text:
        return _missing(place, text)
    if "already exists" in text:
        return AlreadyExists(text)
    if code in _AWAY or code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return _away(place, text, certificate="CERTIFICATE" in text.upper())
    return InternalError(f"{place} refused an operation: {code.name}: {text}")


def _translate_http(error: UnexpectedResponse, text: str, place: str) -> FolioscopeError:
    if error.status_code in {401, 403}:
        return _refused(place, text)
    if error.status_code == 404 and "ollection" in text:
        return _missing(place, text)
    if error.status_code == 409 or "already exists" in text:
        return AlreadyExists(text)
    if error.status_code is None or error.status_code >= 500 or error.status_code in {408, 429}:
        return _away(place, text)
    return InternalError(f"{place} refused an operation: {error.status_code}: {text}")


def _away(place: str, text: str, *, certificate: bool = False) -> FolioscopeError:
    if certificate:
        return ConfigError(
            f"{place} has a certificate that is not trusted: {text}. Set FOLIOSCOPE_QDRANT_CA_FILE.",
            code="qdrant_certificate",
        )
    return StoreUnavailable(f"{place} does not answer ({text[:200]}). Try again in a moment.")


def _refused(place: str, text: str) -> ConfigError:
    return ConfigError(
        f"{place} refused the API key ({text[:200]}). Check FOLIOSCOPE_QDRANT_API_KEY.", code="qdrant_refused"
    )


def _missing(place: str, text: str) -> CollectionMissing:
    return CollectionMissing(f"{place} has no such index ({text[:200]}). It is being rebuilt, or was deleted.")


def _message(error: Exception) -> str:
    if isinstance(error, grpc.RpcError) and hasattr(error, "details"):
        return error.details() or error.code().name
    if isinstance(error, ResponseHandlingException):
        return f"{type(error.source).__name__}: {error.source}"
    if isinstance(error, UnexpectedResponse):
        return error.content.decode("utf-8", "replace")[:1000] or error.reason_phrase
    return str(error)


def _timed_out(error: Exception) -> bool:
    """Whether the time for one request is over: trying again would make it twice as long."""
    if isinstance(error, grpc.RpcError):
        return error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    return isinstance(error, ResponseHandlingException) and type(error.source).__name__ in {
        "ReadTimeout",
        "WriteTimeout",
    }


def _connect(config: ServerConfig) -> QdrantClient:
    # gRPC waits up to two minutes before it looks again for a server that was away; a second is enough.
    options: dict[str, object] = {
        "grpc.initial_reconnect_backoff_ms": 100,
        "grpc.min_reconnect_backoff_ms": 100,
        "grpc.max_reconnect_backoff_ms": 1000,
    }
    more: dict[str, object] = {}
    if config.ca_file is not None:
        try:
            options["root_certificates"] = config.ca_file.read_bytes()
            more["verify"] = ssl.create_default_context(cafile=str(config.ca_file))
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"FOLIOSCOPE_QDRANT_CA_FILE {config.ca_file} cannot be used: {error}", code="qdrant_certificate"
            ) from error
    if config.api_key and config.url.startswith("http://"):
        log.info("the key for %s is sent without encryption: use https unless the network is your own", config.url)
    try:
        return QdrantClient(
            url=config.url,
            grpc_port=config.grpc_port,
            prefer_grpc=config.grpc,
            timeout=config.timeout_s,
            # As a header: the client's own parameter would warn on every private network without TLS.
            headers={"api-key": config.api_key} if config.api_key else None,
            grpc_options=options,
            check_compatibility=False,
            **more,
        )
    except ValueError as error:
        raise ConfigError(f"FOLIOSCOPE_QDRANT_URL {config.url!r}: {error}", code="qdrant_url") from error
