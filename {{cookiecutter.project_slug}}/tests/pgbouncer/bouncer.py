"""Starts a real PgBouncer in transaction mode in front of the tests' PostgreSQL server.

The service's timeouts are stored in the database role, as PgBouncer refuses timeouts as settings of a connection.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.database.connection import enforced
from app.readiness.role import role_sql
from app.settings.service import Settings
from devtools.binaries import SPARE, run_as, server_account
from devtools.ports import free_port, listens
from tests.databases import make_settings, on_database, run_statement
from tests.programs import find

needs_pgbouncer = pytest.mark.needs_program("pgbouncer", "apt-get install pgbouncer, or brew install pgbouncer")

START_SECONDS = 30

# Users log in to PgBouncer and to PostgreSQL with a password. Settings that are not listed keep PgBouncer's defaults,
# with which PgBouncer refuses a connection that sets unknown startup parameters.
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
ignore_startup_parameters = {ignored}
"""


@contextmanager
def running_pgbouncer(database_url: str, *, pool_size: int = 2, port: int = 0, ignored: str = "") -> Iterator[str]:
    """Run PgBouncer during the `with` block, and yield the database's URL through PgBouncer.

    PgBouncer opens at most `pool_size` connections to PostgreSQL, and silently drops the settings in `ignored`.
    """
    program, account = find("pgbouncer"), server_account()
    assert program, "mark the test with `needs_pgbouncer`"
    port = port or free_port()
    # PgBouncer refuses to run as root: when the tests run as root, PgBouncer runs as the user `account`, which must own
    # these files
    with tempfile.TemporaryDirectory(dir=SPARE if account else None) as name:
        folder = Path(name)
        configure(folder, database_url, pool_size, port, ignored)
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
            yield with_port(database_url, port)
        finally:
            process.kill()  # since version 1.23, PgBouncer waits on SIGTERM until all clients have left
            process.wait(timeout=START_SECONDS)


def configure(folder: Path, database_url: str, pool_size: int, port: int, ignored: str) -> None:
    """Write PgBouncer's configuration, and its file of users and passwords, into a folder."""
    behind, users = urlsplit(database_url), folder / "users"
    users.write_text(f'"{behind.username}" "{behind.password}"\n', encoding="ascii")
    text = CONFIGURATION.format(
        host=behind.hostname,
        port=behind.port,
        pool_size=pool_size,
        own_port=port,
        users=users,
        user=behind.username,
        ignored=ignored,
    )
    (folder / "pgbouncer.ini").write_text(text, encoding="ascii")


def wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until PgBouncer accepts connections on a port.

    Raises:
        AssertionError: the process ended, or did not listen in time; the message has PgBouncer's log.
    """
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if listens(port):
            return
        time.sleep(0.02)
    raise AssertionError(f"PgBouncer does not start:\n{log.read_text()}")


def with_port(database_url: str, port: int) -> str:
    """Return a database URL with PgBouncer's port in place of PostgreSQL's."""
    return database_url.replace(f":{urlsplit(database_url).port}/", f":{port}/")


def pgbouncer_settings(url: str, **changes: Any) -> Settings:  # noqa: ANN401 - Any, as settings have several types
    """Return settings of the service which say that the database URL leads to PgBouncer."""
    return make_settings(url, **{"database_pgbouncer_connections": 2, "database_queue_timeout_seconds": 10} | changes)


async def set_role_limits(database_url: str) -> None:
    """Store the service's timeouts in the PostgreSQL role, as PgBouncer does not forward a connection's settings."""
    address = urlsplit(database_url)
    limits = enforced(make_settings(database_url).database_timeouts)
    await run_statement(database_url, role_sql(address.username or "", address.path.strip("/"), limits))


async def change_role(database_url: str, change: str) -> None:
    """Change a setting that PostgreSQL stores for the current role and database, by a SET or RESET clause."""
    where = f"ALTER ROLE CURRENT_USER IN DATABASE {urlsplit(database_url).path.strip('/')}"
    await run_statement(database_url, f"BEGIN READ WRITE; {where} {change}; COMMIT")


async def reconnect(url: str) -> None:
    """Let PgBouncer open new PostgreSQL connections, as changed settings of a role apply to new connections only."""
    await run_statement(on_database(url, "pgbouncer"), "RECONNECT")
