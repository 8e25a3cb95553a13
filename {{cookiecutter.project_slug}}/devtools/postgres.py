"""PostgreSQL for development and tests, which needs no installation and no start by hand.

`development_url()` is for `make run` and commands, `test_server()` for the tests. The first process that needs the
server starts it, further processes share it, and it stops when the last of these processes has ended; see
`devtools.shared_server`. From a shell:

    python -m devtools.postgres alembic upgrade head
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

from dotenv import dotenv_values

from devtools import psql, shared_server
from devtools.binaries import Programs, ServerError, settle, spare_folder
from devtools.cluster import Cluster
from devtools.ports import listens

PROJECT = Path(__file__).resolve().parent.parent

STATE = PROJECT / ".devtools"
"""The folder of all files of the development tools. Deleting it, while no tool runs, loses development data only."""

DATABASE = "app"
"""The name of the development database."""

USAGE = "Name a command to run with DATABASE_URL set, such as: python -m devtools.postgres alembic upgrade head"


@contextmanager
def server(folder: Path, *, durable: bool) -> Iterator[str]:
    """Yield the URL of the maintenance database of the PostgreSQL server in `folder`, started if necessary.

    Args:
        folder: the folder of the server; for root it may be a different folder, see `devtools.binaries`.
        durable: keep the data between runs. A server that is not durable runs without fsync, and is deleted at the
            end.

    Raises:
        ServerError: the server cannot be started; the message says why.
    """
    with _cluster(folder, durable=durable) as cluster:
        yield cluster.url()


@contextmanager
def _cluster(folder: Path, *, durable: bool) -> Iterator[Cluster]:
    existing = next(path for path in folder.parents if path.exists())
    if not os.access(existing, os.W_OK):
        raise ServerError(f"{existing} is read-only for this user: run a copy of the project elsewhere.")
    with ExitStack() as stack:
        try:
            settled, programs = settle(folder)
            cluster = Cluster(settled, programs, durable)
            if durable:
                stack.callback(shared_server.wait_for_stop, cluster)
            with shared_server.starting(settled):
                stack.enter_context(shared_server.using(settled))
                shared_server.ensure(settled, durable=durable)
                # at exit, replaces the server's guard process if that was killed
                stack.callback(shared_server.ensure, settled, durable=durable)
                if not cluster.is_alive():
                    cluster.start()
            _forget_other_servers()
        except PermissionError as error:
            path = os.fsdecode(error.filename)
            raise ServerError(f"{path} belongs to a different user, such as root: delete it as that user.") from None
        yield cluster


def _forget_other_servers() -> None:
    """Remove PGSSLMODE, PGTARGETSESSIONATTRS and the like from the environment of this process and its children.

    These variables of the developer's shell describe a different server, but asyncpg would apply them to every URL.
    """
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


@contextmanager
def development_url() -> Iterator[str]:
    """Yield the URL of the development database, on a server that is started if necessary.

    A DATABASE_URL in the environment or in `.env` names the developer's own server, and is returned unchanged.
    """
    if given := setting("DATABASE_URL"):
        yield given
        return
    with _cluster(STATE / "postgres", durable=True) as cluster:
        yield cluster.create_database(DATABASE)


def running_url() -> str | None:
    """Return the URL of the embedded development database if its server runs; never start the server."""
    for folder in (STATE, spare_folder(STATE)):
        cluster = Cluster(folder / "postgres", Programs(folder), durable=True)
        with suppress(OSError, IndexError):
            if listens(int(cluster.port)):
                return cluster.url(DATABASE)
    return None


@contextmanager
def scratch_url() -> Iterator[str]:
    """Yield the URL of an empty database on the development server; the database is dropped at the end.

    The development server runs with fsync, unlike the test server: without fsync, writes would look faster than they
    are. DATABASE_URL is ignored, because a load test must not fill a developer's database.
    """
    with _cluster(STATE / "postgres", durable=True) as cluster:
        name = f"scratch_{secrets.token_hex(4)}"
        try:
            yield cluster.create_database(name)
        finally:
            cluster.drop_database(name)


@contextmanager
def test_server() -> Iterator[str]:
    """Yield the URL of the maintenance database of a throwaway server, which all test runs of this project share.

    DATABASE_URL is ignored: tests drop and fill databases, and the developer's own server may hold precious data.
    """
    with server(STATE / "test-postgres", durable=False) as url:
        yield url


def setting(name: str, env_file: Path = PROJECT / ".env") -> str | None:
    """Return a setting as the service reads it: first from the environment, then from `.env`; blank means unset.

    Raises:
        SystemExit: the file is not in UTF-8.
    """
    try:
        values = os.environ.get(name), dotenv_values(env_file).get(name)
    except UnicodeDecodeError:
        raise SystemExit(f"{env_file} is not UTF-8: save it in this encoding.") from None
    return next(filter(None, ((value or "").strip() for value in values)), None)


def reset() -> None:
    """Drop the development database; the next command creates an empty database.

    Raises:
        ServerError: DATABASE_URL names a developer's own server, which may hold precious data.
    """
    if setting("DATABASE_URL"):
        raise ServerError("DATABASE_URL names a server of yours: `make reset` empties the embedded database only.")
    with _cluster(STATE / "postgres", durable=True) as cluster:
        cluster.drop_database(DATABASE)


def _run(command: list[str], url: str) -> int:
    """Run a command whose PATH starts with this virtual environment's scripts, even if it is not activated."""
    scripts = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    variables = {"DATABASE_URL": url, "PATH": scripts}
    if command[0] == "psql":
        command, password = psql.command(url, command[1:])
        variables |= password
    program = shutil.which(command[0], path=scripts)
    if program is None:
        raise ServerError(f"The command {command[0]} was not found. {USAGE}")
    process = subprocess.Popen([program, *command[1:]], env=os.environ | variables)

    def forward(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    signal.signal(signal.SIGTERM, forward)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command gets Ctrl-C too, and decides how to end
    code = process.wait()
    return 128 - code if code < 0 else code  # as in a shell: 128 + the signal that ended the command


def main(command: list[str]) -> int:
    """Run `command` with the URL of the development database in DATABASE_URL, and return the exit code."""
    if not command:
        print(USAGE, file=sys.stderr)
        return 2
    try:
        if command == ["--reset"]:
            reset()
            return 0
        with development_url() as url:
            return _run(command, url)
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
