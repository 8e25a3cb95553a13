"""The `Reader` on a pool of one connection: lost connections, cancelled callers and a changed schema."""

import asyncio
from collections.abc import AsyncGenerator
from random import Random

import asyncpg
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.database.pool import FairPool
from app.database.reader import RETRY_BURST
from app.errors import Unavailable
from app.resources import Resources
from tests.databases import make_settings, opened
from tests.limits.waiting import count_waiting
from tests.tasks import until

ONE = text("SELECT 1")
OWN_PID = text("SELECT pg_backend_pid()")
END_CONNECTIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
WAITING_FOR_A_LOCK = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


class Scratch(DeclarativeBase):
    """The declarative base of the table `scratch_authors`, which only the tests of the database layer have."""


class Author(Scratch):
    """An entity of the table `scratch_authors`, which the tests of the database layer write and read."""

    __tablename__ = "scratch_authors"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@pytest.fixture
async def resources(committed_url: str) -> AsyncGenerator[Resources]:
    """The resources of the service with a pool of one connection, and timeouts that a busy machine does not reach.

    TLS is off: a cancelled TLS handshake makes asyncpg leave an exception behind that a test cannot catch.
    """
    settings = make_settings(
        f"{committed_url}?sslmode=disable", database_pool_limit=1, database_queue_timeout_seconds=60
    )
    patient = {
        "database_lock_timeout_seconds": 20.0,
        "database_statement_timeout_seconds": 21.0,
        "database_command_timeout_seconds": 22.0,
    }
    async with opened(settings.model_copy(update=patient)) as resources:
        yield resources


async def end_connections(url: str) -> None:
    """Let PostgreSQL end all other connections of the database, as a restart of PostgreSQL does."""
    outsider = await asyncpg.connect(url.replace("+asyncpg", ""))
    await outsider.execute(END_CONNECTIONS)
    await outsider.close()


async def test_a_reader_holds_no_connection_between_two_statements(resources: Resources) -> None:
    await resources.reader.execute(ONE)

    assert resources.engine.pool.checkedout() == 0  # type: ignore[attr-defined] # SQLAlchemy's base class of pools has no `checkedout`


async def test_tasks_may_share_a_reader(resources: Resources) -> None:
    found = await asyncio.gather(*(resources.reader.scalar(text(f"SELECT {number}")) for number in range(20)))

    assert found == list(range(20))


async def test_rows_and_entities_outlive_their_connection(resources: Resources) -> None:
    """Rows stay usable after the connection has returned to the pool, and entities after the session has ended."""
    async with resources.write_sessions.begin() as session:
        await session.run_sync(lambda inner: Scratch.metadata.create_all(inner.connection()))
        session.add_all([Author(name=name) for name in "AB"])

    rows = (await resources.reader.execute(select(Author.name).order_by(Author.id))).all()
    entities = (await resources.reader.scalars(select(Author).order_by(Author.id))).all()

    assert [row.name for row in rows] == ["A", "B"]
    assert [author.name for author in entities] == ["A", "B"]


async def test_a_connection_that_ended_while_idle_is_replaced_before_a_write(
    resources: Resources, committed_url: str
) -> None:
    """A write is never retried, so the pool must replace an ended connection before the write starts."""
    async with resources.engine.connect() as connection:
        before = await connection.scalar(OWN_PID)
        driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    await end_connections(committed_url)
    await until(driver.is_closed)

    async with resources.write_sessions.begin() as session:
        after = await session.scalar(OWN_PID)

    assert after != before


async def test_a_read_whose_connection_ends_under_it_runs_once_more(resources: Resources, committed_url: str) -> None:
    """A read waits for a lock when PostgreSQL ends the read's connection; the retry of the read gets the lock."""
    before = await resources.reader.scalar(OWN_PID)
    outsider = await asyncpg.connect(committed_url.replace("+asyncpg", ""))
    await outsider.execute("SELECT pg_advisory_lock(7)")
    reading = asyncio.create_task(
        resources.reader.scalar(text("SELECT pg_backend_pid() FROM pg_advisory_xact_lock_shared(7)"))
    )
    while not await outsider.fetchval(WAITING_FOR_A_LOCK):  # noqa: ASYNC110 - only PostgreSQL knows that the read waits for the lock
        await asyncio.sleep(0.01)

    await outsider.execute(END_CONNECTIONS)
    await outsider.close()  # the end of this session frees the advisory lock, which the read gets

    assert await reading != before


async def test_a_read_that_ends_its_own_connection_each_time_is_retried_within_the_retry_budget(
    resources: Resources,
) -> None:
    """A statement that crashes PostgreSQL must not be retried without bound, as each retry is one more crash."""
    suicide = text("SELECT pg_terminate_backend(pg_backend_pid())")
    attempts = 3 * RETRY_BURST
    failures = 0
    for _ in range(attempts):
        with pytest.raises(DBAPIError):
            await resources.reader.execute(suicide)
        failures += 1

    assert failures == attempts
    assert not resources.reader._retries.take()  # noqa: SLF001 - the retry budget is empty


async def test_a_statement_that_was_prepared_for_an_older_schema_is_prepared_again(resources: Resources) -> None:
    find = text("SELECT * FROM scratch_plans")
    async with resources.write_sessions.begin() as session:
        await session.execute(text("CREATE TABLE scratch_plans (number int)"))
        await session.execute(text("INSERT INTO scratch_plans VALUES (1)"))
    for _ in range(3):
        await resources.reader.execute(find)

    async with resources.write_sessions.begin() as session:
        await session.execute(text("ALTER TABLE scratch_plans ALTER COLUMN number TYPE bigint"))

    assert await resources.reader.scalar(find) == 1


async def test_a_faulty_statement_is_not_retried(resources: Resources) -> None:
    reader = resources.reader
    with pytest.raises(DBAPIError):
        await reader.execute(text("SELECT 1 / 0"))

    assert reader._retries._tokens == RETRY_BURST  # noqa: SLF001 - no retry was taken from the budget


async def test_readers_that_leave_at_any_moment_leave_the_pool_whole(resources: Resources) -> None:
    """Deadlines cancel reads at random moments: no pool slot may stay taken, no read may get another read's rows.

    A third of the reads has a deadline that ends while the read opens a connection, waits or runs; a third has no
    deadline and so completes, on a machine of any speed; the last third may complete or not.
    """
    random = Random(7)  # noqa: S311 - a fixed seed, so that reads are cancelled at the same moments in each run

    read = text("SELECT :number + 0 * length(pg_sleep(0.003)::text)")
    completed, left = set[int](), set[int]()

    async def reads(numbers: range) -> None:
        for number in numbers:
            longest = (0.005, None, 0.05)[number % 3]
            try:
                async with asyncio.timeout(longest and random.uniform(0.0, longest)):
                    assert await resources.reader.scalar(read, {"number": number}) == number
                completed.add(number)
            except (TimeoutError, Unavailable):  # Unavailable: the lost connection could not be replaced
                left.add(number)

    await asyncio.gather(*(reads(range(start, start + 20)) for start in range(0, 200, 20)))

    assert len(completed) >= 30
    assert len(left) >= 30
    assert completed | left == set(range(200))
    pool = resources.engine.pool
    assert isinstance(pool, FairPool)
    assert (pool.checkedout(), pool.bulkhead.in_use, count_waiting(pool.bulkhead)) == (0, 0, 0)
    assert await asyncio.gather(*(resources.reader.scalar(ONE) for _ in range(10))) == [1] * 10
