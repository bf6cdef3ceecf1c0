"""How the values of `worker.settings` are written: where they are read from, and what can be one.

Knows no setting by its name.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource, SettingsError

_IPV6 = r"\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\]"
_HOST = re.compile(rf"\*|{_IPV6}|[A-Za-z0-9_][A-Za-z0-9._-]*")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_OWN_PORTS = {"http": ":80", "https": ":443"}  # which browsers leave out
_ADDRESS = re.compile(r"https?://[^/?#\s]", re.IGNORECASE)


class SecretFiles(EnvSettingsSource):
    """`FOLIOSCOPE_<NAME>_FILE` names a file that holds a secret setting, as Docker and Kubernetes mount them."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        if not is_secret(field):
            return None, field_name, False
        variable = f"{self.env_prefix}{field_name}_file".lower()
        path = self.env_vars.get(variable)
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{variable.upper()}: the file {path} cannot be read ({error}).") from None


class Environment(EnvSettingsSource):
    """The environment, where lists stand as people write them there: `a.example, b.example`, or as JSON."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        del field  # all that are no single values are lists of strings
        if not value.lstrip().startswith(("[", "{")) or re.match(rf"\s*{_IPV6}", value):
            return [part for part in (part.strip() for part in value.split(",")) if part]
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError(
                f"{self.env_prefix}{field_name.upper()} is no JSON list ({error}). Commas between values do as well."
            ) from None


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting's value must not be seen in logs and process lists."""
    return "SecretStr" in str(field.annotation)


def hosts(names: list[str]) -> list[str]:
    """The names, as they are. `ValueError` for one that no request could be addressed to."""
    for name in names:
        if not _HOST.fullmatch(name):
            raise ValueError(
                f"{name!r} is no host's name: `archive.example`, without `https://` and port; `*` alone is any"
            )
    return names


def origins(given: list[str]) -> list[str]:
    """The origins, as they are. `ValueError` for one that no browser sends."""
    for origin in given:
        if not _is_origin(origin):
            raise ValueError(
                f"{origin!r} is no origin: `https://intranet.example`, in small letters, without a path and a "
                "scheme's own port; `*` is none"
            )
    return given


def address(url: str | None) -> str | None:
    """The URL, as it is. `ValueError` for one that nothing can be sent to."""
    if url is not None and not _ADDRESS.match(url):
        raise ValueError("an address begins with `http://` or `https://` and a host")
    return url


def _is_origin(text: str) -> bool:
    """Whether a browser sends it so as `Origin`: that of an extension or an app has a scheme of its own."""
    return _ORIGIN.fullmatch(text) is not None and not text.endswith(_OWN_PORTS.get(text.partition(":")[0], "/"))
