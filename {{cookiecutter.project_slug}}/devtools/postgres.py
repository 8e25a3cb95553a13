"""PostgreSQL for development and tests, with nothing to install or start by hand.

`development_url()` is for `make run` and commands, `test_server()` for the tests. The first user of a server starts it,
others share it, and it stops when the last one has left; see `devtools.guard`. From a shell:

    python -m devtools.postgres alembic upgrade head
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from dotenv import dotenv_values

from devtools import guard
from devtools.binaries import ServerError, settle
from devtools.cluster import Cluster

PROJECT = Path(__file__).resolve().parent.parent

STATE = PROJECT / ".devtools"
"""Everything that the tools keep; deleting it while nothing runs costs the development data only."""

USAGE = "Run a command with DATABASE_URL set: python -m devtools.postgres alembic upgrade head"


@contextmanager
def server(folder: Path, *, durable: bool) -> Iterator[str]:
    """Yield the address of the maintenance database of the server that lives in `folder`, started if need be.

    Args:
        folder: the server's own; for root it may move, see `devtools.binaries`.
        durable: keep the data between runs. Otherwise nothing waits for the disk, and the folder is deleted in the end.

    Raises:
        ServerError: it cannot be started; the message says why.
    """
    with _cluster(folder, durable=durable) as cluster:
        yield cluster.url()


@contextmanager
def _cluster(folder: Path, *, durable: bool) -> Iterator[Cluster]:
    with ExitStack() as stack:
        try:
            place, programs = settle(folder)
            cluster = Cluster(place, programs, durable)
            if durable:
                stack.callback(guard.see_off, place)
            with guard.starting(place):
                stack.enter_context(guard.using(place))
                guard.ensure(place, durable=durable)
                stack.callback(guard.ensure, place, durable=durable)  # somebody may kill it meanwhile
                if not cluster.is_alive():
                    cluster.start()
        except PermissionError as error:
            path = os.fsdecode(error.filename)
            raise ServerError(f"{path} belongs to another user (to root?): delete it as that user.") from None
        yield cluster


@contextmanager
def development_url() -> Iterator[str]:
    """Yield the address of the development database.

    A DATABASE_URL of the environment or of `.env` names a server of the person's own: it is taken as it is.
    """
    if given := setting("DATABASE_URL"):
        yield given
        return
    with _cluster(STATE / "postgres", durable=True) as cluster:
        yield cluster.create_database("app")


@contextmanager
def scratch_url() -> Iterator[str]:
    """Yield the address of an empty database on the development server, dropped in the end.

    It is as durable as any: with the disk left out, as for the tests, writes would look faster than they are.
    DATABASE_URL is not looked at, since what fills the database must not fill one that a person named.
    """
    with _cluster(STATE / "postgres", durable=True) as cluster:
        name = f"scratch_{secrets.token_hex(4)}"
        try:
            yield cluster.create_database(name)
        finally:
            cluster.drop_database(name)


@contextmanager
def test_server() -> Iterator[str]:
    """Yield the address of the maintenance database of a throwaway server, shared by all test runs of this project.

    DATABASE_URL is not looked at: tests drop and fill databases, and a server that a person named may hold data that
    somebody needs.
    """
    with server(STATE / "test-postgres", durable=False) as url:
        yield url


def setting(name: str, env_file: Path = PROJECT / ".env") -> str | None:
    """Return a variable as the service would see it: the environment wins over `.env`, and empty means not set."""
    return os.environ.get(name) or dotenv_values(env_file).get(name) or None


def _run(command: list[str], url: str) -> int:
    """Run a command with its own interpreter's scripts first in the PATH; an inactive virtual environment works too."""
    scripts = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    program = shutil.which(command[0], path=scripts)
    if program is None:
        raise ServerError(f"There is no command {command[0]}. {USAGE}")
    process = subprocess.Popen([program, *command[1:]], env=os.environ | {"DATABASE_URL": url, "PATH": scripts})

    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the command too, and what it means is up to it
    code = process.wait()
    return 128 - code if code < 0 else code  # as a shell reports a command that a signal ended


def main(command: list[str]) -> int:
    """Run `command` on the development database and return its exit code."""
    if not command:
        print(USAGE, file=sys.stderr)
        return 2
    try:
        with development_url() as url:
            return _run(command, url)
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
