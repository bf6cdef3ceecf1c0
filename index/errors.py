"""Every error that Folioscope raises on purpose.

    FolioscopeError
    ├── RequestError            the caller's fault (4xx): change the request
    │   ├── NotFound            404  unknown id, or another tenant's
    │   ├── InvalidRequest      422  a value that makes no sense
    │   ├── TooLarge            413  over a stated limit
    │   ├── UnsupportedMedia    415  a file type that cannot be read
    │   ├── BadDocument         422  the file itself is damaged, encrypted, empty or hostile
    │   └── Conflict            409  not in this state (e.g. the page is not read yet)
    ├── Unavailable             try again (503), or 507 when the disk is full
    │   ├── StorageFull         507
    │   └── StoreUnavailable    503  the index does not answer or is locked
    ├── ConfigError             this installation is set up wrongly: says which setting
    └── InternalError           our bug (500)

Each class has a default `code`; an instance may carry a more exact one. Codes are stable:
they are in the API reference and people's programs compare them. Messages say what to do.
Page and file failures use the same codes (see `docs/errors.md`).
"""

from __future__ import annotations


class FolioscopeError(Exception):
    """Base of all. `code` is stable, `message` is for people."""

    code = "error"
    status = 500

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class RequestError(FolioscopeError):
    code = "bad_request"
    status = 400


class NotFound(RequestError):
    code = "not_found"
    status = 404


class InvalidRequest(RequestError):
    code = "invalid_request"
    status = 422


class TooLarge(RequestError):
    code = "too_large"
    status = 413


class UnsupportedMedia(RequestError):
    code = "unsupported_media_type"
    status = 415


class BadDocument(RequestError):
    code = "bad_document"
    status = 422


class Conflict(RequestError):
    code = "conflict"
    status = 409


class Unavailable(FolioscopeError):
    code = "unavailable"
    status = 503


class StorageFull(Unavailable):
    code = "storage_full"
    status = 507


class StoreUnavailable(Unavailable):
    code = "store_unavailable"
    status = 503


class ConfigError(FolioscopeError):
    code = "config_error"
    status = 500


class InternalError(FolioscopeError):
    code = "internal_error"
    status = 500
