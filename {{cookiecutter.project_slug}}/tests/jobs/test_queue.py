"""The connections of the queue."""

import asyncio

from app.jobs.queue import Driver, open_pool
from tests.databases import make_settings


async def test_a_notification_to_oneself_does_not_overtake_the_listen(committed_url: str) -> None:
    """The lost notification would look like a lost listener, and end the worker."""
    settings, heard = make_settings(committed_url), asyncio.Event()
    async with open_pool(settings.database_url.get_secret_value(), settings.database_timeouts, "queue") as pool:
        driver = Driver(pool)
        probe = asyncio.create_task(driver.notify("the_channel", "a probe"))
        await asyncio.sleep(0.1)
        await driver.add_listener("the_channel", lambda _: heard.set())
        await probe
        async with asyncio.timeout(30), driver:
            await heard.wait()
