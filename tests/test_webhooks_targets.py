"""Where webhooks may go: exact hosts, public addresses, and never where insides lie."""

from __future__ import annotations

import ipaddress
import re
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.errors import ConfigError
from worker.webhooks.targets import HostRules, NotAllowed

RULES = HostRules(["hooks.example", "hooks.example:8443", "http://127.0.0.1:9000", "[2606:4700::1111]"])


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://hooks.example", "hooks.example", 443, "/"),
        ("https://HOOKS.example:443/a/b?c=d", "hooks.example", 443, "/a/b?c=d"),
        ("https://hooks.example:8443/x", "hooks.example", 8443, "/x"),
        ("http://127.0.0.1:9000/h", "127.0.0.1", 9000, "/h"),
        ("https://[2606:4700::1111]/h", "2606:4700::1111", 443, "/h"),
    ],
)
def test_urls_that_may_be(url, host, port, path):
    """Hosts and ports as the setting names them, and any path."""
    target = RULES.target(url)
    assert (target.host, target.port, target.path) == (host, port, path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example",
        "http://hooks.example/",
        "http://hooks.example:443/",
        "https://hooks.example:444/",
        "https://hooks.example.evil.example/",
        "https://evil.example/hooks.example",
        "https://evil.example#hooks.example",
        "https://hooks.example@evil.example/",
        "https://evil.example\\@hooks.example/",
        "https://user:pw@hooks.example/",
        "https://hooks.example/#x",
        "https://hooks.example./",
        "https://a.hooks.example/",
        "https://hooks.example:99999/",
        "https://hooks.example:x/",
        "https://hooks.ex\tample/",
        "https://hooks.example/a b",
        "https://hooks.example/\r\nX: y",
        "https://hööks.example/",
        "https://[::ffff:127.0.0.1]/",
        "https://127.0.0.1:9000/",
        "http://localhost:9000/",
        "http://2130706433:9000/",
        "http://0x7f.1:9000/",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "https://[hooks.example/",
        "https://hooks.example/" + "x" * 3000,
    ],
)
def test_urls_that_may_not(url):
    """Another host, however it is dressed up; with a message for people."""
    with pytest.raises(NotAllowed) as error:
        RULES.target(url)
    assert error.value.code == "webhook_not_allowed"
    assert error.value.message


def test_a_refusal_names_the_host_as_the_setting_takes_it():
    """Who copies it from there is let through; an address of IPv6 stood there without its brackets."""
    for url in ("https://hooks.example:8443/x", "http://[::1]:9000/x", "https://[2001:db8::1]/x"):
        with pytest.raises(NotAllowed) as caught:
            HostRules().target(url)
        named = re.search(r"https?://\S+(?=\.)", caught.value.message)
        assert HostRules([named[0]]).target(url)


def test_nothing_is_allowed_at_first():
    """Not even loopback."""
    with pytest.raises(NotAllowed):
        HostRules().target("https://hooks.example/")


@pytest.mark.parametrize(
    "host",
    [
        "",
        "*",
        "*.example",
        "https://",
        "a b",
        "http://hooks.example",
        "hooks.example/path",
        "u@h.example",
        "h:x",
        "ftp://h",
    ],
)
def test_settings_that_make_no_sense(host):
    """Are told at the start, with the setting's name."""
    with pytest.raises(ConfigError, match="FOLIOSCOPE_WEBHOOK_HOSTS"):
        HostRules([host])


def test_networks_that_make_no_sense():
    """The same."""
    with pytest.raises(ConfigError, match="FOLIOSCOPE_WEBHOOK_NETWORKS"):
        HostRules([], ["10.0.0.1/8"])


PRIVATE = [
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16 198.18.0.0/15 "
    "224.0.0.0/4 240.0.0.0/4 192.0.2.0/24 198.51.100.0/24 203.0.113.0/24",
    "::/96 fc00::/7 fe80::/10 fec0::/10 ff00::/8 2001:db8::/32 2002::/16 2001::/32 ::1/128 ::/128",
]
NETWORKS = [ipaddress.ip_network(text) for line in PRIVATE for text in line.split()]


@st.composite
def inside(draw):
    """An address of a network that is not the public's."""
    network = draw(st.sampled_from(NETWORKS))
    return network[draw(st.integers(0, network.num_addresses - 1))]


@given(inside())
@settings(max_examples=400, deadline=None, database=None)
def test_insides_are_refused(address):
    """However the address is written: plain, mapped into IPv6, behind NAT64, with a zone."""
    assert RULES.refusal(str(address)) is not None
    if address.version == 4:
        for wrapped in (f"::ffff:{address}", f"64:ff9b::{address}", f"::{address}"):
            assert RULES.refusal(wrapped) is not None
    else:
        assert RULES.refusal(f"{address}%eth0") is not None


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
@settings(max_examples=400, deadline=None, database=None)
def test_only_public_addresses_are_sent_to(address):
    """What is sent to lies in no private network, by somebody else's list of them."""
    if RULES.refusal(str(address)) is None:
        plain = getattr(address, "ipv4_mapped", None) or address
        nat64 = ipaddress.ip_network("64:ff9b::/96")
        if plain.version == 6 and plain in nat64:
            plain = ipaddress.IPv4Address(int(plain) & 0xFFFFFFFF)
        assert not any(plain in network for network in NETWORKS if network.version == plain.version)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses(address):
    """Are sent to."""
    assert RULES.refusal(address) is None


def test_private_networks_of_the_setting():
    """Open what they name and nothing beside; metadata services stay shut whatever they name."""
    rules = HostRules([], ["10.1.0.0/16", "169.254.0.0/16", "fd00::/8", "0.0.0.0/0"])
    narrow = HostRules([], ["10.1.0.0/16"])
    assert rules.refusal("10.1.2.3") is None
    assert narrow.refusal("::ffff:10.1.2.3") is None
    assert narrow.refusal("10.2.0.1") is not None
    for address in ("169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "168.63.129.16", "100.100.100.200"):
        assert rules.refusal(address) is not None


def test_loopback_is_for_hosts_that_the_setting_names():
    """A public name that stands for loopback gets nothing."""
    rules = HostRules(["hooks.example", "http://localhost:9000"])
    assert rules.addresses(rules.target("http://localhost:9000/"))
    assert rules.refusal("127.0.0.1") is not None
    assert rules.refusal("127.0.0.1", trusted=True) is None
    assert rules.refusal("10.0.0.1", trusted=True) is not None


def test_names_are_looked_at_when_they_are_used(monkeypatch):
    """Of what a name stands for only public addresses are taken; none, and nothing is sent."""
    answers = [["10.0.0.1", "93.184.215.14"], ["127.0.0.1"], ["169.254.169.254", "::1"]]

    def resolve(host, port, **_):
        assert (host, port) == ("hooks.example", 443)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in answers.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    target = RULES.target("https://hooks.example/")
    assert RULES.addresses(target) == [(socket.AF_INET, ("93.184.215.14", 443))]
    for _ in range(2):
        with pytest.raises(NotAllowed):
            RULES.addresses(target)
