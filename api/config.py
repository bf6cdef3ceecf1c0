"""What the HTTP side can be told, as one frozen value. Nothing here reads the environment."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
WEB_DIR = Path(__file__).parent / "web"


def version() -> str:
    """The installed version, or `0` in a checkout that was never installed."""
    try:
        return metadata.version("folioscope")
    except metadata.PackageNotFoundError:
        return "0"


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """`allowed_hosts` are further names that a `Host` header may carry, without port; `*` allows all."""

    max_upload_bytes: int = 8 << 30
    max_json_bytes: int = 1 << 20
    allowed_hosts: tuple[str, ...] = ()
    upload_idle_s: float = 60.0  # an upload that sends nothing for so long is given up
    upload_min_bytes_per_s: int = 1024  # and one that is slower than this over each `upload_window_s`
    upload_window_s: float = 30.0
    body_timeout_s: float = 30.0  # for the whole of any other request body
    cors_origins: tuple[str, ...] = ()  # web pages elsewhere that may call the API, with a key of theirs
    poll_s: float = 0.3  # how often a document is looked at for its progress events
    heartbeat_s: float = 15.0  # comments that keep proxies from closing quiet event streams
    retry_after_s: int = 5
    threads: int = 32  # blocking service calls at the same time
    image_threads: int = 4  # page images cost processor time: few at once, so that searches pass them
    web_dir: Path = WEB_DIR
