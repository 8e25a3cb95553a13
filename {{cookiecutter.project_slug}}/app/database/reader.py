"""Reader: runs read-only statements; each takes a connection from the pool for one round trip.

Compared with an `AsyncSession`, a `Reader` saves BEGIN, ROLLBACK and half of the CPU time: one greenlet switch serves
for checkout, statement and return together, and statements that select columns bypass the ORM. No connection is held
while the request calls a downstream, and concurrent tasks may share a `Reader`.
"""

from collections.abc import Mapping
from typing import Any, TypeVar, TypeVarTuple, overload
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy import Connection, Executable, Result, ScalarResult
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import TypedReturnsRows
from sqlalchemy.util import greenlet_spawn

from app.database.connection import remembers_older_schema
from app.limits.token_bucket import TokenBucket

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Values = Mapping[str, Any]
AnyRows = Result[*tuple[Any, ...]]

RETRY_BURST, RETRY_REFILL_SECONDS = 20, 1.0
"""The bound on retries of reads whose connection was lost: 20 at once, then one a second. A restart of PostgreSQL
breaks the reads in flight, at most a full pool; more retries would add load to a server that is failing."""

STALE_RETRIES = 10
"""The most retries of a read on a connection with an older schema: each retry may get one more such connection of the
pool."""

log = structlog.get_logger("reader")


class Reader:
    """Runs read-only statements, each in a separate transaction; PostgreSQL refuses a write.

    Entities are detached from a session: load related entities in the statement (`joinedload`, `selectinload`). A
    statement that fails on a lost connection is retried once. After a migration, a statement is retried until it runs
    on a connection that was opened after the migration.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.sync_engine
        self._retries = TokenBucket(size=RETRY_BURST, refill_seconds=RETRY_REFILL_SECONDS)

    @overload
    async def execute(self, statement: TypedReturnsRows[*Ts], values: Values | None = None) -> Result[*Ts]: ...

    @overload
    async def execute(self, statement: Executable, values: Values | None = None) -> AnyRows: ...

    async def execute(self, statement: Executable, values: Values | None = None) -> AnyRows:
        """Run one read-only statement and return all rows."""
        return await greenlet_spawn(self._run, statement, values)

    @overload
    async def scalars(self, statement: TypedReturnsRows[T], values: Values | None = None) -> ScalarResult[T]: ...

    @overload
    async def scalars(self, statement: Executable, values: Values | None = None) -> ScalarResult[Any]: ...

    async def scalars(self, statement: Executable, values: Values | None = None) -> ScalarResult[Any]:
        """Run one read-only statement and return the first column of all rows, usually entities."""
        return (await self.execute(statement, values)).scalars()

    async def scalar(self, statement: Executable, values: Values | None = None) -> Any:  # noqa: ANN401 - as in SQLAlchemy
        """Run one read-only statement and return the first column of the first row, or None without a row."""
        return (await self.execute(statement, values)).scalar()

    def _run(self, statement: Executable, values: Values | None) -> AnyRows:
        for _ in range(STALE_RETRIES):
            try:
                return self._run_once(statement, values)
            except DBAPIError as error:
                lost = error.connection_invalidated
                # After a lost connection, a retry takes a token of the bucket: a failing server breaks all connections.
                # After a change of the schema, a retry takes no token of the bucket: each connection fails only once.
                if not is_stale(error) or (lost and not self._retries.take()):
                    raise
                log.info("read retried on a stale connection", cause=type(error.orig).__name__)
            if lost:
                break
        return self._run_once(statement, values)

    def _run_once(self, statement: Executable, values: Values | None) -> AnyRows:
        with self._engine.connect() as connection:
            return rows_of(connection, statement, values)


AnySession = Reader | AsyncSession
"""The parameter type of functions that read inside or outside of a transaction."""


def rows_of(connection: Connection, statement: Executable, values: Values | None) -> AnyRows:
    """Run a statement and return the rows; only a statement that selects entities pays for an ORM session."""
    if not has_entities(statement):
        return connection.execute(statement, values)
    with Session(connection, autoflush=False) as session:
        return session.execute(statement, values, execution_options={"prebuffer_rows": True})


def is_stale(error: DBAPIError) -> bool:
    """Tell whether a statement failed because the connection was lost, or was prepared for an older schema."""
    return error.connection_invalidated or remembers_older_schema(error)


def has_entities(statement: Executable) -> bool:
    """Tell whether a statement selects entities, objects of mapped classes, and so needs the ORM."""
    known = _HAS_ENTITIES.get(statement)
    if known is None:
        columns = getattr(statement, "column_descriptions", ())
        known = _HAS_ENTITIES[statement] = any(isinstance(column["type"], type) for column in columns)
    return known


_HAS_ENTITIES: WeakKeyDictionary[Executable, bool] = WeakKeyDictionary()
