"""The lock of standard output, which keeps the log lines of the service's processes from mixing."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

if sys.platform != "win32":
    import fcntl

RETRY_SECONDS, TRIES = 0.01, 10
"""RETRY_SECONDS: the pause between two attempts to get the lock of standard output. TRIES: the number of attempts of a
caller that must not wait for long."""


@contextmanager
def locked(descriptor: int, *, wait: bool) -> Iterator[bool]:
    """Keep other processes of the service from writing to the same pipe, terminal or file during the `with` block.

    On Linux a pipe keeps writes whole only up to 4,096 bytes, and a traceback is longer. Without the lock, a line of
    another worker could land in the middle of a traceback, and a log parser would lose both. The kernel frees the lock
    of a killed process. The price: a worker that is frozen in the middle of a write stops the logs of the other
    workers. Their queues are bounded, and no request waits for the log.

    Yields:
        Whether the caller may write: always True with `wait`, else False if the lock was taken for 0.1 s.
    """
    if sys.platform == "win32":
        yield True
        return
    is_free = False
    for _ in range(1 if wait else TRIES):
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            time.sleep(RETRY_SECONDS)  # noqa: TID251 - runs in the log writer's thread, or at the end of the process
            continue
        except OSError:
            pass  # a socket, for example, cannot be locked: write without the lock
        is_free = True
        break
    try:
        yield is_free
    finally:
        with suppress(OSError):
            fcntl.lockf(descriptor, fcntl.LOCK_UN)
