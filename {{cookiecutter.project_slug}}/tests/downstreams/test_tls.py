"""TLS to a downstream: SSL_CERT_FILE can name a private authority, and a certificate error is reported as such."""

import asyncio
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import HttpUrl

from app.downstreams.client import Client
from app.downstreams.downstream import Downstream
from app.errors import DownstreamUnavailable
from app.settings.downstreams import DownstreamSettings
from tests.databases import ROOT
from tests.downstreams.faulty_server import answer

pytestmark = pytest.mark.needs_program("openssl", "apt-get install openssl, or brew install openssl")

CALL = """
import asyncio, sys
from app.downstreams.registry import open_downstreams, over_the_network
from app.settings.downstreams import DownstreamSettings, DownstreamsSettings

class Settings(DownstreamsSettings):
    secure: DownstreamSettings

async def main():
    async with open_downstreams(Settings(secure={"base_url": sys.argv[1]}), over_the_network) as downstreams:
        print(await downstreams["secure"].get_json("things"))

asyncio.run(main())
"""
"""A program that calls a downstream: SSL_CERT_FILE is read once per process, so each value needs a new process."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for `localhost` and its private key, in one file."""
    file = tmp_path_factory.mktemp("tls") / "company.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-keyout", str(file) + ".key"]
    made = ["openssl", "req", "-x509", *key, *names, "-days", "2", "-out", str(file)]
    subprocess.run(made, check=True, capture_output=True)
    return file


@asynccontextmanager
async def tls_server(certificate: Path) -> AsyncGenerator[str]:
    """Yield the URL of a local TLS server, which answers one request on each connection."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, f"{certificate}.key")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await answer("", writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}"


async def call(url: str, **variables: str) -> tuple[int | None, str]:
    """Call a downstream from a new process, and return the exit code and the last line of output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CALL, url),
        cwd=ROOT,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode().splitlines()[-1]


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "none"])
async def test_a_certificate_of_the_authority_in_the_environment_is_trusted(certificate: Path, variable: str) -> None:
    async with tls_server(certificate) as url:
        code, said = await call(url, **{variable: str(certificate)})

    refusal = "app.errors.DownstreamUnavailable: secure: its certificate is not accepted."
    assert (code, said) == ((0, "7") if variable == "SSL_CERT_FILE" else (1, refusal))


async def test_an_authority_that_cannot_be_read_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    code, said = await call("https://localhost:1", SSL_CERT_FILE=str(tmp_path / "missing.pem"))

    assert code == 1
    assert said.endswith("AuthoritiesError: SSL_CERT_FILE names no readable file of certificates.")


async def test_a_refused_certificate_does_not_look_like_a_dead_host(certificate: Path) -> None:
    async with tls_server(certificate) as url:
        settings = DownstreamSettings(base_url=HttpUrl(url), max_attempts=1)
        async with Client("secure", settings) as client:
            with pytest.raises(DownstreamUnavailable) as refused:
                await Downstream("secure", client, settings).get_json("things")

    # the log line of a failed request names the class of this cause
    assert isinstance(refused.value.__cause__, ssl.SSLCertVerificationError)
