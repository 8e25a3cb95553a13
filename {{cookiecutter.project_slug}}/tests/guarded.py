"""Checks around every test that runs the app: no blocked event loop, no leaked task, connection or session state.

`client_of` in `conftest.py` runs each HTTP client of a test inside `guarded`.
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

RUNNER = "_call_in_runner_task"
"""The name of the coroutine in which anyio runs tests and fixtures: its task is not a leak of the service."""

END_SECONDS = 1.0
"""The seconds that tasks have to finish after a test; a task that still runs then fails the test as leaked."""


class LeftBehind(Exception):
    """The failure of a test that leaked a running task or a checked-out database connection."""


@asynccontextmanager
async def guarded(app: FastAPI) -> AsyncGenerator[None]:
    """Fail a test when the app blocks the event loop during the block, or leaks a task or a database connection.

    Raises:
        BlockedLoop: code blocked the event loop.
        LeftBehind: a task has not ended, or a connection was not returned to the pool.
        StateLeft: a pooled connection still has session state.
    """
    before, held = asyncio.all_tasks(), connections_of(app)
    with own_settings(app) as names, blocking_checks("app"):
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
    """Return an app's supervisor, whose background tasks may outlive a test: the app's shutdown waits for each task."""
    resources: Resources | None = getattr(app.state, "resources", None)
    return resources.supervisor if resources else None


def connections_of(app: FastAPI) -> int:
    """Return how many database connections of an app's pool are checked out."""
    resources: Resources | None = getattr(app.state, "resources", None)
    pool = resources.engine.pool if resources else None
    return pool.bulkhead.in_use if isinstance(pool, FairPool) else 0
