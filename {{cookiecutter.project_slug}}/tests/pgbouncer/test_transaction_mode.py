"""Transaction mode: few server connections serve many sessions, each for one transaction, and none leaves a trace."""

import asyncio
import json
import os
import re
import sys
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.lifespan import Resources, open_resources
from tests.databases import ROOT
from tests.pgbouncer import work
from tests.pgbouncer.bouncer import bouncer, keep_limits, pooled
from tests.test_pool import Relay

ONE = text("SELECT 1")
PREPARED = text("SELECT pg_backend_pid(), (SELECT count(*) FROM pg_prepared_statements)")
PROCESSES = 2


async def start_worker(url: str, first: int) -> asyncio.subprocess.Process:
    """Start a process that waits for the word to begin."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.pgbouncer.work", url, str(first)),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    async with asyncio.timeout(20):
        assert await process.stdout.readline() == b"ready\n"
    return process


async def finish(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """Let it begin and return what it reports."""
    async with asyncio.timeout(60):
        output, _ = await process.communicate(b"begin\n")
    report: dict[str, Any] = json.loads(output.splitlines()[-1])
    return report


async def prepared_statements(resources: Resources) -> dict[int, int]:
    """Return the prepared statements of each server connection, holding both so that neither answers twice."""
    async with resources.write_sessions() as one, resources.write_sessions() as other:
        rows = [(await session.execute(PREPARED)).one() for session in (one, other)]
    return {row[0]: row[1] for row in rows}


async def test_400_units_of_work_of_20_sessions_in_two_processes_share_two_connections(kept_url: str) -> None:
    async with open_resources(pooled(kept_url)) as resources:
        async with resources.write_sessions.begin() as session:
            await session.execute(text("CREATE TABLE units (number int)"))
        each = work.SESSIONS * work.UNITS
        workers = await asyncio.gather(*(start_worker(kept_url, number * each) for number in range(PROCESSES)))

        reports = await asyncio.gather(*map(finish, workers))
        left = await prepared_statements(resources)
        written = await resources.reader.scalar(text("SELECT count(*) FROM units"))

    assert [report["failures"] for report in reports] == [[], []]
    assert sum(report["succeeded"] for report in reports) == 400
    assert written == len(range(1, 400, 3))
    assert left == dict.fromkeys({pid for report in reports for pid in report["pids"]}, 0)


async def test_a_changed_schema_is_read_as_it_is(kept_url: str) -> None:
    """The server plans a statement without a name anew each time, so remembered columns would be wrong."""
    find = text("SELECT * FROM scratch_plans")
    async with open_resources(pooled(kept_url)) as resources:
        async with resources.write_sessions.begin() as session:
            await session.execute(text("CREATE TABLE scratch_plans (number int)"))
            await session.execute(text("INSERT INTO scratch_plans VALUES (1)"))
        before = await resources.reader.scalar(find)
        async with resources.write_sessions.begin() as session:
            await session.execute(text("ALTER TABLE scratch_plans ALTER COLUMN number TYPE text"))
        after = await resources.reader.scalar(find)

    assert (before, after) == (1, "1")


class Recorder(Relay):
    """A relay that keeps what it carries."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.carried = b""
        self._carrying: set[asyncio.Task[None] | None] = set()

    async def ended(self) -> None:
        """Wait until both ends of all connections are closed."""
        async with asyncio.timeout(5):
            await asyncio.gather(*filter(None, self._carrying))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._carrying.add(asyncio.current_task())
        await super()._carry(reader, writer)
        await writer.wait_closed()

    async def _pump(self, _number: int, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            self.carried += data
            target.write(data)
        target.close()


async def test_pgbouncer_sets_nothing_before_a_transaction(committed_url: str) -> None:
    """It does when a client's encoding or name is not what the server connection had last: a round trip each time."""
    await keep_limits(committed_url)
    recorder = Recorder(committed_url)
    async with recorder.listening() as recorded_url:
        with bouncer(recorded_url, pool_size=1) as url:
            async with open_resources(pooled(url)) as resources:
                await resources.reader.scalar(ONE)  # after the probe's, whose name is another one
                recorder.carried = b""
                for _ in range(10):
                    await resources.reader.scalar(text("SELECT 1 AS asked"))
                carried = recorder.carried
        await recorder.ended()

    assert b"SELECT 1 AS asked" in carried
    assert re.findall(rb"SET \w+", carried) == []


async def test_every_worker_gives_its_connections_the_same_name(kept_url: str) -> None:
    """They share server connections, and PgBouncer would rename one at each turn."""
    own_name = text("SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()")
    async with open_resources(pooled(kept_url, service_name="a-shop")) as resources:
        names = [await reader.scalar(own_name) for reader in (resources.reader, resources.readiness.reader)]

    assert names == ["a-shop requests", "a-shop probe"]


async def test_a_statement_whose_values_the_driver_refuses_keeps_the_connection_from_nobody(
    committed_url: str,
) -> None:
    """PgBouncer would wait for the end of what was sent already, with the only connection that there is."""
    await keep_limits(committed_url)
    with bouncer(committed_url, pool_size=1) as url:
        async with open_resources(pooled(url)) as resources, open_resources(pooled(url)) as others:
            with pytest.raises(DBAPIError, match="invalid input"):
                await resources.reader.scalar(text("SELECT CAST(:number AS int)"), {"number": "seven"})
            async with asyncio.timeout(2):  # the server's own limit comes at 2.5 s
                found = await others.reader.scalar(text("SELECT 7"))

    assert found == 7
