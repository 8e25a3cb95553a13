"""CPU seconds and resident memory of processes, and the CPU time that all other programs took meanwhile."""

import resource
from dataclasses import dataclass
from typing import Self

import psutil

IDLE = ("idle", "iowait", "guest", "guest_nice")
"""Kinds of CPU time in which no program runs; guest time is already counted in user time."""


@dataclass(frozen=True, slots=True)
class CpuSeconds:
    """The CPU seconds used so far by the server, by PostgreSQL, by the load generator, and by the whole machine."""

    server: float
    database: float
    client: float
    machine: float
    """CPU seconds of all programs, and the time that a virtual machine's host took away."""

    @classmethod
    def read(cls, server: int, database: int) -> Self:
        """Read the CPU seconds; `server` and `database` are the process ids of gunicorn and PostgreSQL."""
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        times = psutil.cpu_times()._asdict()
        busy = sum(seconds for kind, seconds in times.items() if kind not in IDLE)
        return cls(of_tree(server), of_tree(database), spent.ru_utime + spent.ru_stime, busy)

    def since(self, start: "CpuSeconds") -> "CpuSeconds":
        """Return the CPU seconds that were used between the earlier reading `start` and this reading."""
        return CpuSeconds(
            self.server - start.server,
            self.database - start.database,
            self.client - start.client,
            self.machine - start.machine,
        )

    @property
    def foreign(self) -> float:
        """The CPU seconds of programs outside the measurement: neither server nor PostgreSQL nor load generator."""
        return max(0.0, self.machine - self.server - self.database - self.client)


def of_tree(pid: int) -> float:
    """Return the CPU seconds of a process and all descendants, without processes that have ended."""
    parent = psutil.Process(pid)
    total = 0.0
    for process in [parent, *parent.children(recursive=True)]:
        try:
            total += cpu_seconds(process)
        except psutil.NoSuchProcess:
            continue
    return total


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU seconds of a single process."""
    times = process.cpu_times()
    return times.user + times.system


def resident_megabytes(processes: list[psutil.Process]) -> list[float]:
    """Return the resident memory of each process, in megabytes."""
    return [process.memory_info().rss / 2**20 for process in processes]
