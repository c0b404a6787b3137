"""The same shells over TLS and on uvloop, which the host runs on."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.server import ServerConnection, serve

from obiterm.core.errors import RetryLater
from obiterm.net import HttpPool, SystemClock
from obiterm.net.ws_connection import open_connection

ADDRESS = "127.0.0.1"
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def server_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A certificate for the loopback address that this process trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "obiterm test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(ADDRESS))]), False
        )
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file, key_file)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate_file))
    return context


@contextlib.asynccontextmanager
async def http_server(tls: ssl.SSLContext | None) -> AsyncIterator[int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(REPLY)
        writer.close()

    server = await asyncio.start_server(handle, ADDRESS, 0, ssl=tls)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def echo(connection: ServerConnection) -> None:
    async for text in connection:
        await connection.send(text)


async def talk(tls: ssl.SSLContext | None) -> None:
    """Make one request and one round trip on a socket, with a large frame."""
    secure = "s" if tls else ""
    async with http_server(tls) as port:
        pool = HttpPool(f"http{secure}://{ADDRESS}:{port}")
        for _ in range(3):
            assert (await pool.request("POST", b"/order", timeout_s=5)).body == b"ok"
        pool.close()
    async with serve(echo, ADDRESS, 0, ssl=tls) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        echoed: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        connection = await open_connection(
            f"ws{secure}://{ADDRESS}:{port}/",
            lambda text, received_ns: echoed.set_result(text),
            SystemClock(),
        )
        connection.send(b"x" * 200_000)
        assert len(await asyncio.wait_for(echoed, 5)) == 200_000
        connection.close("done")
        await asyncio.wait_for(connection.closed, 5)


async def test_tls(server_tls: ssl.SSLContext) -> None:
    await talk(server_tls)


def test_uvloop() -> None:
    uvloop.run(talk(None))


def test_uvloop_with_tls(server_tls: ssl.SSLContext) -> None:
    uvloop.run(talk(server_tls))


async def test_a_certificate_nobody_vouches_for_is_refused(
    server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    async with http_server(server_tls) as port:
        with pytest.raises(RetryLater, match="certificate"):
            await HttpPool(f"https://{ADDRESS}:{port}").request("POST", b"/order", timeout_s=5)
