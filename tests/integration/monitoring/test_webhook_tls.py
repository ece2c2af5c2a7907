"""The name that was given is the one that certificates must name, whatever address is called."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from accounts.models import User
from federation.errors import Transient
from monitoring import webhooks
from monitoring.models import Webhook
from tests.support.patience import FAILS_AFTER_S


@dataclass
class Secure:
    """A server with a certificate, and what it was asked."""

    port: int = 0
    asked_for: list[str | None] = field(default_factory=list)
    got: list[bytes] = field(default_factory=list)


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate of its own authority for a name, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form, nothing = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, nothing))
    return paths


@contextmanager
def serving(folder: Path, name: str) -> Iterator[Secure]:
    reported = Secure()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(folder, name))
    context.sni_callback = lambda _socket, asked, _context: reported.asked_for.append(asked)
    listener = socket.create_server(("127.0.0.1", 0))
    reported.port = listener.getsockname()[1]

    def serve() -> None:
        try:
            with listener.accept()[0] as plain, context.wrap_socket(plain, server_side=True) as secure:
                reported.got.append(secure.recv(65536))
                secure.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        except OSError:
            reported.got.append(b"")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield reported
    finally:
        thread.join(FAILS_AFTER_S)
        listener.close()


@pytest.mark.parametrize("name", ["localhost", "elsewhere.example"])
def test_the_certificate_must_name_the_host_that_was_given(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE, settings.WEBHOOK_DEADLINE_S = True, 60
    with serving(tmp_path, name) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        monkeypatch.setattr(socket, "getaddrinfo", _here)
        webhook = Webhook(user=User(), url=f"https://localhost:{server.port}/hook", kinds=[])
        if name == "localhost":
            webhooks.post(webhook, webhooks.trial_of(webhook), message_id="one")
        else:
            with pytest.raises(Transient) as caught:
                webhooks.post(webhook, webhooks.trial_of(webhook), message_id="one")
            assert (caught.value.code, "CertVerification" in caught.value.message) == ("webhook.failed", True)
    assert server.asked_for == ["localhost"]
    if name == "localhost":
        head = server.got[0].partition(b"\r\n\r\n")[0].decode()
        assert head.startswith("POST /hook HTTP/1.1\r\n")
        assert f"Host: localhost:{server.port}\r\n" in head
    else:
        assert server.got == [b""], "not a byte of the message was sent"


def _here(host: str, port: int, *_more: object, **_kind: object) -> list[Any]:
    """`localhost` is 127.0.0.1 alone, whatever this machine's tables say."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
