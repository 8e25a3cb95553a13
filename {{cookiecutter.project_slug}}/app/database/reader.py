"""`Reader` runs read-only SQL statements; each statement takes a connection from the pool for one round trip.

Compared with an `AsyncSession`, a `Reader` saves BEGIN, ROLLBACK and most of the CPU time. SQLAlchemy runs a SELECT of
columns only once. From then on `Reader` sends the SQL text straight to asyncpg, without a greenlet or a cursor. No
connection is held while the request calls a downstream, and concurrent tasks may share a `Reader`.
"""

from time import perf_counter
from typing import Any, NoReturn, TypeVar, TypeVarTuple, overload
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy import Connection, Executable, Result, ScalarResult
from sqlalchemy.engine.result import IteratorResult
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.selectable import TypedReturnsRows
from sqlalchemy.util import greenlet_spawn

from app.database.compiled import AnyRows, Compiled, Values
from app.database.connection import remembers_older_schema
from app.database.driver import Observer
from app.limits.token_bucket import TokenBucket

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

RETRY_BURST, RETRY_REFILL_SECONDS = 20, 1.0
"""The bound on retries of reads whose connection was lost: 20 at once, then 1 a second, for each `Reader`. A restart of
PostgreSQL interrupts as many reads as the pool has connections; more retries would add load to a failing server."""

STALE_RETRIES = 10
"""The most retries of a read that failed on prepared statements of an older schema: each retry may get a further
connection from the pool that prepared the statement before a migration."""

NO_VALUES: Values = {}

log = structlog.get_logger("reader")


class Reader:
    """Runs read-only SQL statements, each in a separate transaction; PostgreSQL refuses a write.

    ORM entities in a result are detached: load related entities in the statement (`joinedload`, `selectinload`). A
    statement that fails on a lost connection is retried once. A statement that fails on prepared statements of an older
    schema, after a migration, is retried until it gets an up-to-date connection, at most STALE_RETRIES times.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.sync_engine
        self._retries = TokenBucket(size=RETRY_BURST, refill_seconds=RETRY_REFILL_SECONDS)
        self._compiled: WeakKeyDictionary[Executable, Compiled] = WeakKeyDictionary()
        self.observers: list[Observer] = []
        """Functions that are called after each statement that `Reader` sent directly to asyncpg. SQLAlchemy's events do
        not report these statements."""

    @overload
    async def execute(self, statement: TypedReturnsRows[*Ts], values: Values | None = None) -> Result[*Ts]: ...

    @overload
    async def execute(self, statement: Executable, values: Values | None = None) -> AnyRows: ...

    async def execute(self, statement: Executable, values: Values | None = None) -> AnyRows:
        """Run one read-only statement and return all rows."""
        for _ in range(STALE_RETRIES):
            try:
                return await self._run(statement, values or NO_VALUES)
            except DBAPIError as error:
                lost = error.connection_invalidated
                # After a lost connection, a retry takes a token of the bucket, which bounds the retries while a failing
                # server breaks all connections. After a change of the schema, a retry takes no token: each pooled
                # connection fails only once.
                if not is_stale(error) or (lost and not self._retries.take()):
                    raise
                log.info("read retried on a stale connection", cause=type(error.orig).__name__)
            if lost:
                break
        return await self._run(statement, values or NO_VALUES)

    @overload
    async def scalars(self, statement: TypedReturnsRows[T], values: Values | None = None) -> ScalarResult[T]: ...

    @overload
    async def scalars(self, statement: Executable, values: Values | None = None) -> ScalarResult[Any]: ...

    async def scalars(self, statement: Executable, values: Values | None = None) -> ScalarResult[Any]:
        """Run one read-only statement and return the first column of all rows, usually entities."""
        return (await self.execute(statement, values)).scalars()

    async def scalar(self, statement: Executable, values: Values | None = None) -> Any:  # noqa: ANN401 - SQLAlchemy's `scalar` returns Any, too
        """Run one read-only statement and return the first column of the first row, or None without a row."""
        return (await self.execute(statement, values)).scalar()

    async def _run(self, statement: Executable, values: Values) -> AnyRows:
        compiled = self._compiled.get(statement)
        if compiled is not None and compiled.names == values.keys():
            arguments = compiled.arguments(values)
            if (lent := await self._pool.lend()) is not None:
                return await self._run_compiled(compiled, arguments, lent)
        return await greenlet_spawn(self._run_in_greenlet, statement, values)

    async def _run_compiled(self, compiled: Compiled, arguments: list[Any], lent: ConnectionPoolEntry) -> AnyRows:
        started = perf_counter()
        try:
            rows = await lent.driver_connection.fetch(compiled.text, *arguments)  # type: ignore[union-attr] # asyncpg's
        except BaseException as error:
            for observe in self.observers:
                observe(compiled.text, perf_counter() - started, -1, error)
            await greenlet_spawn(self._fail, lent, compiled.text, arguments, error)
            raise
        for observe in self.observers:
            observe(compiled.text, perf_counter() - started, len(rows), None)
        await self._pool.give_back(lent)
        return IteratorResult(compiled.shape, iter(rows))

    def _run_in_greenlet(self, statement: Executable, values: Values) -> AnyRows:
        with self._engine.connect() as connection:
            result = rows_of(connection, statement, values)
            compiled = Compiled.of(statement, values, result)
            # Only a `FairPool` can lend a connection without a greenlet; the `Reader` of the readiness probe has a
            # different pool.
            if compiled and hasattr(self._pool, "lend"):
                self._compiled[statement] = compiled
            return result

    def _fail(self, lent: ConnectionPoolEntry, text: str, arguments: list[Any], error: BaseException) -> None:
        """Raise an asyncpg error as SQLAlchemy would: with SQLAlchemy's class, after dropping a lost connection."""
        context: Any = object.__new__(self._engine.dialect.execution_ctx_cls)
        context.dialect = self._engine.dialect
        with self._pool.adopt(lent, self._engine.connect) as connection:
            try:
                _translate(connection, error)
            except BaseException as translated:  # noqa: BLE001 - also a cancellation must drop the connection
                connection._handle_dbapi_exception(translated, text, arguments, None, context)  # noqa: SLF001

    @property
    def _pool(self) -> Any:  # noqa: ANN401 - a FairPool, or any pool of SQLAlchemy
        return self._engine.pool


def _translate(connection: Connection, error: BaseException) -> NoReturn:
    """Raise an error of asyncpg as the SQLAlchemy error for the same problem."""
    if isinstance(error, Exception):
        pooled: Any = connection.connection.dbapi_connection
        pooled._handle_exception(error)  # noqa: SLF001 - SQLAlchemy's cursor calls this method, too
    raise error


AnySession = Reader | AsyncSession
"""The type of the parameter `session` of functions that only read: a `Reader` outside, a session inside of a
transaction."""


def rows_of(connection: Connection, statement: Executable, values: Values) -> AnyRows:
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
