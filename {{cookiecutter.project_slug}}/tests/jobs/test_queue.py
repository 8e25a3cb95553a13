"""The job queue sends no notification before the listener listens, and closes all connections within a bounded time."""

import asyncio

import asyncpg
import pytest

from app.jobs.queue import Driver, Queue, open_pool
from app.jobs.registry import load_kinds
from app.jobs.worker import Worker
from tests.databases import make_settings
from tests.jobs.conftest import working


async def test_a_notification_to_oneself_does_not_overtake_the_listen(committed_url: str) -> None:
    """A probe notification sent before LISTEN would be lost: the worker would take the listener for dead, and end."""
    settings, heard = make_settings(committed_url), asyncio.Event()
    async with open_pool(settings.database_url.get_secret_value(), settings.database_timeouts, "queue") as pool:
        driver = Driver(pool)
        probe = asyncio.create_task(driver.notify("the_channel", "a probe"))
        await asyncio.sleep(0.1)
        await driver.add_listener("the_channel", lambda _: heard.set())
        await probe
        async with asyncio.timeout(30), driver:
            await heard.wait()


async def test_a_connection_that_nobody_releases_does_not_delay_the_end(committed_url: str) -> None:
    settings = make_settings(committed_url)
    url, timeouts = settings.database_url.get_secret_value(), settings.database_timeouts
    async with asyncio.timeout(30):
        async with open_pool(url, timeouts, "queue", close_seconds=0.1) as pool:
            kept = await pool.acquire()

    with pytest.raises(asyncpg.InterfaceError, match="released"):
        kept.is_closed()


async def test_a_stop_lets_the_scheduler_end_by_itself(committed_url: str) -> None:
    """A stop lets the scheduler end: after a cancellation, a connection might stay taken, and the stop would wait."""
    ended: list[bool] = []
    load_kinds()  # registers the job kinds: one kind has a schedule, so the worker runs a scheduler

    class SlowlyEnding(Queue):
        async def run_scheduler(self) -> None:
            await super().run_scheduler()
            await asyncio.sleep(0.5)  # the scheduler ends later than the rest of the queue
            ended.append(True)

    class SlowWorker(Worker):
        queue_class = SlowlyEnding

    async with working(committed_url, worker_class=SlowWorker):
        pass

    assert ended == [True]
