"""Reading. Each statement takes a connection from the pool for one round trip, and nothing is held in between.

Against an `AsyncSession` that saves the BEGIN, the ROLLBACK and half of the CPU time: SQLAlchemy switches between its
two worlds (greenlets) once for checkout, statement and return together, and rows of columns take no detour through the
ORM. No connection waits while its request calls another service, and tasks that run at once may share a reader.
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

from app.budget import Budget
from app.connection import remembers_older_schema

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Values = Mapping[str, Any]
AnyRows = Result[*tuple[Any, ...]]

AGAIN_AT_ONCE, AGAIN_SECONDS = 20, 1.0
"""A restart of the server breaks what is in flight, a full pool at most. More would feed a server that is dying."""

log = structlog.get_logger("reader")


class Reader:
    """Runs statements that stand alone. PostgreSQL refuses a write.

    Entities come back detached: name in the statement what will be shown (`joinedload`, `selectinload`).
    A statement that met a stale connection runs once more on a fresh one: it only reads, so nothing happens twice.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.sync_engine
        self._again = Budget(size=AGAIN_AT_ONCE, seconds=AGAIN_SECONDS)

    @overload
    async def execute(self, statement: TypedReturnsRows[*Ts], values: Values | None = None) -> Result[*Ts]: ...

    @overload
    async def execute(self, statement: Executable, values: Values | None = None) -> AnyRows: ...

    async def execute(self, statement: Executable, values: Values | None = None) -> AnyRows:
        """Run one statement and return all of its rows."""
        return await greenlet_spawn(self._run, statement, values)

    @overload
    async def scalars(self, statement: TypedReturnsRows[T], values: Values | None = None) -> ScalarResult[T]: ...

    @overload
    async def scalars(self, statement: Executable, values: Values | None = None) -> ScalarResult[Any]: ...

    async def scalars(self, statement: Executable, values: Values | None = None) -> ScalarResult[Any]:
        """Run one statement and return the first column of all rows: entities, mostly."""
        return (await self.execute(statement, values)).scalars()

    async def scalar(self, statement: Executable, values: Values | None = None) -> Any:  # noqa: ANN401 - as in SQLAlchemy
        """Run one statement and return the first column of its first row, or None."""
        return (await self.execute(statement, values)).scalar()

    def _run(self, statement: Executable, values: Values | None) -> AnyRows:
        try:
            return self._run_once(statement, values)
        except DBAPIError as error:
            # each connection meets a new schema once; a server that dies ends one after the other
            if not (is_stale(error) and (not error.connection_invalidated or self._again.take())):
                raise
            log.info("reading again", cause=type(error.orig).__name__)
        return self._run_once(statement, values)

    def _run_once(self, statement: Executable, values: Values | None) -> AnyRows:
        with self._engine.connect() as connection:
            return rows_of(connection, statement, values)


AnySession = Reader | AsyncSession
"""For a function that reads, inside a transaction or outside."""


def rows_of(connection: Connection, statement: Executable, values: Values | None) -> AnyRows:
    """Run a statement; it takes the way through the ORM only when it asks for entities, which nobody else can build."""
    if not has_entities(statement):
        return connection.execute(statement, values)
    with Session(connection, autoflush=False) as session:
        return session.execute(statement, values, execution_options={"prebuffer_rows": True})


def is_stale(error: DBAPIError) -> bool:
    """Tell whether the connection was at fault, not the statement: it ended, or it remembers an older schema."""
    return error.connection_invalidated or remembers_older_schema(error)


def has_entities(statement: Executable) -> bool:
    """Tell whether a statement asks for objects of mapped classes."""
    known = _HAS_ENTITIES.get(statement)
    if known is None:
        columns = getattr(statement, "column_descriptions", ())
        known = _HAS_ENTITIES[statement] = any(isinstance(column["type"], type) for column in columns)
    return known


_HAS_ENTITIES: WeakKeyDictionary[Executable, bool] = WeakKeyDictionary()
