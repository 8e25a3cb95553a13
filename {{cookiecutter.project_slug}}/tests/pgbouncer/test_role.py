"""Timeouts behind PgBouncer: unless the PostgreSQL role stores them, the service refuses to start."""

import asyncio
import os
import sys

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.database.connection import enforced
from app.database.engine import build_probe_engine
from app.database.reader import Reader
from app.errors import Unavailable
from app.main import create_app
from app.readiness.role import RoleCheck, RoleError
from devtools.ports import free_port
from tests.conftest import client_of
from tests.databases import ROOT, opened, run_statement
from tests.pgbouncer.bouncer import (
    change_role,
    needs_pgbouncer,
    pgbouncer_settings,
    reconnect,
    running_pgbouncer,
    set_role_limits,
    with_port,
)

pytestmark = needs_pgbouncer

NAMES = ("default_transaction_read_only", "lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
EACH = "default_transaction_read_only, lock_timeout, statement_timeout, idle_in_transaction_session_timeout"


async def printed_sql(url: str) -> str:
    """Run `python -m app.pgbouncer`, and return the printed SQL, which stores the service's timeouts in the role."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.pgbouncer"),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": url, "DATABASE_PGBOUNCER_CONNECTIONS": "2"},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return output.decode()


async def test_the_printed_sql_sets_the_limits_of_every_connection(committed_url: str) -> None:
    find = text("SELECT current_setting(:name)")
    with running_pgbouncer(committed_url) as url:
        await run_statement(committed_url, await printed_sql(url))
        async with opened(pgbouncer_settings(url)) as resources:
            found = [await resources.reader.scalar(find, {"name": name}) for name in (*NAMES, "TimeZone")]

    assert found == ["on", "1500ms", "2500ms", "3s", "UTC"]


async def test_the_role_itself_may_run_the_sql_again(committed_url: str) -> None:
    """The SQL makes transactions of the database role read-only by default, so a second run must request READ WRITE."""
    await set_role_limits(committed_url)
    await change_role(committed_url, "RESET lock_timeout")

    await set_role_limits(committed_url)

    with running_pgbouncer(committed_url) as url:
        async with opened(pgbouncer_settings(url)) as resources:
            assert await resources.readiness.reasons() == ()


async def test_postgresql_refuses_a_write_through_a_reader_or_a_snapshot(pgbouncer_url: str) -> None:
    write = text("INSERT INTO scratch_rows VALUES (1)")
    async with opened(pgbouncer_settings(pgbouncer_url)) as resources:
        async with resources.write_sessions.begin() as session:
            await session.execute(text("CREATE TABLE scratch_rows (number int)"))
        with pytest.raises(DBAPIError, match="read-only transaction"):
            await resources.reader.execute(write)
        async with resources.snapshot_sessions() as snapshot:
            with pytest.raises(DBAPIError, match="read-only transaction"):
                await snapshot.execute(write)

        assert await resources.reader.scalar(text("SELECT count(*) FROM scratch_rows")) == 0


async def test_a_database_that_its_administrator_made_read_only_gets_no_writes(pgbouncer_url: str) -> None:
    """A write overrides the read-only default of the database role, but not a read-only default of the database."""
    change = f"ALTER DATABASE {pgbouncer_url.rpartition('/')[2]} SET default_transaction_read_only = on"
    async with opened(pgbouncer_settings(pgbouncer_url)) as resources:
        async with resources.write_sessions.begin() as session:
            await session.execute(text("CREATE TABLE scratch_rows (number int)"))
        await run_statement(pgbouncer_url, f"BEGIN READ WRITE; {change}; COMMIT")
        with pytest.raises(Unavailable, match="read-only at the moment"):
            async with resources.write_sessions.begin() as session:
                await session.execute(text("INSERT INTO scratch_rows VALUES (1)"))


async def test_the_server_ends_a_statement_at_the_limit_of_the_role(committed_url: str) -> None:
    await set_role_limits(committed_url)
    await change_role(committed_url, "SET statement_timeout = 500")
    with running_pgbouncer(committed_url) as url:
        async with opened(pgbouncer_settings(url)) as resources:
            with pytest.raises(DBAPIError, match="statement timeout"):
                await resources.reader.execute(text("SELECT pg_sleep(2)"))

            assert await resources.reader.scalar(text("SELECT 7")) == 7


async def test_a_start_is_refused_until_the_sql_of_the_refusal_was_run(committed_url: str) -> None:
    with running_pgbouncer(committed_url) as url:
        with pytest.raises(RoleError) as refusal:
            async with opened(pgbouncer_settings(url)):
                pytest.fail("the start went through")
        sentence, _, remedy = str(refusal.value).partition("\n")
        await run_statement(committed_url, remedy)
        await reconnect(url)
        async with opened(pgbouncer_settings(url)) as resources:
            reasons = await resources.readiness.reasons()

    assert sentence == (
        f"Behind PgBouncer the database role has to keep {EACH}. Run this on the server, then RECONNECT on PgBouncer's "
        "console, for its open connections stay as they are:"
    )
    assert reasons == ()


async def test_the_role_is_checked_before_readiness_after_a_start_without_a_database(committed_url: str) -> None:
    port = free_port()
    app = create_app(pgbouncer_settings(with_port(committed_url, port)))
    async with app.router.lifespan_context(app), client_of(app) as client:
        answers = [await client.get("/health/ready")]
        with running_pgbouncer(committed_url, port=port) as url:
            app.state.resources.readiness.forget()
            answers.append(await client.get("/health/ready"))
            await set_role_limits(committed_url)
            await reconnect(url)
            app.state.resources.readiness.forget()
            answers.append(await client.get("/health/ready"))

    assert [(answer.status_code, answer.json()["reasons"]) for answer in answers] == [
        (503, ["The database cannot be reached."]),
        (503, [f"the database role does not keep {EACH}"]),
        (200, []),
    ]


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ("SET statement_timeout = '2500ms'", ()),
        ("SET statement_timeout = '2s'", ()),
        ("SET statement_timeout = '2501ms'", ("statement_timeout",)),
        ("SET statement_timeout = 0", ("statement_timeout",)),
        ("SET default_transaction_read_only = off", ("default_transaction_read_only",)),
        ("RESET lock_timeout", ("lock_timeout",)),
    ],
)
async def test_the_limits_of_a_role_may_be_stricter_and_not_laxer(
    committed_url: str, change: str, missing: tuple[str, ...]
) -> None:
    await set_role_limits(committed_url)
    await change_role(committed_url, change)
    settings = pgbouncer_settings(committed_url)
    timeouts = settings.database_timeouts
    address = settings.database_url.get_secret_value()
    engine = build_probe_engine(address, timeouts=timeouts, application_name="test", pgbouncer=True)
    check = RoleCheck(enforced(timeouts), Reader(engine), pgbouncer=True)
    await check.ask()

    assert check.missing == missing
