"""A process that runs reads, writes and snapshots through PgBouncer: `python -m tests.pgbouncer.mixed_load URL FIRST`.

The process prints `ready`, begins after a line on its standard input, and ends with a report as a line of JSON.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable

from sqlalchemy import text

from app.resources import Resources
from tests.databases import opened
from tests.pgbouncer.bouncer import pgbouncer_settings

SESSIONS = 10
UNITS = 20
"""The number of transactions that each session runs in sequence: two processes with ten sessions each run 400
transactions."""

OWN_PID = text("SELECT pg_backend_pid()")
COUNT = text("SELECT count(*) FROM units WHERE number <= :number")
ADD = text("INSERT INTO units (number) VALUES (:number)")
# Each of the seven statements has a different column name: if PgBouncer mixed up the prepared statements of clients
# that share a connection, a result would have the wrong column.
READS = [text(f"SELECT CAST(:number AS int) AS n{which}, pg_backend_pid()") for which in range(7)]


async def read(resources: Resources, number: int) -> int:
    """Run a read with a bound value, and return the process id of the PostgreSQL connection that served the read."""
    which = number % len(READS)
    rows = await resources.reader.execute(READS[which], {"number": number})
    row = rows.mappings().one()
    assert row[f"n{which}"] == number
    return int(row["pg_backend_pid"])


async def write(resources: Resources, number: int) -> int:
    """Write a row and read it in the same transaction; return the process id of the PostgreSQL connection."""
    async with resources.write_sessions.begin() as session:
        before = await session.scalar(COUNT, {"number": number})
        await session.execute(ADD, {"number": number})
        assert await session.scalar(COUNT, {"number": number}) > before
        return int(await session.scalar(OWN_PID) or 0)


async def snapshot(resources: Resources, number: int) -> int:
    """Read twice in one snapshot transaction, and return the process id of the PostgreSQL connection."""
    async with resources.snapshot_sessions() as session:
        first = await session.scalar(COUNT, {"number": number})
        pid = int(await session.scalar(OWN_PID) or 0)
        assert await session.scalar(COUNT, {"number": number}) == first
        return pid


KINDS: tuple[Callable[[Resources, int], Awaitable[int]], ...] = (read, write, snapshot)


async def run_session(resources: Resources, first: int) -> list[int | BaseException]:
    """Run the transactions of a session; return the PostgreSQL process id or the exception of each transaction."""
    outcomes: list[int | BaseException] = []
    for number in range(first, first + UNITS):
        outcomes += await asyncio.gather(KINDS[number % len(KINDS)](resources, number), return_exceptions=True)
    return outcomes


async def main(url: str, first: int) -> None:
    """Open the service's resources, run all sessions concurrently, and print the report as a line of JSON."""
    # one connection to PgBouncer for each session, while PgBouncer opens only two connections to PostgreSQL
    async with opened(pgbouncer_settings(url, database_pgbouncer_connections=SESSIONS)) as resources:
        assert resources.plan.pool_size == SESSIONS
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        starts = range(first, first + SESSIONS * UNITS, UNITS)
        sessions = await asyncio.gather(*(run_session(resources, start) for start in starts))
    outcomes = [outcome for session in sessions for outcome in session]
    pids = [outcome for outcome in outcomes if isinstance(outcome, int)]
    failures = [repr(outcome) for outcome in outcomes if not isinstance(outcome, int)]
    sys.stdout.write(json.dumps({"succeeded": len(pids), "pids": sorted(set(pids)), "failures": failures}) + "\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
