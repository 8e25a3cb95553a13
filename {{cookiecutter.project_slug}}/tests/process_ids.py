"""Checks for process ids: whether a process exists, and the children of this process."""

import os
from contextlib import suppress
from pathlib import Path


def process_exists(pid: int) -> bool:
    """Tell whether a process with the id `pid` exists."""
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def child_pids() -> set[str]:
    """Return the ids of the child processes of the current process, read from /proc."""
    found: set[str] = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # the process has ended since the glob found its folder in /proc
            _name, _, rest = status.read_text("ascii", errors="replace").rpartition(")")
            if rest.split()[1] == str(os.getpid()):
                found.add(status.parent.name)
    return found
