"""Many tenants in one database: PostgreSQL shows each transaction the rows of one tenant, also behind PgBouncer.

Run: DATABASE_URL=postgresql://service@127.0.0.1/app uvicorn tenants:app
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Request
from sqlalchemy import BigInteger, Column, Identity, MetaData, Table, Text, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

MIGRATION = """
CREATE TABLE notes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text NOT NULL DEFAULT current_setting('app.tenant') CHECK (tenant <> ''),
    text text NOT NULL
);
CREATE INDEX notes_of_tenant ON notes (tenant, id);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE notes FORCE ROW LEVEL SECURITY;  -- else the owner of the table sees all rows
CREATE POLICY own_rows ON notes USING (tenant = current_setting('app.tenant', true));
CREATE ROLE service LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD 'from-your-secrets';
GRANT SELECT, INSERT ON notes TO service
"""
"""The migration, run by the owner of the tables: the service's role is neither the owner nor a superuser."""

notes = Table("notes", MetaData(), Column("id", BigInteger, Identity(), primary_key=True), Column("text", Text))
TENANT = text("SELECT set_config('app.tenant', :tenant, true)")
"""Sets the tenant like SET LOCAL, but as a bound parameter: PostgreSQL forgets the tenant when the transaction ends."""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open the database engine for the life of the process; refuse a role that bypasses row security."""
    engine = create_async_engine(
        os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+asyncpg:"),
        pool_size=5,
        max_overflow=0,
        pool_timeout=1,
        # PgBouncer in transaction mode keeps no prepared statements for a client
        connect_args={"statement_cache_size": 0, "prepared_statement_cache_size": 0, "command_timeout": 3},
    )
    async with engine.connect() as connection:
        bound = "SELECT NOT (rolsuper OR rolbypassrls) FROM pg_roles WHERE rolname = current_user"
        if not await connection.scalar(text(bound)):
            raise RuntimeError("This role sees the rows of all tenants: connect as a role without BYPASSRLS.")
    app.state.engine = engine
    yield
    await engine.dispose()


async def tenant_of(x_tenant: Annotated[str, Header(min_length=1, max_length=50)]) -> str:
    """Return the caller's tenant: from a verified token, in a real service, and never from an unsigned header."""
    return x_tenant


async def transaction(request: Request, tenant: Annotated[str, Depends(tenant_of)]) -> AsyncGenerator[AsyncConnection]:
    """Yield a connection in a transaction that belongs to one tenant, committed before the response starts."""
    async with request.app.state.engine.begin() as connection:
        await connection.execute(TENANT, {"tenant": tenant})
        yield connection


Connection = Annotated[AsyncConnection, Depends(transaction, scope="function")]
app = FastAPI(lifespan=lifespan)


@app.post("/notes", status_code=201)
async def create(note: str, connection: Connection) -> int:
    created: int = await connection.scalar(insert(notes).values(text=note).returning(notes.c.id))
    return created


@app.get("/notes")
async def read(connection: Connection) -> list[str]:
    # row security filters: no WHERE that could be forgotten
    return list(await connection.scalars(select(notes.c.text).order_by(notes.c.id)))
