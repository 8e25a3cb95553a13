"""Work that goes on after the response: a background task starts after the commit, and never after a rollback."""

import asyncio
import os
from contextlib import suppress

from app.database.transaction import transaction
from app.work.background import Supervisor
from sqlalchemy import text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine


async def main() -> None:
    sessions = async_sessionmaker(create_async_engine(os.environ["DATABASE_URL"]))
    supervisor, seen = Supervisor(tasks=10, stop_seconds=30), []

    async def announce(order: str) -> None:
        seen.append(f"announced {order}")

    for divisor in (1, 0):
        with suppress(Exception):
            async with transaction(sessions) as session:
                supervisor.start("announce", announce(f"order {divisor}"))
                await session.execute(text(f"SELECT 1 / {divisor}"))
                seen.append("about to commit")
    await supervisor.close()
    assert seen == ["about to commit", "announced order 1"]


asyncio.run(main())
