"""Job workers as separate processes, and queries of the jobs and effects that they leave in the database."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg

from app.database.transaction import transaction
from app.jobs.enqueue import enqueue
from app.jobs.registry import Kind
from tests.databases import ROOT, make_settings, opened
from tests.faults.job_kinds import TABLE, Nothing

PATIENCE_SECONDS = 60
"""How long to wait for the jobs of a test, in seconds: ten times the time on an idle machine."""

HEARTBEAT_SECONDS = 1.0


class Workers:
    """The job worker processes of a test; a test may start a further process, also after it has killed a process."""

    def __init__(self, url: str, folder: Path, **variables: str) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self._log = folder / "workers.log"
        self._environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": url,
            "ENVIRONMENT": "development",
            "PYTHONPATH": str(ROOT),
            "WEB_CONCURRENCY": "1",
            "JOBS__HEARTBEAT_SECONDS": str(HEARTBEAT_SECONDS),
            "JOBS__POLL_SECONDS": "0.5",
            "MANAGEMENT_PORT": "0",
        } | variables
        if "ABLATED" in os.environ:  # set by `python -m tests.faults.ablate`, which switches off a defence
            self._environment |= {name: os.environ[name] for name in ("ABLATED", "PYTHONPATH")}

    def start(self, **variables: str) -> subprocess.Popen[bytes]:
        """Start a job worker, which `workers_on` kills at the end of its block."""
        with self._log.open("ab") as output:
            # A path, not `-m`: an import of the package `tests` would remove the service's variables.
            command = [sys.executable, "tests/faults/job_kinds.py"]
            environment = self._environment | variables
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        self.processes.append(process)
        return process

    def kill_all(self) -> None:
        """Kill all job workers at once with SIGKILL, and wait until they have ended."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            process.wait()

    def log(self) -> str:
        """Return the log output of all job workers."""
        return self._log.read_text("utf-8")


@contextmanager
def workers_on(url: str, folder: Path, **variables: str) -> Iterator[Workers]:
    """Yield the job workers of a database, none of them started, and kill all workers at the end of the block."""
    workers = Workers(url, folder, **variables)
    try:
        yield workers
    finally:
        workers.kill_all()


async def create_effects(url: str) -> None:
    """Create the table `effects`, to which each job of a test adds a row."""
    await run(url, TABLE)


async def prepare(url: str, kind: Kind[Any], jobs: int, *, seconds: float = 0.02) -> None:
    """Create the table `effects`, to which each job adds a row, and enqueue a number of jobs of a kind."""
    await create_effects(url)
    await put(url, kind, jobs, seconds=seconds)


async def put(url: str, kind: Kind[Any], jobs: int, *, seconds: float = 0.02) -> None:
    """Enqueue a number of jobs of a kind in one transaction."""
    async with opened(make_settings(url)) as resources, transaction(resources.write_sessions) as session:
        for _ in range(jobs):
            await enqueue(session, kind, Nothing(seconds=seconds))


async def run(url: str, sql: str) -> None:
    """Run an SQL statement on a new connection."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def numbers(url: str, sql: str) -> list[int]:
    """Return the first row of a query, or an empty list while the database does not answer."""
    try:
        connection = await asyncpg.connect(url)
        try:
            return list(await connection.fetchrow(sql) or ())
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError):
        return []


async def until(url: str, sql: str, expected: list[int]) -> list[int]:
    """Repeat a query until its row is `expected`, or PATIENCE_SECONDS end; return the last row."""
    found: list[int] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (found := await numbers(url, sql)) != expected:  # noqa: ASYNC110 - polls: other processes change the rows
                await asyncio.sleep(0.1)
    return found
