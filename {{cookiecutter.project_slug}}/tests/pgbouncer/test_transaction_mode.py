"""PgBouncer's transaction mode: clients share few connections, and leave no prepared statement behind."""

import asyncio
import json
import os
import re
import sys
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.request.held_connections import forget
from app.resources import Resources
from tests.database.test_pool import Relay
from tests.databases import ROOT, opened
from tests.pgbouncer import mixed_load
from tests.pgbouncer.bouncer import needs_pgbouncer, pgbouncer_settings, running_pgbouncer, set_role_limits

pytestmark = needs_pgbouncer

ONE = text("SELECT 1")
PREPARED = text("SELECT pg_backend_pid(), (SELECT count(*) FROM pg_prepared_statements)")
PROCESSES = 2


async def start_worker(url: str, first: int) -> asyncio.subprocess.Process:
    """Start a process that runs queries through PgBouncer, and wait until it has connected."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.pgbouncer.mixed_load", url, str(first)),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    async with asyncio.timeout(60):
        assert await process.stdout.readline() == b"ready\n"
    return process


async def finish(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """Let a started process run its queries through PgBouncer, and return the JSON report that it prints."""
    async with asyncio.timeout(200):
        output, _ = await process.communicate(b"begin\n")
    report: dict[str, Any] = json.loads(output.splitlines()[-1])
    return report


async def prepared_statements(resources: Resources) -> dict[int, int]:
    """Return the number of prepared statements on each of PgBouncer's PostgreSQL connections, by process id.

    Two transactions that are open at the same time use both connections of the pool.
    """
    async with resources.write_sessions() as first, resources.write_sessions() as second:
        rows = []
        for session in (first, second):
            forget()  # this task holds two connections on purpose, which the app would refuse
            rows.append((await session.execute(PREPARED)).one())
    return {row[0]: row[1] for row in rows}


async def test_400_units_of_work_of_20_sessions_in_two_processes_share_two_connections(pgbouncer_url: str) -> None:
    # the connection pool of this process has room for two transactions at once beside the quota for background tasks
    async with opened(pgbouncer_settings(pgbouncer_url, database_pgbouncer_connections=10)) as resources:
        async with resources.write_sessions.begin() as session:
            await session.execute(text("CREATE TABLE units (number int)"))
        each = mixed_load.SESSIONS * mixed_load.UNITS
        workers = await asyncio.gather(*(start_worker(pgbouncer_url, number * each) for number in range(PROCESSES)))

        reports = await asyncio.gather(*map(finish, workers))
        left = await prepared_statements(resources)
        written = await resources.reader.scalar(text("SELECT count(*) FROM units"))

    assert [report["failures"] for report in reports] == [[], []]
    assert sum(report["succeeded"] for report in reports) == 400
    assert written == len(range(1, 400, 3))
    assert left == dict.fromkeys({pid for report in reports for pid in report["pids"]}, 0)


async def test_a_statement_is_planned_anew_after_a_changed_schema(pgbouncer_url: str) -> None:
    """A column's type changes between two runs of a query: a driver with cached types would read wrong values."""
    find = text("SELECT * FROM scratch_plans")
    async with opened(pgbouncer_settings(pgbouncer_url)) as resources:
        async with resources.write_sessions.begin() as session:
            await session.execute(text("CREATE TABLE scratch_plans (number int)"))
            await session.execute(text("INSERT INTO scratch_plans VALUES (1)"))
        before = await resources.reader.scalar(find)
        async with resources.write_sessions.begin() as session:
            await session.execute(text("ALTER TABLE scratch_plans ALTER COLUMN number TYPE text"))
        after = await resources.reader.scalar(find)

    assert (before, after) == (1, "1")


class Recorder(Relay):
    """A TCP relay between PgBouncer and PostgreSQL that records all bytes, to show the SQL that PgBouncer sends."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.recorded = b""

    async def _pump(self, _number: int, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            self.recorded += data
            target.write(data)
        target.close()


async def test_pgbouncer_sets_nothing_before_a_transaction(committed_url: str) -> None:
    """No SET precedes a transaction: PgBouncer sends SET when the next client has other connection settings."""
    await set_role_limits(committed_url)
    recorder = Recorder(committed_url)
    async with recorder.listening() as recorded_url:
        with running_pgbouncer(recorded_url, pool_size=1) as url:
            async with opened(pgbouncer_settings(url)) as resources:
                # the first read may need a SET, as the readiness probe used the connection under a different
                # application name
                await resources.reader.scalar(ONE)
                recorder.recorded = b""
                for _ in range(10):
                    await resources.reader.scalar(text("SELECT 1 AS asked"))
                recorded = recorder.recorded

    assert b"SELECT 1 AS asked" in recorded
    assert re.findall(rb"SET \w+", recorded) == []


async def test_every_worker_gives_the_connections_the_same_name(pgbouncer_url: str) -> None:
    """All workers use the same application name: PgBouncer would otherwise send a SET at each change of the client."""
    own_name = text("SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()")
    async with opened(pgbouncer_settings(pgbouncer_url, service_name="a-shop")) as resources:
        names = [await reader.scalar(own_name) for reader in (resources.reader, resources.readiness.reader)]

    assert names == ["a-shop requests", "a-shop probe"]


async def test_a_statement_with_invalid_values_does_not_block_the_server_connection(
    committed_url: str,
) -> None:
    """PgBouncer frees the PostgreSQL connection although the driver fails after half of a statement's messages."""
    await set_role_limits(committed_url)
    with running_pgbouncer(committed_url, pool_size=1) as url:
        async with opened(pgbouncer_settings(url)) as resources, opened(pgbouncer_settings(url)) as second:
            with pytest.raises(DBAPIError, match="invalid input"):
                await resources.reader.scalar(text("SELECT CAST(:number AS int)"), {"number": "seven"})
            # shorter than PostgreSQL's statement timeout of 2.5 s, which would free a blocked connection and hide the
            # fault
            async with asyncio.timeout(2):
                found = await second.reader.scalar(text("SELECT 7"))

    assert found == 7
