"""Measure in one sitting: every program in turn, round after round, each round starting with another one."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import psutil

from benchmarks.load import Load, send
from benchmarks.meters import Clock, cpu_seconds, resident_megabytes
from benchmarks.servers import Database, Server
from benchmarks.workloads import Workload

FOREIGN_SHARE = 0.15
"""Of all CPUs: a run in which others took more is measured again. Kernel work on behalf of nobody is about 0.05."""

ATTEMPTS = 3
"""After that many the least disturbed one counts, and the report says so: a busy machine must not mean no answer."""

WARM_UP_CONNECTIONS = 64

FEW_CONNECTIONS = 16
"""Nobody refuses so many, whatever they ask for."""

SETTLED_REQUESTS = 10_000
"""Memory is read when each worker has answered as many: before, caches and pools are not full."""

SETTLING_TURNS = 60
"""Seconds of load at most for that: a worker may get few connections, and the report tells what it got."""


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


@dataclass(frozen=True, slots=True)
class Memory:
    """What one program takes."""

    megabytes: float
    """Resident, of its largest worker."""
    requests: int
    """What its least busy worker had answered by then, told by its share of the CPU time."""


@dataclass(slots=True)
class Sitting:
    """Everything that runs, and how long and how often it is measured."""

    servers: dict[str, Server]
    database: Database
    rounds: int
    seconds: float
    repeats_left: int
    """Of all runs together, so that a busy machine cannot make the bench endless."""
    sent: Counter[str] = field(default_factory=Counter)
    """Requests so far, by program."""
    idle: dict[int, float] = field(default_factory=dict)
    """The CPU seconds that each worker had spent before its first request."""

    def __post_init__(self) -> None:
        """Read the clocks of the workers."""
        workers = (worker for server in self.servers.values() for worker in server.workers())
        self.idle |= {worker.pid: cpu_seconds(worker) for worker in workers}

    def warm_up(self, workloads: Sequence[Workload]) -> None:
        """Fill caches and pools before anything counts."""
        for workload in workloads:
            for variant in workload.variants:
                self._send(variant.name, workload, WARM_UP_CONNECTIONS, seconds=1)

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
        load = self._send(name, workload, connections, self.seconds)
        spent = Clock.read(server.pid, self.database.pid).since(before)
        cpus = psutil.cpu_count() or 1
        cpu = spent.server / load.requests * 1e6
        return Run(name, workload.name, connections, load, cpu, spent.foreign / (load.seconds * cpus))

    def _send(self, name: str, workload: Workload, connections: int, seconds: float) -> Load:
        load = send(self.servers[name].url, workload, connections=connections, seconds=seconds)
        self.sent[name] += load.requests
        return load

    def memory(self, workloads: Sequence[Workload]) -> dict[str, Memory]:
        """Return the memory of each program once its workers have answered enough."""
        return {name: self._memory(name, [item for item in workloads if _can(name, item)]) for name in self.servers}

    def _memory(self, name: str, workloads: Sequence[Workload]) -> Memory:
        for workload in itertools.islice(itertools.cycle(workloads), SETTLING_TURNS):
            if self._least(name) >= SETTLED_REQUESTS:
                break
            self._send(name, workload, FEW_CONNECTIONS, seconds=1)
        return Memory(max(resident_megabytes(self.servers[name].workers())), round(self._least(name)))

    def _least(self, name: str) -> float:
        """Return the requests of the worker that got the fewest, by its share of the CPU time."""
        spent = [cpu_seconds(worker) - self.idle[worker.pid] for worker in self.servers[name].workers()]
        return self.sent[name] * min(spent) / (sum(spent) or 1)


def _can(name: str, workload: Workload) -> bool:
    return any(variant.name == name for variant in workload.variants)
