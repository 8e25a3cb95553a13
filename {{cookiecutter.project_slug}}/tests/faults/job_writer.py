"""A process that writes a row and enqueues a job in one transaction, and then waits until a fault test kills it.

`python -m tests.faults.job_writer URL FIRST MOMENT`: FIRST is `enqueue` or `write`, the first statement of the
transaction, or `key` for fifty transactions with one unique key. At the MOMENT, `before` or `after` the commit, the
process prints a line.
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
    """Print the moment, and wait for the end."""
    sys.stdout.write(f"{moment}\n")
    sys.stdout.flush()
    await asyncio.sleep(3600)


async def enqueue_with_key(resources: Resources) -> None:
    """Enqueue a job with the key, unless there is one."""
    async with transaction(resources.write_sessions) as session:
        await enqueue(session, effect, Nothing(), unique_key="the key")


async def main(url: str, first: str, moment: str) -> None:
    """Run the transaction until the moment."""
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
