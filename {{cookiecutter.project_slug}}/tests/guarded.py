"""The guard of every test that runs the app: no blocked loop, no statement in a loop, no task or state left behind.

`conftest.py` puts `guarded` around every client.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app.database.pool import FairPool
from app.resources import Resources
from app.work.background import Supervisor
from tests.blocking import blocking_checks
from tests.session_state import own_settings, refuse_state_in_pool
from tests.statements import statements

RUNNER = "_call_in_runner_task"
"""The coroutine of the task in which anyio runs tests and fixtures: such a task is not leaked by the service."""

END_SECONDS = 1.0
"""The time for tasks to finish after a test, in seconds; a task that still runs then fails the test as leaked."""


class LeftBehind(Exception):
    """The failure of a test that ended with a running task or a database connection that is still checked out."""


@asynccontextmanager
async def guarded(app: FastAPI) -> AsyncGenerator[None]:
    """Fail a test when the app blocks the event loop during the block, or leaks a task or a database connection.

    Raises:
        BlockedLoop: code blocked the event loop.
        WrongStatements: a request sent the same statement again and again.
        LeftBehind: a task has not ended, or a connection was not returned to the pool.
        StateLeft: session state was left on a pooled connection.
    """
    before, held = asyncio.all_tasks(), connections_of(app)
    with own_settings(app) as names, blocking_checks("app"), statements():
        yield
        await asyncio.sleep(0)
    owned = supervisor_of(app)
    begun = {
        task
        for task in asyncio.all_tasks() - before
        if RUNNER not in repr(task.get_coro()) and not (owned and owned.owns(task))
    }
    if begun:
        await asyncio.wait(begun, timeout=END_SECONDS)
    left = [f"task {task.get_name()}: {task.get_coro()}" for task in begun if not task.done()]
    if connections_of(app) > held:
        left.append(f"{connections_of(app) - held} database connections")
    if left:
        raise LeftBehind("\n".join(left))
    await refuse_state_in_pool(app, names)


def supervisor_of(app: FastAPI) -> Supervisor | None:
    """Return the supervisor of an app. Its tasks may outlive a test, because the shutdown of the app waits for them."""
    resources: Resources | None = getattr(app.state, "resources", None)
    return resources.supervisor if resources else None


def connections_of(app: FastAPI) -> int:
    """Return the number of database connections that are checked out of the app's pool."""
    resources: Resources | None = getattr(app.state, "resources", None)
    pool = resources.engine.pool if resources else None
    return pool.bulkhead.in_use if isinstance(pool, FairPool) else 0
