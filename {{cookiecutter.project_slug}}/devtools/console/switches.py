"""Console switches: faults of the stub downstreams and of the database, which a developer turns on and off."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import asyncpg

from devtools.binaries import settle
from devtools.cluster import Cluster
from devtools.doctor import OK as WELL
from devtools.doctor_inside import migrations
from devtools.probe import OK, probe
from devtools.stubs import FAULTS, FAULTS_PATH

RUNNING, STOPPED, NO_TABLE = "running", "stopped", "none"
PATIENCE_SECONDS = 3.0
"""The longest wait for the database, in seconds; during this wait the console's page gets no update."""

LOCK_LIMITS = {"idle_in_transaction_session_timeout": "5min", "lock_timeout": "5s"}
"""Bounds of the console's table lock: PostgreSQL ends a forgotten lock after 5 min, and waits 5 s for a lock."""

TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
JOBS = "SELECT kind || ' ' || state, count(*) FROM jobs GROUP BY kind, state ORDER BY 1"


class Report(NamedTuple):
    """The state of the database: a sentence about migrations, the tables, and the job counts by kind and state."""

    migrations: str = "the database was not asked yet"
    tables: Sequence[str] = ()
    jobs: dict[str, float] = {}  # noqa: RUF012 - no code changes this default


class Database:
    """The service's database: the console reads tables, migrations and jobs, locks a table, stops the server."""

    def __init__(self, url: str) -> None:
        self.report = Report()
        self.cluster: Cluster | None = None
        """The embedded PostgreSQL server that `devtools` started; None for a server that the developer runs."""
        self._url = url.replace("+asyncpg", "", 1)
        self._locking: asyncpg.Connection | None = None
        self._table = NO_TABLE

    @property
    def locked(self) -> str:
        """The table that the console has locked, or NO_TABLE."""
        return self._table if self._locking and not self._locking.is_closed() else NO_TABLE

    async def ask(self) -> Report:
        """Return the state of the database; if the database does not answer, a report with the reason."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                self.report = await self._ask()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:  # TimeoutError is an OSError too
            # report only the error's class, as its text may repeat a part of the URL
            self.report = Report(f"the database does not answer: {type(error).__name__}", self.report.tables)
        return self.report

    async def _ask(self) -> Report:
        connection = await asyncpg.connect(self._url, statement_cache_size=0)
        try:
            self.cluster = self.cluster or await self._embedded(connection)
            tables = [row[0] for row in await connection.fetch(f"{TABLES} ORDER BY 1")]
            found, jobs = (), {}
            with suppress(asyncpg.UndefinedTableError):
                found = tuple(row[0] for row in await connection.fetch("SELECT version_num FROM alembic_version"))
            if "jobs" in tables and self.locked != "jobs":
                jobs = dict(await connection.fetch(JOBS))
        finally:
            await connection.close(timeout=1)
        return Report((await asyncio.to_thread(migrations, found))[len(WELL) + 1 :], tables, jobs)

    async def _embedded(self, connection: asyncpg.Connection) -> Cluster | None:
        """Return the PostgreSQL server that devtools started, recognised by the URL's password; otherwise None."""
        with suppress(asyncpg.PostgresError, OSError):
            folder = Path(await connection.fetchval("SHOW data_directory")).parent
            if (folder / "password").read_text("ascii") == urlsplit(self._url).password:
                return Cluster(*await asyncio.to_thread(settle, folder), durable=True)
        return None

    async def lock(self, table: str) -> None:
        """Lock a table against reads and writes, in a transaction that stays open; NO_TABLE releases the lock."""
        if self._locking:
            self._locking.terminate()
        self._table = table
        if table != NO_TABLE:
            self._locking = await asyncpg.connect(self._url, server_settings=LOCK_LIMITS, timeout=PATIENCE_SECONDS)
            await self._locking.execute(f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")


class Switches:
    """The switches of the developer's console by name, such as the faults of a stub, and the states of each switch."""

    def __init__(self, database: Database, downstreams: Iterable[tuple[str, Any]]) -> None:
        """Find the downstreams whose address is a stub on this machine; a downstream is a pair of name and settings."""
        self.database = database
        urls = {name: one.base_url for name, one in downstreams if one.base_url}
        own = {name: url for name, url in urls.items() if url.host == "127.0.0.1" and url.path == f"/{name}"}
        self._stubs = {name: f"http://127.0.0.1:{url.port}" for name, url in own.items()}

    async def flip(self, name: str, state: str) -> None:
        """Set a switch of the developer's console, such as the fault of a stub, to a state.

        Raises:
            ValueError: the switch does not exist, or has no such state.
            OSError: the stub does not answer.
        """
        await self.database.ask()  # refresh the list of tables, and whether the server is an embedded server
        if not any(one["name"] == name and state in one["states"] for one in await asyncio.to_thread(self.states)):
            raise ValueError(f"There is no switch {name} with the state {state}.")
        if name == "locked table":
            await self.database.lock(state)
        elif name == "database" and (cluster := self.database.cluster):
            await asyncio.to_thread(cluster.start if state == RUNNING else cluster.stop)
        else:
            stub = name.removeprefix("stub ")
            body, of_json = json.dumps({stub: state}), {"Content-Type": "application/json"}
            status, said = await asyncio.to_thread(probe, self._stubs[stub], FAULTS_PATH, body, of_json)
            if status != OK:
                raise OSError(f"The stub {stub} does not answer: {said}")

    def states(self) -> list[dict[str, Any]]:
        """Return name, states and current state of each console switch; call this in a thread, as stubs are asked."""
        answers = [(name, *probe(base, FAULTS_PATH)) for name, base in self._stubs.items()]
        faults = {name: json.loads(text).get(name) for name, status, text in answers if status == OK}
        found: list[tuple[str, Sequence[str], str]]
        found = [(f"stub {name}", FAULTS, fault) for name, fault in faults.items() if fault]
        found.append(("locked table", (NO_TABLE, *self.database.report.tables), self.database.locked))
        if cluster := self.database.cluster:
            found.append(("database", (RUNNING, STOPPED), RUNNING if cluster.is_alive() else STOPPED))
        return [{"name": name, "states": states, "state": state} for name, states, state in found]
