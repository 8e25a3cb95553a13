"""Processes that use an embedded server, to be watched and killed."""

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
    """Start a process, in a session of its own, that uses the server of `folder` until its input ends."""
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
    """Run Python with these arguments to its end, with these variables on top of ours."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def url_of(process: subprocess.Popen[str]) -> str:
    """Wait for the server's address."""
    assert process.stdout

    return process.stdout.readline().strip()


def leave(process: subprocess.Popen[str]) -> None:
    """Let a user leave in order."""
    assert process.stdin

    process.stdin.close()
    process.wait()


def ask(url: str, query: str = "SELECT 1") -> object:
    """Run a query that returns one value."""

    async def fetch() -> object:
        connection = await asyncpg.connect(url, timeout=5)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(fetch())


def listens(url: str) -> bool:
    """Tell whether anything listens at the address."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", urlsplit(url).port or 0)) == 0


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Wait until something is true, for a bounded time."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def guard_pid(folder: Path) -> int:
    """Return the process id of the guard of `folder` that was started last."""
    log = folder.with_name(f"{folder.name}.guard.log")
    assert within(5, lambda: log.read_text().startswith("guard"))

    return int(log.read_text().split()[1])


def guards_leave(folder: Path) -> bool:
    """Wait until no guard is there, and none is on its way."""
    if not folder.with_name(f"{folder.name}.guard.log").exists():
        return True
    return within(8, lambda: not exists(guard_pid(folder)) and not has_guard(folder))


def has_guard(folder: Path) -> bool:
    """Tell whether a guard is alive, by the lock that it holds."""
    probe = InterProcessLock(folder.with_name(f"{folder.name}.guard"))
    if not probe.acquire(blocking=False):
        probe.lockfile.close()
        return True
    probe.release()
    return False


def kill(pid: int) -> None:
    """End a process as a crash would, and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    assert within(3, lambda: not exists(pid))


def exists(pid: int) -> bool:
    """Tell whether a process runs; one that has ended is listed until its parent notices, and a container's may not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return not Path("/proc/self").exists() and subprocess.call(["/bin/kill", "-0", str(pid)]) == 0


def marked(mark: str) -> list[int]:
    """Return the processes that inherited this mark in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:  # ended meanwhile, or somebody else's
            continue
    return found


def read_until(process: subprocess.Popen[str], end: str) -> str:
    """Return the output up to a line."""
    assert process.stdout

    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if end in line:
            break
    return "".join(lines)
