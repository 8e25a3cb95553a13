"""Knows who uses an embedded server, and stops it when nobody does any more.

Three lock files lie beside the server's folder. The operating system releases a lock when its process ends, also by
kill -9, so none can be left behind:

- `.users`: every user holds it shared. Who holds it exclusively knows that there is no user, and that none can come.
- `.start`: one process at a time starts the server. Always taken before `.users`.
- `.guard`: held by the guard, a process of its own that waits for `.users` exclusively and then stops the server. It
  lets go of `.guard` first: a newcomer that was waiting for `.users` must see that it needs a new guard.

POSIX locks belong to the process, not to the open file: closing any file object of a lock file drops the process's
lock. So a process takes each lock once, and counts for itself.
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
"""A newcomer's delay between two tries."""

GUARD_POLL_SECONDS = 0.1
"""The guard's delay between two tries: it waits for hours, so it may notice the last user's leaving a little later."""

GUARD_PATIENCE_SECONDS = 1.0
"""A newcomer that looks whether there is a guard holds its lock for a moment; a guard does not give up for that."""

SEE_OFF_LOOKS = 500
"""A stop takes 10 s at most."""

_threads = threading.RLock()
_users: dict[tuple[int, Path], tuple[int, InterProcessReaderWriterLock]] = {}
"""How often this process uses which server. The key has the process id: a fork inherits the count but not the lock."""


def _lock_file(folder: Path, name: str) -> Path:
    return folder.with_name(f"{folder.name}.{name}")


@contextmanager
def starting(folder: Path) -> Iterator[None]:
    """Be the only one, thread or process, who starts the server of `folder`."""
    with _threads:
        lock = InterProcessLock(_lock_file(folder, "start"))
        lock.acquire(max_delay=POLL_SECONDS)
        try:
            yield
        finally:
            lock.release()


@contextmanager
def using(folder: Path) -> Iterator[None]:
    """Keep the server of `folder` from being stopped."""
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
    """Start a guard if there is none. Called before the server starts, so that there is no moment without one."""
    probe = InterProcessLock(_lock_file(folder, "guard"))
    if not probe.acquire(blocking=False):
        probe.lockfile.close()  # fasteners leaves that to the garbage collector, which warns
        return
    probe.release()
    windows_flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "CREATE_NO_WINDOW", 0)
    with _lock_file(folder, "guard.log").open("wb") as output:
        guard = subprocess.Popen(
            [sys.executable, "-m", "devtools.guard", folder, *(["--durable"] if durable else [])],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            creationflags=windows_flags,
        )
    # Somebody has to wait for it, else Python warns and a zombie stays; at once would cost as long as Python starts.
    threading.Thread(target=guard.wait, daemon=True).start()


def see_off(folder: Path) -> None:
    """Return once the server of `folder` has stopped, or at once if somebody else uses it: for a person who waits."""
    for _look in range(SEE_OFF_LOOKS):
        if _others_use(folder):
            return
        probe = InterProcessLock(_lock_file(folder, "guard"))
        if probe.acquire(blocking=False):
            probe.release()
            return
        probe.lockfile.close()
        time.sleep(POLL_SECONDS)


def _others_use(folder: Path) -> bool:
    """Tell whether there are users, and not only a guard that is about to stop the server or does."""
    with _threads:
        if (os.getpid(), folder) in _users:  # this process itself; looking at the file would drop its lock
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
    """Wait until nobody uses the server of `folder`, then stop it."""
    mine = InterProcessLock(_lock_file(folder, "guard"))
    if not mine.acquire(timeout=GUARD_PATIENCE_SECONDS):
        print("guard", os.getpid(), "is not needed", flush=True)
        return
    print("guard", os.getpid(), "waits", flush=True)
    users = InterProcessReaderWriterLock(_lock_file(folder, "users"))
    users.acquire_write_lock(max_delay=GUARD_POLL_SECONDS)
    print("guard", os.getpid(), "stops the server", flush=True)
    try:
        place, programs = settle(folder)
        Cluster(place, programs, durable).stop()
    finally:
        mine.release()
        users.release_write_lock()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--durable", action="store_true")
    options = parser.parse_args()
    if hasattr(os, "fork") and os.fork():  # whoever ends a process with all its children must not find the guard
        os._exit(0)
    stand_guard(options.folder, durable=options.durable)
