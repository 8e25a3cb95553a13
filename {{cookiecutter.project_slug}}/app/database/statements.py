"""The observer of SQL statements: counts and times each statement for the request, and logs slow statements."""

import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from math import inf
from time import perf_counter
from typing import Any

import structlog
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from app.database.driver import Observer
from app.database.reader import Reader
from app.limits.token_bucket import TokenBucket
from app.request.timings import add_wait, timings

CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")
"""The first words of statements that begin or end a transaction or a savepoint, which are timed and not counted."""

SLOW_BURST, SLOW_REFILL_SECONDS = 10, 1.0
"""The bound on log lines about slow statements: 10 at once, then 1 a second. When the database hangs, every statement
is slow, and would fill the log."""

MAX_TEXT = 200
"""The most characters of an SQL statement on a log line or in a span; the hash beside the text is of the whole
statement."""

VALUES = re.compile(r"(?:'|\$\w*\$).*|(?<![\w$.])\d[\d.]*", re.DOTALL)
"""Matches values in the text of a statement: everything from the first quoted value on, and each number. SQLAlchemy
sends values apart from the text, but a statement that is written by hand may contain values, which must not get into
the log."""

log = structlog.get_logger("statements")


@lru_cache(maxsize=1024)
def public_text(sql: str) -> str:
    """Return the first 200 characters of an SQL statement, with `?` instead of each value in the text."""
    return VALUES.sub("?", sql)[:MAX_TEXT]


class Statements:
    """The observer of an engine's SQL statements: adds each to the timings of the request, and logs slow statements.

    `Reader` calls `ended` after each statement that it sends to asyncpg. All other statements go through a listener of
    this class on SQLAlchemy's dialect. SQLAlchemy's events before and after a statement are not used: with them,
    SQLAlchemy looks for listeners of every kind at each statement.
    """

    def __init__(self, slow_seconds: float, route: Callable[[], str | None], also: Observer | None = None) -> None:
        """Prepare the observer of SQL statements.

        Args:
            slow_seconds: the duration from which on a statement is logged; 0 logs no statement.
            route: returns the template of the current request's route.
            also: a further observer of each statement, which gets the text without values, such as to record a span.
        """
        self._slow_seconds = slow_seconds or inf
        self._route = route
        self._also = also
        self._lines = TokenBucket(size=SLOW_BURST, refill_seconds=SLOW_REFILL_SECONDS)

    def watch(self, engine: AsyncEngine, reader: Reader) -> None:
        """Observe all statements of an engine, and the time of opening its connections."""
        reader.observers.append(self.ended)
        event.listen(engine.dialect, "do_execute", self._sending("execute"))
        event.listen(engine.dialect, "do_executemany", self._sending("executemany"))
        event.listen(engine.dialect, "do_connect", _connect)
        event.listen(engine.sync_engine, "connect", self._observe_commits)

    def ended(self, sql: str, seconds: float, rows: int, error: BaseException | None) -> None:
        """Record an ended statement: in the timings of the request, in the log if slow, and by the observer `also`."""
        own = timings.get()
        if own is not None:
            own.database += seconds
            own.statements += not sql.startswith(CONTROL)
        if seconds >= self._slow_seconds and self._lines.take():
            fields = {"hash": sha256(sql.encode()).hexdigest()[:12], "rows": rows, "route": self._route()}
            log.warning("slow statement", milliseconds=round(seconds * 1000, 2), **fields, sql=public_text(sql))
        if self._also is not None:
            self._also(public_text(sql), seconds, rows, error)

    def _sending(self, method: str) -> Callable[..., bool]:
        """Return a listener that runs a statement instead of SQLAlchemy, by the cursor's method, and times the run."""

        def send(cursor: Any, sql: str, values: Any, _context: object) -> bool:  # noqa: ANN401 - SQLAlchemy types these as Any
            began = perf_counter()
            try:
                getattr(cursor, method)(sql, values)
            except BaseException as error:
                self.ended(sql, perf_counter() - began, -1, error)
                raise
            self.ended(sql, perf_counter() - began, cursor.rowcount, None)
            return True

        return send

    def _observe_commits(self, connection: Any, _record: object) -> None:  # noqa: ANN401 - SQLAlchemy's adapter of a connection has no type
        connection.driver_connection.observe = self.ended


def _connect(dialect: Any, _record: object, arguments: Any, options: Any) -> Any:  # noqa: ANN401 - SQLAlchemy types these as Any
    """Open a database connection in place of SQLAlchemy, and add the time to the waits of the request."""
    began = perf_counter()
    try:
        return dialect.connect(*arguments, **options)
    finally:
        add_wait(perf_counter() - began)
