"""Where a webhook may go: exact hosts of a setting, and none of the addresses behind which insides lie.

Two borders. `HostRules.target` looks at a URL when it is registered and each time it is used: `https`, a host and a
port that the setting names, nothing that two programs could read differently. `HostRules.addresses` looks at what the
name stands for at the moment of sending; the caller connects to these very addresses, so a name that changes its
meaning in between (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlsplit

from index.errors import ConfigError, InvalidRequest

MAX_URL = 2048

_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_URL = re.compile(r"[!-\[\]-~]+")  # printable ASCII without space and backslash

_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",  # most clouds
            "169.254.170.2",  # containers of AWS
            "fd00:ec2::254",  # AWS over IPv6
            "100.100.100.200",  # Alibaba
            "168.63.129.16",  # Azure: a public address that is none
            "192.0.0.192",  # Oracle
        ),
    )
)
"""Where clouds hand out credentials: refused whatever the settings say."""
_NAT64 = IPv6Network("64:ff9b::/96")
_NO_ROUTE = (IPv6Network("2002::/16"), IPv6Network("2001::/32"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))
"""Ways to write an IPv4 address as an IPv6 one that nobody needs any more."""

Network = IPv4Network | IPv6Network


class NotAllowed(InvalidRequest):
    code = "webhook_not_allowed"


@dataclass(frozen=True, slots=True)
class Target:
    """A checked URL in parts; `path` with the query. `trusted`: the setting names this loopback host itself."""

    scheme: str
    host: str
    port: int
    path: str
    trusted: bool

    @property
    def host_header(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == (443 if self.scheme == "https" else 80) else f"{name}:{self.port}"


class HostRules:
    """`hosts`: `name`, `name:port`, or, on loopback only, `http://name:port`. `networks`: private ones that hosts may
    lie in. `ConfigError` for what is none.
    """

    def __init__(self, hosts: Sequence[str] = (), networks: Sequence[str] = ()) -> None:
        self._allowed = frozenset(map(_entry, hosts))
        try:
            self._networks: tuple[Network, ...] = tuple(map(ipaddress.ip_network, networks))
        except ValueError as error:
            raise ConfigError(f"FOLIOSCOPE_WEBHOOK_NETWORKS: {error}.", code="bad_setting") from None

    def target(self, url: str) -> Target:
        """The URL in parts. `NotAllowed`, with the reason."""
        if len(url) > MAX_URL or not _URL.fullmatch(url):
            raise NotAllowed(f"A webhook's URL has up to {MAX_URL} printable ASCII characters and no backslash.")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise NotAllowed(f"This is no URL: {error}.") from None
        if parts.scheme not in {"https", "http"} or not parts.hostname:
            raise NotAllowed("A webhook's URL begins with https:// and names a host.")
        if "@" in parts.netloc or parts.fragment or "#" in url:
            raise NotAllowed("A webhook's URL has no user, no password and no fragment.")
        port = (443 if parts.scheme == "https" else 80) if port is None else port
        host = parts.hostname
        if (parts.scheme, host, port) not in self._allowed:
            named = f"[{host}]" if ":" in host else host
            raise NotAllowed(
                f"Webhooks may not go to {parts.scheme}://{named}:{port}. Hosts that they may go to are named in the "
                "setting FOLIOSCOPE_WEBHOOK_HOSTS."
            )
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Target(parts.scheme, host, port, path, _is_loopback_name(host))

    def addresses(self, target: Target) -> list[tuple[socket.AddressFamily, tuple]]:
        """What to connect to, each checked; asks the resolver, which may take its time. `NotAllowed`, `OSError`."""
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        reasons = [self.refusal(address[0], trusted=target.trusted) for *_, address in found]
        good = [(one[0], one[4]) for one, reason in zip(found, reasons, strict=True) if reason is None]
        if not good:
            raise NotAllowed(f"{target.host} stands for {reasons[0]}, which webhooks may not go to.")
        return good

    def refusal(self, address: str, *, trusted: bool = False) -> str | None:
        """Why nothing is sent to an address; None where it may be. `trusted`: loopback was named in the setting."""
        try:
            ip = _plain(ipaddress.ip_address(address.partition("%")[0]))
        except ValueError:
            return "no address"
        if ip in _METADATA:
            return "a cloud's metadata service"
        if any(ip.version == network.version and ip in network for network in self._networks):
            return None
        if ip.is_loopback:
            return None if trusted else "a loopback address"
        if ip.version == 6 and any(ip in network for network in _NO_ROUTE):
            return "an address of an old kind"
        if not ip.is_global or ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_link_local:
            return "an address that is not public"
        return None


def _plain(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address only wraps."""
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return ip.ipv4_mapped
        if ip in _NAT64:
            return IPv4Address(int(ip) & 0xFFFFFFFF)
        if getattr(ip, "is_site_local", False):
            return IPv6Address("::")  # long abolished; private wherever it is still used
    return ip


def _entry(text: str) -> tuple[str, str, int]:
    """`(scheme, host, port)` of an entry of the setting."""
    plain = text.strip().lower()
    scheme, there, rest = plain.partition("://")
    if not there:
        scheme, rest = "https", plain
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    literal = _is_literal(host)
    good = scheme in {"https", "http"} and (literal or _HOST.fullmatch(host)) and parts.netloc == rest
    if not good or "@" in rest:
        raise ConfigError(
            f"FOLIOSCOPE_WEBHOOK_HOSTS: {text[:200]!r} is no host. Write hooks.example or hooks.example:8443, without "
            "a path and without wildcards.",
            code="bad_setting",
        )
    if scheme == "http" and not _is_loopback_name(host):
        raise ConfigError(
            f"FOLIOSCOPE_WEBHOOK_HOSTS: {text[:200]!r}: webhooks go over https; http:// is for loopback only.",
            code="bad_setting",
        )
    return scheme, host, port if port is not None else (443 if scheme == "https" else 80)


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback_name(host: str) -> bool:
    return host == "localhost" or (_is_literal(host) and ipaddress.ip_address(host).is_loopback)
