"""Reading while connections die, callers leave and schemas change, on a database of its own with one connection."""

import asyncio
from collections.abc import AsyncGenerator
from random import Random

import asyncpg
import pytest
from sqlalchemy import Executable, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Bundle, DeclarativeBase, Mapped, aliased, mapped_column

from app.errors import Unavailable
from app.lifespan import Resources, open_resources
from app.pool import FairPool
from app.reader import AGAIN_AT_ONCE, has_entities
from tests.databases import make_settings

ONE = text("SELECT 1")
OWN_PID = text("SELECT pg_backend_pid()")
END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class Scratch(DeclarativeBase):
    """The parent of a table that only these tests have."""


class Author(Scratch):
    """An entity."""

    __tablename__ = "scratch_authors"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@pytest.fixture
async def resources(committed_url: str) -> AsyncGenerator[Resources]:
    """What the service opens: one connection, and patience for a busy machine.

    Without TLS: when its negotiation is cut off, asyncpg leaves an exception behind that nobody can take.
    """
    settings = make_settings(f"{committed_url}?sslmode=disable", database_pool_limit=1, database_pool_wait_seconds=20)
    async with open_resources(settings) as opened:
        yield opened


async def end_connections(url: str) -> None:
    """Do what a restart of the server does to everybody who is connected."""
    outsider = await asyncpg.connect(url.replace("+asyncpg", ""))
    await outsider.execute(END_OTHERS)
    await outsider.close()


async def test_nothing_is_held_between_two_statements(resources: Resources) -> None:
    await resources.reader.execute(ONE)

    assert resources.engine.pool.checkedout() == 0  # type: ignore[attr-defined] # not on every pool


async def test_tasks_may_share_a_reader(resources: Resources) -> None:
    found = await asyncio.gather(*(resources.reader.scalar(text(f"SELECT {number}")) for number in range(20)))

    assert found == list(range(20))


async def test_rows_and_entities_come_whole(resources: Resources) -> None:
    """The result is used after its connection went back, and the entities after their session ended."""
    async with resources.write_sessions.begin() as session:
        await session.run_sync(lambda inner: Scratch.metadata.create_all(inner.connection()))
        session.add_all([Author(name=name) for name in "AB"])

    rows = (await resources.reader.execute(select(Author.name).order_by(Author.id))).all()
    entities = (await resources.reader.scalars(select(Author).order_by(Author.id))).all()

    assert [row.name for row in rows] == ["A", "B"]
    assert [author.name for author in entities] == ["A", "B"]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (select(Author), True),
        (select(aliased(Author)), True),
        (select(Author.id, aliased(Author)), True),
        (select(Bundle("key", Author.id)), True),
        (select(Author).from_statement(ONE), True),
        (select(Author.id, Author.name), False),
        (select(Scratch.metadata.tables["scratch_authors"]), False),
        (ONE, False),
    ],
)
def test_a_statement_that_asks_for_entities_is_known(statement: Executable, expected: bool) -> None:
    assert has_entities(statement) is expected


async def test_connections_that_ended_while_idle_are_replaced_for_everybody(
    resources: Resources, committed_url: str
) -> None:
    """A write cannot run twice, so it must not even start on such a connection."""
    before = await resources.reader.scalar(OWN_PID)
    await end_connections(committed_url)
    await asyncio.sleep(0.05)  # the news arrives on the loop

    async with resources.write_sessions.begin() as session:
        after = await session.scalar(OWN_PID)

    assert after != before


async def test_a_read_whose_connection_ends_under_it_runs_once_more(resources: Resources, committed_url: str) -> None:
    reading = asyncio.create_task(resources.reader.scalar(text("SELECT 7 FROM pg_sleep(0.2)")))
    await asyncio.sleep(0.1)

    await end_connections(committed_url)

    assert await reading == 7


async def test_a_read_that_ends_its_own_connection_each_time_is_not_repeated_for_ever(resources: Resources) -> None:
    """A statement that crashes the server must not do so more often than it was sent, beyond a small budget."""
    suicide = text("SELECT pg_terminate_backend(pg_backend_pid())")
    attempts = 3 * AGAIN_AT_ONCE
    failures = 0
    for _ in range(attempts):
        with pytest.raises(DBAPIError):
            await resources.reader.execute(suicide)
        failures += 1

    assert failures == attempts
    assert not resources.reader._again.take()  # noqa: SLF001


async def test_a_plan_that_an_older_schema_made_is_made_anew(resources: Resources) -> None:
    find = text("SELECT * FROM scratch_plans")
    async with resources.write_sessions.begin() as session:
        await session.execute(text("CREATE TABLE scratch_plans (number int)"))
        await session.execute(text("INSERT INTO scratch_plans VALUES (1)"))
    for _ in range(3):
        await resources.reader.execute(find)

    async with resources.write_sessions.begin() as session:
        await session.execute(text("ALTER TABLE scratch_plans ALTER COLUMN number TYPE bigint"))

    assert await resources.reader.scalar(find) == 1


async def test_a_statement_at_fault_is_not_repeated(resources: Resources) -> None:
    reader = resources.reader
    with pytest.raises(DBAPIError):
        await reader.execute(text("SELECT 1 / 0"))

    assert reader._again._tokens == AGAIN_AT_ONCE  # noqa: SLF001


async def test_readers_that_leave_at_any_moment_leave_the_pool_whole(resources: Resources) -> None:
    """A caller's deadline cuts reads at random; nothing may be left behind, and nobody may get another one's rows."""
    random = Random(7)  # noqa: S311 - a test that repeats itself

    read = text("SELECT :number + 0 * length(pg_sleep(0.003)::text)")
    left = 0

    async def reads(numbers: range) -> None:
        nonlocal left
        for number in numbers:
            try:
                async with asyncio.timeout(random.uniform(0.0, 0.05)):
                    assert await resources.reader.scalar(read, {"number": number}) == number
            except (TimeoutError, Unavailable):  # the server refuses some of the many connections that replace others
                left += 1

    await asyncio.gather(*(reads(range(start, start + 20)) for start in range(0, 200, 20)))

    assert 0 < left < 200
    pool = resources.engine.pool
    assert isinstance(pool, FairPool)
    assert (pool.checkedout(), pool.gate.in_use, pool.gate.waiting) == (0, 0, 0)
    assert await asyncio.gather(*(resources.reader.scalar(ONE) for _ in range(10))) == [1] * 10
