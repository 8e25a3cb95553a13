"""What a connection brings along elsewhere, the role keeps behind PgBouncer; a role that does not is noticed."""

import asyncio
import os
import sys

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.connection import enforced
from app.database import build_probe_engine
from app.health.role_check import RoleCheck, RoleError
from app.lifespan import limits_of, open_resources
from app.main import create_app
from app.reader import Reader
from devtools.ports import free_port
from tests.conftest import client_of
from tests.databases import ROOT, run_statement
from tests.pgbouncer.bouncer import bouncer, change_role, keep_limits, pooled, reconnect, through

NAMES = ("default_transaction_read_only", "lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
EACH = "default_transaction_read_only, lock_timeout, statement_timeout, idle_in_transaction_session_timeout"


async def printed_sql(url: str) -> str:
    """Return what the command prints for the service behind PgBouncer."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.pgbouncer"),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": url, "DATABASE_PGBOUNCER_CONNECTIONS": "2"},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return output.decode()


async def test_what_the_command_prints_sets_the_limits_of_every_connection(committed_url: str) -> None:
    find = text("SELECT current_setting(:name)")
    with bouncer(committed_url) as url:
        await run_statement(committed_url, await printed_sql(url))
        async with open_resources(pooled(url)) as resources:
            found = [await resources.reader.scalar(find, {"name": name}) for name in (*NAMES, "TimeZone")]

    assert found == ["on", "1500ms", "2500ms", "3s", "UTC"]


async def test_the_role_itself_may_run_it_again(committed_url: str) -> None:
    """After a change of a limit; the first run made its transactions read-only."""
    await keep_limits(committed_url)
    await change_role(committed_url, "RESET lock_timeout")

    await keep_limits(committed_url)

    with bouncer(committed_url) as url:
        async with open_resources(pooled(url)) as resources:
            assert await resources.readiness.reasons() == ()


async def test_postgresql_refuses_a_write_through_a_reader_or_a_snapshot(kept_url: str) -> None:
    write = text("INSERT INTO kept VALUES (1)")
    async with open_resources(pooled(kept_url)) as resources:
        async with resources.write_sessions.begin() as session:
            await session.execute(text("CREATE TABLE kept (number int)"))
        with pytest.raises(DBAPIError, match="read-only transaction"):
            await resources.reader.execute(write)
        async with resources.snapshot_sessions() as snapshot:
            with pytest.raises(DBAPIError, match="read-only transaction"):
                await snapshot.execute(write)

        assert await resources.reader.scalar(text("SELECT count(*) FROM kept")) == 0


async def test_the_server_ends_a_statement_at_the_limit_of_the_role(committed_url: str) -> None:
    await keep_limits(committed_url)
    await change_role(committed_url, "SET statement_timeout = 200")
    with bouncer(committed_url) as url:
        async with open_resources(pooled(url)) as resources:
            with pytest.raises(DBAPIError, match="statement timeout"):
                await resources.reader.execute(text("SELECT pg_sleep(2)"))

            assert await resources.reader.scalar(text("SELECT 7")) == 7


async def test_a_start_is_refused_until_what_the_refusal_says_was_run(committed_url: str) -> None:
    with bouncer(committed_url) as url:
        with pytest.raises(RoleError) as refusal:
            async with open_resources(pooled(url)):
                pytest.fail("the start went through")
        sentence, _, remedy = str(refusal.value).partition("\n")
        await run_statement(committed_url, remedy)
        await reconnect(url)
        async with open_resources(pooled(url)) as resources:
            reasons = await resources.readiness.reasons()

    assert sentence == (
        f"Behind PgBouncer the database role has to keep {EACH}. Run this on the server, then RECONNECT on PgBouncer's "
        "console, for its open connections stay as they are:"
    )
    assert reasons == ()


async def test_a_start_without_a_database_is_checked_before_it_is_ready(committed_url: str) -> None:
    port = free_port()
    app = create_app(pooled(through(committed_url, port)))
    async with app.router.lifespan_context(app), client_of(app) as client:
        answers = [await client.get("/health/ready")]
        with bouncer(committed_url, port=port) as url:
            app.state.resources.readiness.forget()
            answers.append(await client.get("/health/ready"))
            await keep_limits(committed_url)
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
async def test_a_role_may_be_stricter_and_not_laxer(committed_url: str, change: str, missing: tuple[str, ...]) -> None:
    await keep_limits(committed_url)
    await change_role(committed_url, change)
    settings = pooled(committed_url)
    limits = limits_of(settings)
    address = settings.database_url.get_secret_value()
    engine = build_probe_engine(address, limits=limits, application_name="test", pgbouncer=True)
    check = RoleCheck(enforced(limits), Reader(engine))
    await check.ask()

    assert check.missing == missing
