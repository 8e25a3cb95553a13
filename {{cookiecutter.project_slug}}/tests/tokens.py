"""Access tokens for tests, from the development issuer in place of a real issuer, and clients that send a token."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from typing import Any

from app.downstreams.client import NO_ADDRESS, httpx
from app.request.authenticated import ACCESS_TOKEN
from devtools import issuer_stub
from devtools.ports import free_port
from tests.databases import ROOT


def answer_keys(_request: httpx.Request) -> httpx.Response:
    """Answer with the public keys, as an issuer's JWKS URL does."""
    return httpx.Response(200, json={"keys": [issuer_stub.PUBLIC]})


def bearer(subject: str = "ada", scope: str | None = None, **claims: Any) -> dict[str, str]:  # noqa: ANN401 - Any stands for JSON claims
    """Return the Authorization header with an access token for a subject, by default with every scope."""
    whole = {
        "sub": subject,
        "client_id": "tests",
        "scope": " ".join(ACCESS_TOKEN.scopes) if scope is None else scope,
    } | claims
    token = issuer_stub.token(NO_ADDRESS, whole)
    return {"Authorization": f"Bearer {token}"}


class Bearer(httpx.Auth):
    """Adds an access token with every scope to a request that has no Authorization header."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """Add the Authorization header with an access token, unless the test has set this header."""
        request.headers.setdefault("Authorization", bearer()["Authorization"])
        yield request


@asynccontextmanager
async def issuing() -> AsyncGenerator[str]:
    """Run the development issuer, and yield its URL."""
    port = free_port()
    stubs = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "devtools.stubs", "--port", f"{port}"), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert stubs.stdout is not None
    await stubs.stdout.readline()
    try:
        yield f"http://127.0.0.1:{port}/issuer"
    finally:
        stubs.terminate()
        await stubs.wait()
