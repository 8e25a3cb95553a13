"""Start a real PgBouncer in transaction mode in front of the throwaway PostgreSQL."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.connection import enforced
from app.health.role_check import role_sql
from app.lifespan import limits_of
from app.settings import Settings
from devtools.binaries import SPARE, run_as, server_account
from devtools.ports import free_port, listens
from tests.databases import make_settings, on_database, run_statement

SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
"""Debian installs it where only root looks."""

IN_CI = bool(os.environ.get("CI"))

MISSING = (
    "PgBouncer is not installed, so nothing was tried behind it. On Debian and Ubuntu: apt-get install pgbouncer; "
    "on macOS: brew install pgbouncer."
)

START_SECONDS = 10

# Users log in with their password, here and at the server. What is not set is as PgBouncer ships, and so as strict.
CONFIGURATION = """
[databases]
* = host={host} port={port}

[pgbouncer]
pool_mode = transaction
default_pool_size = {pool_size}
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
admin_users = {user}
"""


def find(search_path: str = SEARCH_PATH, *, in_ci: bool = IN_CI) -> str:
    """Return the path of PgBouncer. Without it skip the test, or fail it in CI, where nobody would notice a skip."""
    program = shutil.which("pgbouncer", path=search_path)
    if program is None and in_ci:
        pytest.fail(MISSING)
    if program is None:
        pytest.skip(MISSING)
    return program


@contextmanager
def bouncer(database_url: str, *, pool_size: int = 2, port: int = 0) -> Iterator[str]:
    """Lend the address of a database through a PgBouncer that opens at most `pool_size` connections."""
    program, account = find(), server_account()
    port = port or free_port()
    # it refuses to run as root too, and the account that runs it instead has to get at its files
    with tempfile.TemporaryDirectory(dir=SPARE if account else None) as name:
        folder = Path(name)
        configure(folder, database_url, pool_size, port)
        if account:
            for path in (folder, *folder.iterdir()):
                os.chown(path, account.uid, account.gid)
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [program, str(folder / "pgbouncer.ini")],
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                **run_as(account),
            )
        try:
            wait_until_listening(process, port, log)
            yield through(database_url, port)
        finally:
            process.terminate()
            process.wait(timeout=START_SECONDS)


def configure(folder: Path, database_url: str, pool_size: int, port: int) -> None:
    """Write what PgBouncer reads at its start."""
    behind, users = urlsplit(database_url), folder / "users"
    users.write_text(f'"{behind.username}" "{behind.password}"\n', encoding="ascii")
    text = CONFIGURATION.format(
        host=behind.hostname,
        port=behind.port,
        pool_size=pool_size,
        own_port=port,
        users=users,
        user=behind.username,
    )
    (folder / "pgbouncer.ini").write_text(text, encoding="ascii")


def wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait for the start.

    Raises:
        AssertionError: it ended or is late; with its log.
    """
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if listens(port):
            return
        time.sleep(0.02)
    raise AssertionError(f"PgBouncer does not start:\n{log.read_text()}")


def through(database_url: str, port: int) -> str:
    """Return the address of the database at a PgBouncer that listens on this port."""
    return database_url.replace(f":{urlsplit(database_url).port}/", f":{port}/")


def pooled(url: str, **changes: Any) -> Settings:  # noqa: ANN401 - any setting may be changed
    """Return settings which say that the address leads to PgBouncer."""
    return make_settings(url, **{"database_pgbouncer_connections": 2} | changes)


async def keep_limits(database_url: str) -> None:
    """Run on the server itself what it needs before PgBouncer may stand in front."""
    where = urlsplit(database_url)
    promised = enforced(limits_of(make_settings(database_url)))
    await run_statement(database_url, role_sql(where.username or "", where.path.strip("/"), promised))


async def change_role(database_url: str, change: str) -> None:
    """Change one of the settings that the role of a database keeps."""
    where = f"ALTER ROLE CURRENT_USER IN DATABASE {urlsplit(database_url).path.strip('/')}"
    await run_statement(database_url, f"BEGIN READ WRITE; {where} {change}; COMMIT")


async def reconnect(url: str) -> None:
    """Let PgBouncer open new connections to the server: the settings of a role count from the next one."""
    await run_statement(on_database(url, "pgbouncer"), "RECONNECT")
