"""The part of `make doctor` that needs the installed packages: checks the port, the database and the migrations.

The checks start no program and write nothing.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg

from app.readiness.schema import Revisions, RevisionsError
from devtools.doctor import DO, MOMENT, NOTE, OK
from devtools.ports import FIRST_PORT, is_free
from devtools.postgres import running_url, setting

AWAY = "start it, correct the variable, or remove it, and `make run` starts its own"

BRANCH = "the database has one of a different branch: check that branch out, or empty the database"


def owner(port: int) -> str:
    """Return the process that listens on a port, if Linux lets this user see that process."""
    rows = [row.split() for table in Path("/proc/net").glob("tcp*") for row in table.read_text("ascii").splitlines()]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A"}
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if str(link.readlink()) in sockets:
                process = link.parents[1]
                name, folder = (process / "comm").read_text("utf-8").strip(), (process / "cwd").readlink()
                return f"{name} (process {process.name}, in {folder})"
    return "a program of a different user, or is for root only"


def port() -> Iterator[str]:
    """Check whether the service could listen on its port."""
    given = setting("PORT") or ""
    wanted = int(given) if given.isdecimal() and int(given) < 2**16 else FIRST_PORT
    if is_free(wanted):
        yield f"{OK} port {wanted} is free"
    elif given:
        yield f"{DO} port {wanted} is taken by {owner(wanted)}: end it, or `make run PORT={wanted + 1}`"
    else:
        yield f"{NOTE} port {wanted} is taken by {owner(wanted)}: `make run` takes the next free one"


async def revisions(address: str) -> tuple[str, ...]:
    """Return the migration revisions of a database; a new database has none."""
    # These connection options also work behind a connection pooler and on a standby server.
    anywhere = {"statement_cache_size": 0, "target_session_attrs": "any"}
    async with asyncio.timeout(MOMENT), asyncpg.create_pool(address, min_size=1, **anywhere) as pool:
        with suppress(asyncpg.UndefinedTableError):
            return tuple(row[0] for row in await pool.fetch("SELECT version_num FROM alembic_version"))
    return ()


def database() -> Iterator[str]:
    """Compare the database's migration revisions with the migration files."""
    url, found = setting("DATABASE_URL") or running_url(), None
    try:
        if url:
            found = asyncio.run(revisions(url.replace("+asyncpg://", "://", 1)))
            yield f"{OK} database answers"
        else:
            yield f"{OK} database is embedded: `make run` starts and migrates it"
    except asyncpg.PostgresError as error:
        yield f"{DO} database refuses the connection: {error}"
    except (OSError, ValueError, asyncpg.InterfaceError):  # not shown: the error's text may have a part of the URL
        yield f"{DO} database of DATABASE_URL cannot be reached: {AWAY}"
    yield migrations(found)


def migrations(found: tuple[str, ...] | None) -> str:
    """Compare the migration files with the database's revisions; None means that the revisions are unknown."""
    try:
        own = Revisions.read()
    except RevisionsError as error:
        return f"{DO} migrations: {error}"
    if found is None or own.head in found:
        return f"{OK} migrations end with {own.head}{', and so does the database' if found else ''}"
    if own.known.issuperset(found):
        return f"{DO} migrations: the database is at {', '.join(found) or 'none'}, not at {own.head}: `make migrate`"
    return f"{DO} migrations: {own.foreign(found) or BRANCH}"


if __name__ == "__main__":
    for line in (*port(), *database()):
        print(line.replace("\n", " "))
