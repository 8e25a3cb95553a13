"""One worker's share of mixed work behind PgBouncer, a process of its own: `python -m tests.pgbouncer.work URL FIRST`.

It says `ready`, begins when it is told a line, and ends with a line of JSON that says what became of the units.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable

from sqlalchemy import text

from app.lifespan import Resources, open_resources
from tests.pgbouncer.bouncer import pooled

SESSIONS = 10
UNITS = 20
"""Of each session, one after the other."""

OWN_PID = text("SELECT pg_backend_pid()")
COUNT = text("SELECT count(*) FROM units WHERE number <= :number")
ADD = text("INSERT INTO units (number) VALUES (:number)")
# Texts that differ: a statement that was mixed up with another one brings the wrong names.
READS = [text(f"SELECT CAST(:number AS int) AS n{which}, pg_backend_pid()") for which in range(7)]


async def read(resources: Resources, number: int) -> int:
    """Read with a value, and return which server connection did it."""
    which = number % len(READS)
    rows = await resources.reader.execute(READS[which], {"number": number})
    row = rows.mappings().one()
    assert row[f"n{which}"] == number
    return int(row["pg_backend_pid"])


async def write(resources: Resources, number: int) -> int:
    """Write a row and see it in the same transaction."""
    async with resources.write_sessions.begin() as session:
        before = await session.scalar(COUNT, {"number": number})
        await session.execute(ADD, {"number": number})
        assert await session.scalar(COUNT, {"number": number}) > before
        return int(await session.scalar(OWN_PID) or 0)


async def snapshot(resources: Resources, number: int) -> int:
    """Read the same twice in one snapshot."""
    async with resources.snapshot_sessions() as session:
        first = await session.scalar(COUNT, {"number": number})
        pid = int(await session.scalar(OWN_PID) or 0)
        assert await session.scalar(COUNT, {"number": number}) == first
        return pid


KINDS: tuple[Callable[[Resources, int], Awaitable[int]], ...] = (read, write, snapshot)


async def run_session(resources: Resources, first: int) -> list[int | BaseException]:
    """Run the units of one session; return the server connection of each, or how it failed."""
    outcomes: list[int | BaseException] = []
    for number in range(first, first + UNITS):
        outcomes += await asyncio.gather(KINDS[number % len(KINDS)](resources, number), return_exceptions=True)
    return outcomes


async def main(url: str, first: int) -> None:
    """Run all sessions at once."""
    # each session gets a connection to PgBouncer, which has fewer than that to the server
    async with open_resources(pooled(url, database_pgbouncer_connections=SESSIONS)) as resources:
        assert resources.plan.pool_size == SESSIONS
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        starts = range(first, first + SESSIONS * UNITS, UNITS)
        outcomes = [
            one for done in await asyncio.gather(*(run_session(resources, start) for start in starts)) for one in done
        ]
    pids = [one for one in outcomes if isinstance(one, int)]
    failures = [repr(one) for one in outcomes if not isinstance(one, int)]
    sys.stdout.write(json.dumps({"succeeded": len(pids), "pids": sorted(set(pids)), "failures": failures}) + "\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
