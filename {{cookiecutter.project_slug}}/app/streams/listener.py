"""The connection that listens: one per process, to PostgreSQL itself, as PgBouncer passes no notification on."""

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
"""The interval of an empty statement, which finds a connection that was lost without a word."""

RETRY_SECONDS = 0.5, 2.0
"""The shortest and the longest pause before the next connection, in seconds: a server that restarts needs a second,
and all processes would come back at the same moment."""

log = structlog.get_logger("streams")


async def listen(engine: AsyncEngine, notify: Callable[[str], None], connected: Callable[[], None]) -> None:
    """Listen for notifications until cancelled, and connect anew after a lost connection.

    Args:
        engine: opens the connection.
        notify: called with the payload of each notification.
        connected: called after each connection, since the notifications before it are lost.
    """
    while True:
        try:
            async with engine.connect() as connection:
                driver: Any = (await connection.get_raw_connection()).driver_connection
                lost = asyncio.Event()
                driver.add_termination_listener(lambda _connection, lost=lost: lost.set())
                await driver.add_listener(CHANNEL, lambda *notification: notify(notification[-1]))
                log.info("listening for changes")
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
            log.warning("connection for notifications lost", cause=type(error).__name__)
        await asyncio.sleep(random.uniform(*RETRY_SECONDS))  # noqa: S311 - no secret


async def _until_lost(driver: asyncpg.Connection, lost: asyncio.Event) -> None:
    while not lost.is_set():
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await lost.wait()
        except TimeoutError:
            await driver.execute("SELECT")
