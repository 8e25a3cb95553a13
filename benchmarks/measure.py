"""Measure in one sitting: every program in turn, round after round, each round starting with another one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psutil

from benchmarks.load import Load, send
from benchmarks.meters import Clock, resident_megabytes
from benchmarks.servers import Database, Server
from benchmarks.workloads import Workload

FOREIGN_SHARE = 0.15
"""Of all CPUs: a run in which others took more is measured again. Kernel work on behalf of nobody is about 0.05."""

ATTEMPTS = 3
"""After that many the least disturbed one counts, and the report says so: a busy machine must not mean no answer."""

WARM_UP_CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Run:
    """One program under one workload once."""

    variant: str
    workload: str
    connections: int
    load: Load
    cpu: float
    """Microseconds of the server's CPU for each request."""
    foreign: float
    """The share of the machine that others took."""

    @property
    def disturbed(self) -> bool:
        """Tell whether others took too much."""
        return self.foreign > FOREIGN_SHARE


@dataclass(slots=True)
class Sitting:
    """Everything that runs, and how long and how often it is measured."""

    servers: dict[str, Server]
    database: Database
    rounds: int
    seconds: float
    repeats_left: int
    """Of all runs together, so that a busy machine cannot make the bench endless."""

    def warm_up(self, workloads: Sequence[Workload]) -> None:
        """Fill caches and pools before anything counts."""
        for workload in workloads:
            for variant in workload.variants:
                send(self.servers[variant.name].url, workload, connections=WARM_UP_CONNECTIONS, seconds=1)

    def measure(self, workloads: Sequence[Workload]) -> Iterator[Run]:
        """Yield each run as soon as it is done."""
        for turn in range(self.rounds):
            for workload in workloads:
                for connections in workload.connections:
                    names = [variant.name for variant in workload.variants]
                    start = turn % len(names)
                    for name in names[start:] + names[:start]:
                        yield self._quiet_run(name, workload, connections)

    def _quiet_run(self, name: str, workload: Workload, connections: int) -> Run:
        """Run until one was not disturbed; else return the least disturbed one."""
        runs = [self.run(name, workload, connections)]
        while runs[-1].disturbed and len(runs) < ATTEMPTS and self.repeats_left > 0:
            self.repeats_left -= 1
            runs.append(self.run(name, workload, connections))
        return min(runs, key=lambda run: run.foreign)

    def run(self, name: str, workload: Workload, connections: int) -> Run:
        """Send the load once and read the clocks before and after."""
        server = self.servers[name]
        before = Clock.read(server.pid, self.database.pid)
        load = send(server.url, workload, connections=connections, seconds=self.seconds)
        spent = Clock.read(server.pid, self.database.pid).since(before)
        cpus = psutil.cpu_count() or 1
        cpu = spent.server / load.requests * 1e6
        return Run(name, workload.name, connections, load, cpu, spent.foreign / (load.seconds * cpus))

    def memory(self) -> dict[str, float]:
        """Return the resident megabytes of the largest worker of each program."""
        return {name: max(resident_megabytes(server.workers())) for name, server in self.servers.items()}
