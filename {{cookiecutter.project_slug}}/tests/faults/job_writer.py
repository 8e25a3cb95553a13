"""A process that writes a row and enqueues a job in one transaction, then waits until a fault test kills it.

`python -m tests.faults.job_writer URL FIRST MOMENT`: FIRST is the first statement of the transaction, `enqueue` or
`write`, or `key` for fifty transactions with one unique key. At the MOMENT, `before` or `after` the commit, the process
prints the MOMENT.
"""

import asyncio
import sys
from uuid import uuid4

from app.database.transaction import transaction
from app.jobs.enqueue import enqueue
from app.resources import Resources
from tests.databases import make_settings, opened
from tests.faults.job_kinds import EFFECT, Nothing, effect


async def wait(moment: str) -> None:
    """Print the moment, `before` or `after` the commit, and wait until the test kills this process."""
    sys.stdout.write(f"{moment}\n")
    sys.stdout.flush()
    await asyncio.sleep(3600)


async def enqueue_with_key(resources: Resources) -> None:
    """Enqueue a job with a unique key, unless an unfinished job has the same key."""
    async with transaction(resources.write_sessions) as session:
        await enqueue(session, effect, Nothing(), unique_key="the key")


async def main(url: str, first: str, moment: str) -> None:
    """Run the transaction up to the moment `before` or `after` its commit, and wait there until the test kills it."""
    async with opened(make_settings(url, database_queue_timeout_seconds=30)) as resources:
        if first == "key":
            await asyncio.gather(*(enqueue_with_key(resources) for _ in range(50)))
            return await wait(moment)
        async with transaction(resources.write_sessions) as session:
            if first == "write":
                await session.execute(EFFECT, {"job": uuid4()})
            await enqueue(session, effect, Nothing())
            if first == "enqueue":
                await session.execute(EFFECT, {"job": uuid4()})
            if moment == "before":
                await wait(moment)
        return await wait(moment)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
