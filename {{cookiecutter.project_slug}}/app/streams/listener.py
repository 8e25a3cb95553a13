"""The LISTEN connection for notifications of changes: one per process, directly to PostgreSQL, not via PgBouncer."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import ServiceError

CHANNEL = "app_events"

CHECK_SECONDS = 5.0
"""The interval, in seconds, of an empty SELECT on the LISTEN connection, which finds a connection that was lost without
an error."""

RETRY_SECONDS = 0.5, 2.0
"""The shortest and the longest pause before a new LISTEN connection, in seconds. The pause is random, so that not all
processes connect at the same moment after a restart of PostgreSQL."""

log = structlog.get_logger("streams")


async def listen(engine: AsyncEngine, notify: Callable[[str], None], connected: Callable[[], None]) -> None:
    """Listen for notifications of PostgreSQL until cancelled, and reconnect after a lost connection.

    Args:
        engine: opens the connection.
        notify: called with the payload of each notification.
        connected: called after each new connection: notifications before it may be lost.
    """
    while True:
        try:
            async with engine.connect() as connection:
                driver: Any = (await connection.get_raw_connection()).driver_connection
                lost = asyncio.Event()
                driver.add_termination_listener(lambda _connection, lost=lost: lost.set())
                await driver.add_listener(CHANNEL, lambda *notification: notify(notification[-1]))
                log.info("listening for database notifications")
                connected()
                await _until_lost(driver, lost)
        except (
            ServiceError,
            DBAPIError,
            OSError,
            TimeoutError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
        ) as error:
            log.warning("database connection for notifications lost", cause=type(error).__name__)
        await asyncio.sleep(random.uniform(*RETRY_SECONDS))  # noqa: S311 - a random pause is no secret


async def _until_lost(driver: asyncpg.Connection, lost: asyncio.Event) -> None:
    while not lost.is_set():
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await lost.wait()
        except TimeoutError:
            await driver.execute("SELECT")
