"""Ports of this machine: whether a port is free, whether a server listens there, and the reservation of a port."""

import os
import socket
import tempfile
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fasteners import InterProcessLock

from devtools.child_processes import RunError

LOOPBACK = "127.0.0.1"

FIRST_PORT, LAST_PORT = 8000, 8099
"""The port range in which the development runner looks for a free port, unless the developer gives a port."""


def listens(port: int) -> bool:
    """Tell whether a server accepts connections on this port."""
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
        return True
    return False


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Tell whether a server could start to listen on this port."""
    version = socket.AF_INET6 if ":" in host else socket.AF_INET
    with suppress(OSError), socket.socket(version) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(os.name == "posix"))
        server.bind((host, port))
        server.listen()
        return True
    return False


def free_port(wanted: int = 0, *, planned: Container[int] = ()) -> int:
    """Return `wanted` if that port is free and not planned for a server that starts later, or else any free port."""
    if wanted and wanted not in planned and is_free(wanted):
        return wanted
    with socket.create_server((LOOPBACK, 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def reserved(wanted: int | None, host: str = LOOPBACK) -> Iterator[int]:
    """Yield the wanted port, or the first free port from 8000 on, and reserve it against other development runners.

    The service binds its port only after the migrations, seconds later: two runners that start at the same time would
    both find port 8000 free. So each port has a lock file, which a runner holds until it ends. Each user of the machine
    has separate lock files.

    Raises:
        RunError: the wanted port is in use, or all ports of the range are, or `host` is no address of this machine.
    """
    if not is_free(0, host):
        raise RunError(f"Nothing on this machine can listen on {host}: give HOST an address of it, such as {LOOPBACK}.")
    user = getattr(os, "getuid", int)()  # Windows has no user ids, but gives each user a temporary folder
    for port in [wanted] if wanted else range(FIRST_PORT, LAST_PORT + 1):
        lock = InterProcessLock(Path(tempfile.gettempdir()) / f"devtools-{user}-port-{port}.lock")
        if not lock.acquire(blocking=False):
            lock.lockfile.close()  # fasteners would leave the lock file open, and Python would warn
            continue
        try:
            if is_free(port, host):
                yield port
                return
        finally:
            lock.release()
    if wanted:
        raise RunError(f"Port {wanted} is in use on {host}, or is for root only: name a different port by PORT.")
    raise RunError(f"The ports from {FIRST_PORT} to {LAST_PORT} are all in use: name a free port by PORT.")
