"""Processes, by the number that the system gives them."""

import os
from contextlib import suppress
from pathlib import Path


def exists(pid: int) -> bool:
    """Tell whether there is such a process."""
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def children() -> set[str]:
    """Return the pids of this process's children."""
    found: set[str] = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            _name, _, rest = status.read_text("ascii", errors="replace").rpartition(")")
            if rest.split()[1] == str(os.getpid()):
                found.add(status.parent.name)
    return found
