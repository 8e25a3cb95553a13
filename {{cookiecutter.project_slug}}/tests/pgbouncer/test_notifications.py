"""Behind PgBouncer, job workers and streams listen through the direct URL, as PgBouncer forwards no notifications."""

import asyncio
from contextlib import aclosing
from typing import Any

from app.settings.jobs import JobsSettings
from tests.databases import make_settings
from tests.http_client import build_app
from tests.jobs.conftest import SECONDS, put, until, working
from tests.jobs.kinds import echo
from tests.pgbouncer.bouncer import needs_pgbouncer, pgbouncer_settings
from tests.serving import served
from tests.streams.counters import TABLE, add_counters, writing
from tests.streams.reading import path_of, streaming

pytestmark = needs_pgbouncer

SELDOM = JobsSettings(poll_seconds=60)
"""Job settings with a poll interval longer than the test, so that only a notification can start a job."""


async def test_a_worker_is_told_of_each_job(pgbouncer_url: str, committed_url: str) -> None:
    behind: dict[str, Any] = {"database_direct_url": committed_url, "database_pgbouncer_connections": 2}
    app = build_app(make_settings(pgbouncer_url, **behind))
    async with app.router.lifespan_context(app), working(pgbouncer_url, SELDOM, **behind):
        await asyncio.sleep(1)  # by then, the job worker has made its only poll, at the start
        job, _ = await put(app, echo, "tea")
        row = await until(app, job.id, "succeeded")

    assert row["result"] == {"text": "tea 1"}


CHANGES = 5
"""The number of changes, made one after the other: if only polls every 5 s found the changes, the test would exceed the
timeout of `SECONDS` / 2."""


async def test_a_stream_is_told_of_each_change(pgbouncer_url: str, committed_url: str) -> None:
    app = build_app(pgbouncer_settings(pgbouncer_url, database_direct_url=committed_url))
    add_counters(app)
    async with app.router.lifespan_context(app), served(app) as url, writing(committed_url) as writer:
        await writer.connection.execute("SET default_transaction_read_only TO off")  # the role is read-only by default
        await writer.connection.execute(TABLE)
        counter = await writer.add(total=CHANGES + 1)
        async with streaming(url, path_of(counter)) as stream, aclosing(aiter(stream)) as events:
            await writer.count(counter)  # a poll finds this change if LISTEN has not begun
            while (await anext(events)).data["value"] != 1:
                pass
            async with asyncio.timeout(SECONDS / 2):
                for number in range(2, CHANGES + 2):
                    await writer.count(counter)
                    assert (await anext(events)).data["value"] == number
