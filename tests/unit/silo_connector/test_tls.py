"""TLS is always verified, for small calls and for large transfers, also through a proxy."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from federation.protocol.keys import PrivateKey
from silo_connector.relay.errors import Unreachable
from silo_connector.relay.platform import Platform
from silo_connector.relay.transfers import Transfers
from tests.unit.silo_connector.fake_platform import FakePlatform
from tests.unit.silo_connector.sites import Site, enrolled, make_site

BLOB = bytes(range(256)) * (12 << 10)


def certificate(folder: Path, address: str) -> Path:
    """A certificate that signs itself, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "platform")])
    moment = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(days=1))
        .not_valid_after(moment + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "platform.pem"
    file.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


async def serve(folder: Path, address: str = "127.0.0.1") -> tuple[FakePlatform, TestServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(folder, address))
    platform = FakePlatform()
    server = await platform.start(context)
    platform.blobs["blob"] = BLOB
    return platform, server


async def fetch(site: Site, size_bytes: int) -> bytes:
    async with Platform(site.config, PrivateKey.generate()) as platform:
        with (site.folder / "fetched").open("w+b") as file:
            await Transfers(platform).download("/connector/v1/blobs/blob", file, size_bytes)
        return (site.folder / "fetched").read_bytes()


@pytest.mark.parametrize("size_bytes", [len(BLOB), 1000])
async def test_a_known_authority_is_believed(tmp_path: Path, size_bytes: int) -> None:
    platform, server = await serve(tmp_path)
    platform.blobs["blob"] = BLOB[:size_bytes]
    site = await enrolled(make_site(tmp_path, platform, 'ca_file = "platform.pem"'))
    assert site.config.platform_url.startswith("https://")
    assert await fetch(site, size_bytes) == BLOB[:size_bytes]
    await server.close()


@pytest.mark.parametrize("size_bytes", [len(BLOB), 1000])
@pytest.mark.parametrize(
    ("address", "more"), [("127.0.0.1", ""), ("10.1.2.3", 'ca_file = "platform.pem"')], ids=["unknown", "other name"]
)
async def test_a_certificate_of_another_authority_is_refused(
    tmp_path: Path, address: str, more: str, size_bytes: int
) -> None:
    platform, server = await serve(tmp_path, address)
    site = make_site(tmp_path, platform, more)
    with pytest.raises(Unreachable, match=r"(?i)certificate"):
        await fetch(site, size_bytes)
    await server.close()


@contextlib.asynccontextmanager
async def proxy() -> AsyncIterator[tuple[str, list[str]]]:
    """An HTTP proxy that knows CONNECT only; the places that it was asked to connect to."""
    asked: list[str] = []

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while block := await reader.read(1 << 16):
                writer.write(block)
                await writer.drain()
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        place = head.split()[1].decode()
        asked.append(place)
        host, _, port = place.rpartition(":")
        inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pipe(reader, inner_writer), pipe(inner_reader, writer))

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


@pytest.mark.parametrize("size_bytes", [len(BLOB), 1000])
async def test_the_relay_connects_through_a_proxy(tmp_path: Path, size_bytes: int) -> None:
    platform, server = await serve(tmp_path)
    platform.blobs["blob"] = BLOB[:size_bytes]
    async with proxy() as (address, asked):
        site = make_site(tmp_path, platform, f'ca_file = "platform.pem"\nproxy = "{address}"')
        assert await fetch(site, size_bytes) == BLOB[:size_bytes]
    assert asked == [platform.url.removeprefix("https://")]
    await server.close()
