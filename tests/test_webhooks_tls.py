"""Webhooks over TLS: to who can prove the name, and to nobody else."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.webhook_kit import Receiver
from worker.webhooks.post import post
from worker.webhooks.targets import Target


def certificate(path, *names):
    """A key and a certificate for these, signed by itself, as a server's context and a client's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = dt.datetime.now(dt.UTC)
    alternatives = x509.SubjectAlternativeName(
        [x509.IPAddress(ipaddress.ip_address(one)) if one[0].isdigit() else x509.DNSName(one) for one in names]
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(alternatives, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cadata=pem.decode())


def test_over_tls_the_name_is_checked(tmp_path):
    """A certificate for the host, by an authority that is trusted; else nothing is told."""
    server, client = certificate(tmp_path / "a.pem", "hooks.example")
    with Receiver(tls=server) as receiver:
        where = [(socket.AF_INET, ("127.0.0.1", receiver.port))]

        def send(host, tls):
            return post(Target("https", host, receiver.port, "/", False), where, b"{}", {}, timeout_s=60, tls=tls)

        assert send("hooks.example", client).status == 204
        assert receiver.got[0].headers["host"] == f"hooks.example:{receiver.port}"
        for outcome in (send("other.example", client), send("hooks.example", None)):
            assert outcome.status is None
            assert "certificate" in outcome.reason
        assert len(receiver.got) == 1
