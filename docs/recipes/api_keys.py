"""API keys of machines: shown once, stored as a hash, found by an id, and replaced without a gap.

Run: DATABASE_URL=postgresql://app@127.0.0.1/app uvicorn api_keys:app
"""

import hmac
import os
import re
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

import asyncpg
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

MIGRATION = """
CREATE TABLE api_keys (
    id text PRIMARY KEY,
    client text NOT NULL,
    scopes text[] NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    ends_at timestamptz NOT NULL
)"""
FORM = re.compile(r"sk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
"""The form of a key: a prefix by which scanners of repositories find leaked keys, the row's id, and 32 random bytes."""

NOBODY = sha256(secrets.token_bytes(32)).digest()
FIND = "SELECT client, scopes, hash FROM api_keys WHERE id = $1 AND ends_at > now()"
ADD = "INSERT INTO api_keys VALUES ($1, $2, $3, $4, now() + make_interval(days => $5))"
END = "UPDATE api_keys SET ends_at = now() + make_interval(hours => $2) WHERE client = $1 AND ends_at > now()"

Given = Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]


@dataclass(frozen=True, slots=True)
class Principal:
    """The machine that sent a request."""

    subject: str
    scopes: frozenset[str]


async def issue(pool: asyncpg.Pool, client: str, scopes: list[str], *, days: int = 90, overlap_hours: int = 24) -> str:
    """Return a new key, of which only the hash is stored; the client's earlier keys end after the overlap."""
    key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(END, client, overlap_hours)
        # A fast hash is right: 32 random bytes cannot be guessed. A slow hash, as for passwords, would block the loop.
        await connection.execute(ADD, key_id, client, scopes, sha256(secret.encode()).digest(), days)
    return f"sk_{key_id}_{secret}"


async def principal(request: Request, given: Given) -> Principal:
    """Return the machine that has this key; a key of the wrong form never reaches the database."""
    found = FORM.fullmatch(given.credentials)
    row = found and await request.app.state.pool.fetchrow(FIND, found[1], timeout=1)
    same = hmac.compare_digest(sha256(found[2].encode()).digest() if found else NOBODY, row["hash"] if row else b"")
    if not same or not row:
        raise HTTPException(401, "The API key is not known.", {"WWW-Authenticate": "Bearer"})
    return Principal(row["client"], frozenset(row["scopes"]))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open the connection pool at the start and close the pool at the end."""
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=5) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/me")
async def me(machine: Annotated[Principal, Depends(principal)]) -> str:
    return machine.subject
