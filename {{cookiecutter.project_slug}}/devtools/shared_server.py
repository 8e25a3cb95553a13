"""Shares a PostgreSQL server between processes, and stops the server after the last process has ended.

There are three lock files beside the server's folder. The operating system releases a lock when its process ends, even
by kill -9, so no lock stays behind:
- `.users`: each process that uses the server holds this lock shared. A process that gets the lock exclusively knows
  that the server has no user, and keeps new users out.
- `.start`: held by the process that starts the server; always taken before `.users`.
- `.guard`: held by the guard, a process that waits for `.users` exclusively and then stops the server. The guard
  releases `.guard` first, so that a new user that waited for `.users` sees that it needs a new guard.

POSIX locks belong to the process, not to the open file: closing any file object of a lock file drops the process's
lock. So a process takes each lock once, and counts how often it uses the server.
"""

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fasteners import InterProcessLock, InterProcessReaderWriterLock

from devtools.binaries import settle
from devtools.cluster import Cluster

PROJECT = Path(__file__).resolve().parent.parent

POLL_SECONDS = 0.02
"""The pause in seconds between two attempts to take a lock; short, as a process waits for the server."""

GUARD_POLL_SECONDS = 0.1
"""Seconds between two checks of the guard process whether the server is unused; a late stop does no harm."""

GUARD_PATIENCE_SECONDS = 1.0
"""Seconds for which a new guard process tries to take the lock `.guard`.

A process that looks for a guard holds this lock for a moment.
"""

STOP_POLLS = 500
"""The number of checks, every 0.02 s, whether a PostgreSQL server has stopped: the wait ends after about 10 s."""

_threads = threading.RLock()
_users: dict[tuple[int, Path], tuple[int, InterProcessReaderWriterLock]] = {}
"""For each PostgreSQL server, how often this process uses the server, and this process's lock `.users`.

The process id is part of the key: a forked child inherits the count but not the lock.
"""


def _lock_file(folder: Path, name: str) -> Path:
    return folder.with_name(f"{folder.name}.{name}")


@contextmanager
def starting(folder: Path) -> Iterator[None]:
    """Hold the lock for the start of the server in `folder`: no second thread or process may start the server."""
    with _threads:
        lock = InterProcessLock(_lock_file(folder, "start"))
        lock.acquire(max_delay=POLL_SECONDS)
        try:
            yield
        finally:
            lock.release()


@contextmanager
def using(folder: Path) -> Iterator[None]:
    """Count this process as a user of the PostgreSQL server in `folder`, so that the guard does not stop the server."""
    key = (os.getpid(), folder)
    with _threads:
        count, lock = _users.get(key, (0, InterProcessReaderWriterLock(_lock_file(folder, "users"))))
        if count == 0:
            lock.acquire_read_lock(max_delay=POLL_SECONDS)
        _users[key] = (count + 1, lock)
    try:
        yield
    finally:
        with _threads:
            count, lock = _users.pop(key)
            if count > 1:
                _users[key] = (count - 1, lock)
            else:
                lock.release_read_lock()


def ensure(folder: Path, *, durable: bool) -> None:
    """Start a guard, the process that stops an unused server, unless a guard runs already.

    The guard starts before the server, so that a server always has a guard.
    """
    probe = InterProcessLock(_lock_file(folder, "guard"))
    if not probe.acquire(blocking=False):
        probe.lockfile.close()  # fasteners would leave the lock file open, and Python would warn
        return
    probe.release()
    windows_flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "CREATE_NO_WINDOW", 0)
    with _lock_file(folder, "guard.log").open("wb") as output:
        guard = subprocess.Popen(
            [sys.executable, "-m", "devtools.shared_server", folder, *(["--durable"] if durable else [])],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            creationflags=windows_flags,
        )
    # A thread waits for the guard's end: otherwise Python warns, and the ended guard stays as a zombie process.
    threading.Thread(target=guard.wait, daemon=True).start()


def wait_for_stop(cluster: Cluster) -> None:
    """Wait until an unused PostgreSQL server has stopped; return at once if a process uses the server.

    So no server outlives the last command that uses it. A free lock `.guard` does not mean that the server has stopped:
    on a busy machine the guard process may not have started yet.
    """
    for _poll in range(STOP_POLLS):
        if _has_users(cluster.folder):
            return
        probe = InterProcessLock(_lock_file(cluster.folder, "guard"))
        if not probe.acquire(blocking=False):
            probe.lockfile.close()
        else:
            probe.release()
            if not cluster.is_alive():
                return
        time.sleep(POLL_SECONDS)


def _has_users(folder: Path) -> bool:
    """Tell whether a process uses the server; the guard process, which may hold the lock to stop it, does not count."""
    with _threads:
        if (os.getpid(), folder) in _users:  # opening the lock file would drop this process's own lock
            return True
        lock = InterProcessReaderWriterLock(_lock_file(folder, "users"))
        if lock.acquire_write_lock(blocking=False):
            lock.release_write_lock()
            return False
        if lock.acquire_read_lock(blocking=False):
            lock.release_read_lock()
            return True
        lock.lockfile.close()
        return False


def stand_guard(folder: Path, *, durable: bool) -> None:
    """Run the guard process: wait until the server in `folder` has no user, then stop the server."""
    guard = InterProcessLock(_lock_file(folder, "guard"))
    if not guard.acquire(timeout=GUARD_PATIENCE_SECONDS):
        print("guard", os.getpid(), "is not needed", flush=True)
        return
    print("guard", os.getpid(), "waits", flush=True)
    users = InterProcessReaderWriterLock(_lock_file(folder, "users"))
    users.acquire_write_lock(max_delay=GUARD_POLL_SECONDS)
    print("guard", os.getpid(), "stops the server", flush=True)
    try:
        settled, programs = settle(folder)
        Cluster(settled, programs, durable).stop()
    finally:
        guard.release()
        users.release_write_lock()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--durable", action="store_true")
    options = parser.parse_args()
    # fork, so that the guard is no child of this process: a debugger ends a process with its children
    if hasattr(os, "fork") and os.fork():
        os._exit(0)
    stand_guard(options.folder, durable=options.durable)
