"""Statements on their way to PostgreSQL: timed, counted for the request, and logged when slow; without their values."""

from collections.abc import Callable
from hashlib import sha256
from math import inf
from time import perf_counter
from typing import Any

import structlog
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from app.limits.token_bucket import TokenBucket
from app.observability.sql_text import public_text
from app.request.identity import request_scope, route_of
from app.request.timings import timings

Observer = Callable[[str, float, int, BaseException | None], None]
"""Gets the SQL text, the seconds, the number of rows (-1 when unknown) and the error of each statement."""

CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")
"""The first words of statements that only begin or end a transaction, which are timed and not counted."""

SLOW_BURST, SLOW_REFILL_SECONDS = 10, 1.0
"""Log lines about slow statements: 10 at once, then 1 a second. A database that hangs makes each statement slow."""

observers: list[Observer] = []
"""Functions that are called after each statement, in the context of the request; empty in a service without traces."""

log = structlog.get_logger("statements")


class SlowStatements:
    """The log of slow statements of this process; the rate of the lines is bounded."""

    seconds = inf
    """The seconds from which on a statement is slow; the lifespan sets them."""
    lines = TokenBucket(size=SLOW_BURST, refill_seconds=SLOW_REFILL_SECONDS)

    def note(self, sql: str, seconds: float, rows: int) -> None:
        """Log a slow statement, unless there were too many lines."""
        if self.lines.take():
            scope, digest = request_scope.get(), sha256(sql.encode()).hexdigest()[:12]
            fields = {"hash": digest, "rows": rows, "route": scope and route_of(scope), "sql": public_text(sql)}
            log.warning("slow statement", milliseconds=round(seconds * 1000, 2), **fields)


slow_statements = SlowStatements()
"""The log of slow statements of this process."""


def ended(sql: str, began: float, *, rows: int = -1, error: BaseException | None = None) -> None:
    """Time and count a statement that has ended; each path to the database calls this once for each statement.

    Args:
        sql: the text that was sent, with placeholders for values.
        began: when the statement was sent, by `perf_counter`.
        rows: the number of rows that were returned or changed, -1 when unknown.
        error: the exception of a statement that failed.
    """
    seconds = perf_counter() - began
    own = timings.get()
    if own is not None:
        own.database += seconds
        if not sql.startswith(CONTROL):
            own.statements += 1
    if seconds >= slow_statements.seconds:
        slow_statements.note(sql, seconds, rows)
    for observer in observers:
        observer(sql, seconds, rows, error)


def time_statements(engine: AsyncEngine) -> None:
    """Time and count each statement that SQLAlchemy sends through an engine.

    One listener in place of SQLAlchemy's sending, on the dialect: the two events around a cursor would make SQLAlchemy
    look for all kinds of events at each statement.
    """

    def listen(name: str, method: str) -> None:
        def send(cursor: Any, sql: str, values: Any, _context: object) -> bool:  # noqa: ANN401 - SQLAlchemy's own
            began = perf_counter()
            try:
                getattr(cursor, method)(sql, values)
            except BaseException as error:
                ended(sql, began, error=error)
                raise
            ended(sql, began, rows=cursor.rowcount)
            return True

        event.listen(engine.dialect, name, send)

    listen("do_execute", "execute")
    listen("do_executemany", "executemany")
