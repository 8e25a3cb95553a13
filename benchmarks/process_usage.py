"""CPU seconds and resident memory of processes, and the CPU that the rest of the machine took meanwhile."""

import resource
from dataclasses import dataclass
from typing import Self

import psutil

IDLE = ("idle", "iowait", "guest", "guest_nice")
"""Kinds of CPU time in which nothing runs; guest time is counted in user time already."""


@dataclass(frozen=True, slots=True)
class CpuSeconds:
    """CPU seconds that each part of a measurement has spent so far."""

    server: float
    database: float
    client: float
    machine: float
    """All programs together, and the time that the host of a virtual machine took away."""

    @classmethod
    def read(cls, server: int, database: int) -> Self:
        """Read the CPU seconds; the arguments are the process ids of gunicorn and PostgreSQL."""
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        times = psutil.cpu_times()._asdict()
        busy = sum(seconds for kind, seconds in times.items() if kind not in IDLE)
        return cls(of_tree(server), of_tree(database), spent.ru_utime + spent.ru_stime, busy)

    def since(self, start: "CpuSeconds") -> "CpuSeconds":
        """Return the CPU seconds spent between `start` and this reading."""
        return CpuSeconds(
            self.server - start.server,
            self.database - start.database,
            self.client - start.client,
            self.machine - start.machine,
        )

    @property
    def foreign(self) -> float:
        """CPU seconds of programs that do not belong to the measurement."""
        return max(0.0, self.machine - self.server - self.database - self.client)


def of_tree(pid: int) -> float:
    """Return the CPU seconds of a process tree, as far as the processes still run."""
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
    """Return the resident memory of each process."""
    return [process.memory_info().rss / 2**20 for process in processes]
