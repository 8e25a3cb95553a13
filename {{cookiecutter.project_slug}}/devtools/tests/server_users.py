"""Processes that use an embedded PostgreSQL server, for tests that watch and kill these processes."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from fasteners import InterProcessLock

PROJECT = Path(__file__).resolve().parents[2]

USER = """
import sys
from pathlib import Path
from devtools import postgres
with postgres.server(Path(sys.argv[1]), durable=sys.argv[2] == "durable") as url:
    print(url, flush=True)
    sys.stdin.read()
"""


@contextmanager
def user(folder: Path, *, durable: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Start a process, in a new session, that uses the PostgreSQL server in `folder` until its input is closed."""
    with subprocess.Popen(
        [sys.executable, "-c", USER, folder, "durable" if durable else "throwaway"],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python to its end with these arguments, and with these variables added to the environment."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def url_of(process: subprocess.Popen[str]) -> str:
    """Wait until a process uses the server, and return the server's URL, which the process prints."""
    assert process.stdout

    return process.stdout.readline().strip()


def leave(process: subprocess.Popen[str]) -> None:
    """Let a process that uses the shared PostgreSQL exit normally, which releases the server."""
    assert process.stdin

    process.stdin.close()
    process.wait()


def ask(url: str, query: str = "SELECT 1") -> object:
    """Run a query on the server at `url`, and return its single value."""

    async def fetch() -> object:
        connection = await asyncpg.connect(url, timeout=30)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(fetch())


def listens(url: str) -> bool:
    """Tell whether a server accepts connections at the host and port of the URL."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", urlsplit(url).port or 0)) == 0


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Wait up to `seconds` until a condition is true, and return whether it is true."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def soon(condition: Callable[[], bool]) -> bool:
    """Wait up to a minute until a condition is true: enough for a busy machine, and a bound for a hanging test."""
    return within(60, condition)


def guard_pid(folder: Path) -> int:
    """Return the id of the newest guard process, which stops the unused server in `folder`, from its log."""
    log = folder.with_name(f"{folder.name}.guard.log")
    assert soon(lambda: log.read_text().startswith("guard"))

    return int(log.read_text().split()[1])


def guards_leave(folder: Path) -> bool:
    """Wait up to a minute until the server in `folder` has no guard process and gets none; return whether so."""
    if not folder.with_name(f"{folder.name}.guard.log").exists():
        return True
    return soon(lambda: not exists(guard_pid(folder)) and not has_guard(folder))


def has_guard(folder: Path) -> bool:
    """Tell whether the server in `folder` has a guard process, by trying the lock that a guard process holds."""
    probe = InterProcessLock(folder.with_name(f"{folder.name}.guard"))
    if not probe.acquire(blocking=False):
        probe.lockfile.close()
        return True
    probe.release()
    return False


def kill(pid: int) -> None:
    """Kill a process with SIGKILL, as a crash would, and wait for its end."""
    os.kill(pid, signal.SIGKILL)
    assert soon(lambda: not exists(pid))


def exists(pid: int) -> bool:
    """Tell whether a process runs; a zombie, ended but not yet reaped, does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return not Path("/proc/self").exists() and subprocess.call(["/bin/kill", "-0", str(pid)]) == 0


def marked(mark: str) -> list[int]:
    """Return the ids of running processes with this mark in their environment, which all children inherit."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:  # the process has just ended, or belongs to a different user
            continue
    return found


def read_until(process: subprocess.Popen[str], end: str) -> str:
    """Return the output of a process up to the line that contains `end`."""
    assert process.stdout

    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if end in line:
            break
    return "".join(lines)
