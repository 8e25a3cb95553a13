"""Sessions that are read-only unless opened to write: a reader cannot write, and a write costs no more statements."""

import asyncio
import os
from datetime import timedelta

from app.database.engine import build_engine, write_sessions
from app.database.reader import Reader
from app.settings.bounds import PoolBounds, Timeouts
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

WRITE = text("CREATE TEMPORARY TABLE orders_of_the_example ()")


async def main() -> None:
    timeouts = Timeouts(*(timedelta(seconds=seconds) for seconds in (2, 1, 2, 3)))
    url, name = os.environ["DATABASE_URL"], "example"
    engine = build_engine(url, pool=PoolBounds(size=2, max_queue=2), timeouts=timeouts, application_name=name)
    try:
        await Reader(engine).execute(WRITE)
        raise AssertionError("the reader wrote")
    except DBAPIError as error:
        assert "read-only transaction" in str(error.orig), error
    async with write_sessions(engine).begin() as session:
        await session.execute(WRITE)


asyncio.run(main())
