"""TLS to the database: certificates are verified with the files in the URL, and a failure names its cause.

The embedded PostgreSQL is built without TLS, so a TLS terminator stands in front of it.
"""

import asyncio
import os
import ssl
import struct
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.database.engine import build_probe_engine
from app.errors import Unavailable
from app.settings.database_url import asyncpg_url
from tests.databases import ROOT, make_settings

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""The first message of a PostgreSQL client that asks for TLS; the server answers with one byte, S (yes) or N (no)."""

NOT_ACCEPTED = "The certificate of the database is not accepted"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Certificate files: two authorities, one of them untrusted, a server, a client, and revocation lists."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    client, server = authority.issue_cert("client@example.invalid"), authority.issue_cert("localhost")
    server.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    (folder / "none.crl").write_bytes(revocations(authority))
    (folder / "server.crl").write_bytes(revocations(authority, server.cert_chain_pems[0].bytes()))
    authority.cert_pem.write_to_path(folder / "ca.pem")
    trustme.CA().cert_pem.write_to_path(folder / "stranger.pem")
    client.private_key_pem.write_to_path(folder / "client.key")
    client.cert_chain_pems[0].write_to_path(folder / "client.pem")
    return {path.name: path for path in folder.iterdir()}


def server_context(files: dict[str, Path], *, client_certificate: bool) -> ssl.SSLContext:
    """Return the TLS context of a server named localhost, with a certificate of the trusted authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files["server.pem"])
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # in TLS 1.3, a client learns too late that it lacks a certificate
    if client_certificate:
        context.load_verify_locations(files["ca.pem"])
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def revocations(authority: trustme.CA, *revoked: bytes) -> bytes:
    """Return the certificate revocation list of an authority, with these revoked certificates."""
    now = datetime.now(UTC)
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes()).subject
    found = x509.CertificateRevocationListBuilder(issuer, now, now + timedelta(days=1))
    for pem in revoked:
        number = x509.load_pem_x509_certificate(pem).serial_number
        entry = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(now).build()
        found = found.add_revoked_certificate(entry)
    key = load_pem_private_key(authority.private_key_pem.bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return found.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


@asynccontextmanager
async def terminator(url: str, context: ssl.SSLContext | None) -> AsyncGenerator[str]:
    """Yield the URL of a TLS terminator in front of PostgreSQL; if `context` is None, the terminator declines TLS."""
    address, before = make_url(url), asyncio.all_tasks()

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readexactly(8)
        if first == SSL_REQUEST:
            writer.write(b"N" if context is None else b"S")
            if context is not None:
                await writer.start_tls(context)
            first = b""
        to_reader, to_writer = await asyncio.open_connection(address.host, address.port)
        to_writer.write(first)
        await asyncio.gather(pipe(reader, to_writer), pipe(to_reader, writer))

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError), closing(writer):
            await serve(reader, writer)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield address.set(host="localhost", port=port).render_as_string(hide_password=False)
    finally:
        server.close()
        async with asyncio.timeout(10):
            await asyncio.gather(*asyncio.all_tasks() - before)


async def answer(url: str, **query: object) -> int:
    """Return the result of a query on a new database connection; `query` has the TLS parameters of the URL."""
    settings = make_settings(f"{url}?{urlencode(query)}")
    secret = settings.database_url.get_secret_value()
    engine = build_probe_engine(secret, timeouts=settings.database_timeouts, application_name="tls")
    async with engine.connect() as connection:
        found: int = (await connection.execute(text("SELECT 42"))).scalar_one()
        return found


async def test_certificates_are_verified_with_the_files_of_the_url(server_url: str, files: dict[str, Path]) -> None:
    async with terminator(server_url, server_context(files, client_certificate=True)) as url:
        client = {"sslcert": files["client.pem"], "sslkey": files["client.key"]}

        assert await answer(url, sslmode="verify-full", sslrootcert=files["ca.pem"], **client) == 42
        assert await answer(url, sslmode="verify-ca", sslrootcert=files["ca.pem"], **client) == 42
        revoked = {"sslrootcert": files["ca.pem"], "sslcrl": files["none.crl"]}
        assert await answer(url, sslmode="require", **revoked, **client) == 42
        assert await answer(url, sslmode="require", sslnegotiation="postgres", **client) == 42
        # The server refuses a client without a certificate.
        with pytest.raises(Unavailable):
            await answer(url, sslmode="verify-full", sslrootcert=files["ca.pem"])


@pytest.mark.parametrize(
    ("host", "query", "sentence"),
    [
        ("localhost", {"sslmode": "verify-full", "sslrootcert": "stranger.pem"}, NOT_ACCEPTED),
        ("127.0.0.1", {"sslmode": "verify-full", "sslrootcert": "ca.pem"}, f"{NOT_ACCEPTED}: IP address mismatch.$"),
        (
            "localhost",
            {"sslmode": "require", "sslrootcert": "ca.pem", "sslcrl": "server.crl"},
            f"{NOT_ACCEPTED}: certificate revoked.$",
        ),
        ("localhost", {"sslmode": "verify-full"}, "The database connection lacks a file: set sslrootcert"),
    ],
)
async def test_a_certificate_that_is_not_accepted_is_named(
    server_url: str, files: dict[str, Path], host: str, query: dict[str, str], sentence: str
) -> None:
    known = {name: files.get(value, value) for name, value in query.items()}
    async with terminator(server_url, server_context(files, client_certificate=False)) as url:
        with pytest.raises(Unavailable, match=f"^{sentence}"):
            await answer(url.replace("localhost", host), **known)


@pytest.mark.parametrize(
    ("query", "held"),
    [
        ({"sslrootcert": "client.key"}, "sslrootcert names a file that holds no certificate in PEM form"),
        ({"sslrootcert": "ca.pem", "sslcrl": "client.key"}, "holds no list of revoked certificates in PEM form"),
        ({"sslcert": "client.key", "sslkey": "client.key"}, "sslcert names a file that holds no certificate"),
    ],
)
def test_a_file_without_a_certificate_is_refused(files: dict[str, Path], query: dict[str, str], held: str) -> None:
    named = {name: str(files[value]) for name, value in query.items()}
    with pytest.raises(ValueError, match=held):
        asyncpg_url(SecretStr(f"postgresql://localhost/app?{urlencode({'sslmode': 'require', **named})}"))


async def test_a_server_without_tls_is_named(server_url: str) -> None:
    async with terminator(server_url, None) as url:
        with pytest.raises(Unavailable, match="The database offers no TLS, which sslmode in DATABASE_URL demands"):
            await answer(url, sslmode="require")


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="becomes a user without rights on HOME")
def test_a_home_folder_of_a_different_user_is_named(server_url: str, tmp_path: Path) -> None:
    (tmp_path / ".postgresql").mkdir()
    tmp_path.chmod(0o700)
    # Imports happen before the change of user: the new user may be unable to read the interpreter's folder.
    program = (
        "import asyncio, os, sys; from tests.database.test_tls import answer; "
        "os.setgroups([]); os.setuid(65534); asyncio.run(answer(sys.argv[1], sslmode='prefer'))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, server_url],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert "Unavailable: This user has no permission to read a file of the database connection" in result.stderr
