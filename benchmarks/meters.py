"""Read what processes cost: CPU seconds, resident memory, and how much else the machine was doing."""

import resource
from dataclasses import dataclass
from typing import Self

import psutil

IDLE = ("idle", "iowait", "guest", "guest_nice")  # guest time is counted in user time already


@dataclass(frozen=True, slots=True)
class Clock:
    """CPU seconds up to now."""

    server: float
    database: float
    client: float
    machine: float
    """Everything on the machine, and what its host took away."""

    @classmethod
    def read(cls, server: int, database: int) -> Self:
        """Read all clocks; the arguments are the process ids of gunicorn and PostgreSQL."""
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        times = psutil.cpu_times()._asdict()
        busy = sum(seconds for kind, seconds in times.items() if kind not in IDLE)
        return cls(of_tree(server), of_tree(database), spent.ru_utime + spent.ru_stime, busy)

    def since(self, start: "Clock") -> "Clock":
        """Return what was spent from `start` to here."""
        return Clock(
            self.server - start.server,
            self.database - start.database,
            self.client - start.client,
            self.machine - start.machine,
        )

    @property
    def foreign(self) -> float:
        """CPU seconds of everybody else."""
        return max(0.0, self.machine - self.server - self.database - self.client)


def of_tree(pid: int) -> float:
    """Return the CPU seconds of a process and everything that it started and that still runs."""
    parent = psutil.Process(pid)
    total = 0.0
    for process in [parent, *parent.children(recursive=True)]:
        try:
            total += cpu_seconds(process)
        except psutil.NoSuchProcess:
            continue
    return total


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU seconds of one process."""
    times = process.cpu_times()
    return times.user + times.system


def resident_megabytes(processes: list[psutil.Process]) -> list[float]:
    """Return the resident memory of each."""
    return [process.memory_info().rss / 2**20 for process in processes]
