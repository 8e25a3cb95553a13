"""Checks for session state that a test leaves on a pooled connection, where the next request would find it.

COMMIT or ROLLBACK ends a transaction, but resets nothing else: a `SET`, a role, an advisory lock of the session, a
`LISTEN`, a temporary table and the like stay on the connection. `conftest.py` and `guarded.py` run the check after each
test. PostgreSQL does not list custom settings such as `app.tenant`: their names are read from the statements.
"""

import asyncio
import re
from collections.abc import Collection, Generator
from contextlib import AsyncExitStack, contextmanager

from fastapi import FastAPI
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import QueuePool

from app.errors import ServiceError
from app.request.held_connections import forget
from app.resources import Resources

STATE = text("""
    SELECT 'the setting ' || name FROM pg_settings
    WHERE CASE name WHEN 'default_transaction_read_only' THEN :reading AND setting = 'off'
        ELSE source = 'session' AND name NOT LIKE 'transaction%' END
    UNION ALL
    SELECT 'the setting ' || name FROM unnest(CAST(:names AS text[])) name WHERE current_setting(name, true) <> ''
    UNION ALL
    SELECT 'the role ' || current_setting('role') WHERE current_setting('role') <> 'none'
    UNION ALL
    SELECT 'the user ' || session_user FROM pg_stat_activity WHERE pid = pg_backend_pid() AND usename <> session_user
    UNION ALL
    SELECT 'an advisory lock' FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
    UNION ALL
    SELECT 'LISTEN ' || channel FROM pg_listening_channels() channel
    UNION ALL
    SELECT 'the cursor ' || name FROM pg_cursors WHERE is_holdable
    UNION ALL
    SELECT 'the prepared statement ' || name FROM pg_prepared_statements WHERE from_sql
    UNION ALL
    SELECT 'the temporary ' || CASE relkind WHEN 'v' THEN 'view ' WHEN 'S' THEN 'sequence ' ELSE 'table ' END || relname
    FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind NOT IN ('i', 't')
    UNION ALL
    SELECT 'the temporary function ' || proname FROM pg_proc WHERE pronamespace = pg_my_temp_schema()
    UNION ALL
    SELECT 'the temporary type ' || typname FROM pg_type
    WHERE typnamespace = pg_my_temp_schema() AND typrelid = 0 AND typelem = 0
""")

OWN_NAME = re.compile(r"(?:set_config\W+|\bSET\s+(?:SESSION\s+)?)(\w+(?:\.\w+)+)", re.IGNORECASE)
"""Matches a statement that sets a custom setting of PostgreSQL, such as `app.tenant`, for the session, so not `SET
LOCAL`. Double quotes are removed from the statement before the search."""

BOUND_NAME = re.compile(r"\w+(?:\.\w+)+")
"""Matches a bound value of a statement with `set_config` that may be the name of a custom setting."""

PATIENCE_SECONDS = 5.0
"""The timeout of the check of a returned connection for settings or locks that a test left, in seconds: the test may
have frozen or stopped PostgreSQL on purpose."""


class StateLeft(Exception):
    """The failure of a test that left session state on a database connection."""

    def __init__(self, found: list[str]) -> None:
        super().__init__(
            f"A database connection went back with {', '.join(found)}, for the next request to find. Use SET LOCAL, "
            "set_config(..., true), pg_advisory_xact_lock and ON COMMIT DROP, which end with the transaction."
        )


async def refuse_state_of(connection: AsyncConnection, names: Collection[str] = (), *, reading: bool = False) -> None:
    """Fail a test whose connection has session state beyond the end of the transaction.

    Args:
        connection: the connection to check.
        names: custom settings that the test may have set.
        reading: whether the connection is in AUTOCOMMIT, where each statement is read-only by default.

    Raises:
        StateLeft: a setting, a role, a lock, a LISTEN, a cursor or a temporary object was left on the connection.
    """
    if found := list(await connection.scalars(STATE, {"names": sorted(names), "reading": reading})):
        raise StateLeft(found)


@contextmanager
def own_settings(app: FastAPI) -> Generator[set[str]]:
    """Yield the names of PostgreSQL's custom settings that SQL of the app sets during the `with` block."""
    names: set[str] = set()
    resources: Resources | None = getattr(app.state, "resources", None)
    if resources is None:
        yield names
        return
    engine = resources.engine.sync_engine

    def note(*seen: object) -> None:
        statement = str(seen[2]).replace('"', "")
        names.update(OWN_NAME.findall(statement))
        if "set_config" in statement:
            names.update(BOUND_NAME.findall(str(seen[3])))

    event.listen(engine, "before_cursor_execute", note)
    yield names
    event.remove(engine, "before_cursor_execute", note)


async def refuse_state_in_pool(app: FastAPI, names: set[str]) -> None:
    """Check all idle connections of an app's pool for session state; a database that does not answer is skipped."""
    resources: Resources | None = getattr(app.state, "resources", None)
    pool = resources.engine.pool if resources else None
    if resources is None or not isinstance(pool, QueuePool):
        return
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), AsyncExitStack() as stack:
            for _ in range(pool.checkedin()):
                forget()  # several connections at a time are held on purpose, which the app would refuse
                connection = await stack.enter_async_context(resources.engine.connect())
                await refuse_state_of(connection, names, reading=True)
    except (DBAPIError, ServiceError, TimeoutError):
        return
