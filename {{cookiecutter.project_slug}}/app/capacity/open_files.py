"""Reads the limit of open files of this process: each connection of a client, a database or a downstream is a file."""

import sys
from contextlib import suppress

if sys.platform != "win32":
    import resource

UNLIMITED = 1_048_576
"""The number of open files that the capacity plan assumes where the system has no limit, as on Windows."""


def available_files() -> int:
    """Raise the soft limit of open files (`ulimit -n`) to the hard limit, and return the limit.

    The soft limit is 256 or 1,024 on most systems, because programs that use select() fail beyond it. The service does
    not use select().
    """
    if sys.platform == "win32":
        return UNLIMITED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS may refuse even its own hard limit: keep the soft limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return UNLIMITED if soft == resource.RLIM_INFINITY else min(soft, UNLIMITED)
