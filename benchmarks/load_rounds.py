"""Rounds of load: each round loads every compared program once, starting with a different program each time."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import psutil

from benchmarks.process_usage import CpuSeconds, cpu_seconds, resident_megabytes
from benchmarks.servers import Database, Server
from benchmarks.workloads import Workload
from benchmarks.wrk import Load, send

FOREIGN_SHARE = 0.15
"""The fraction of all CPUs above which the work of other programs makes a run invalid, so that the run is repeated.

The kernel's work is about 0.05.
"""

ATTEMPTS = 3
"""The most attempts of a run that other programs disturb.

After these, the least disturbed attempt counts and the report says so: a busy machine still gets a result.
"""

WARM_UP_CONNECTIONS = 64

FEW_CONNECTIONS = 16
"""A number of connections so small that no program refuses clients under any workload."""

SETTLED_REQUESTS = 10_000
"""The requests that each worker has to answer before the memory is read: earlier, caches and pools are not yet full."""

SETTLING_TURNS = 60
"""The longest load before the memory of the workers is read, in seconds.

A worker that accepted few connections may never reach SETTLED_REQUESTS.
"""


@dataclass(frozen=True, slots=True)
class Run:
    """The figures of a run: one of the compared programs, under a workload, for some seconds."""

    variant: str
    workload: str
    connections: int
    load: Load
    cpu: float
    """CPU microseconds per request of the program's processes, without PostgreSQL and the load generator."""
    foreign: float
    """The fraction of the machine's CPUs that programs outside the measurement took during the run."""

    @property
    def disturbed(self) -> bool:
        """Whether other programs took too much CPU for the run to count."""
        return self.foreign > FOREIGN_SHARE


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of a compared program after load."""

    megabytes: float
    """Resident memory of the largest worker, in megabytes."""
    requests: int
    """The requests that the least busy worker had answered when the memory was read.

    The number is estimated from the worker's fraction of the CPU time.
    """


@dataclass(slots=True)
class LoadRounds:
    """The compared programs, which all run, and how long and how often each of these is loaded."""

    servers: dict[str, Server]
    database: Database
    rounds: int
    seconds: float
    repeats_left: int
    """How many runs may still be repeated, over all programs: a busy machine must not make the benchmark endless."""
    sent: Counter[str] = field(default_factory=Counter)
    """The number of requests sent so far, by program."""
    idle: dict[int, float] = field(default_factory=dict)
    """The CPU seconds that each worker had used before the first request, by process id."""

    def __post_init__(self) -> None:
        """Read the CPU seconds that each worker has used before the first request."""
        workers = (worker for server in self.servers.values() for worker in server.workers())
        self.idle |= {worker.pid: cpu_seconds(worker) for worker in workers}

    def warm_up(self, workloads: Sequence[Workload]) -> None:
        """Send load to each program until caches and pools are full; these requests are not measured."""
        for workload in workloads:
            for variant in workload.variants:
                self._send(variant.name, workload, WARM_UP_CONNECTIONS, seconds=1)

    def measure(self, workloads: Sequence[Workload]) -> Iterator[Run]:
        """Run all rounds, and yield the figures of each run as soon as the run is over."""
        for turn in range(self.rounds):
            for workload in workloads:
                for connections in workload.connections:
                    names = [variant.name for variant in workload.variants]
                    start = turn % len(names)
                    for name in names[start:] + names[:start]:
                        yield self._quiet_run(name, workload, connections)

    def _quiet_run(self, name: str, workload: Workload, connections: int) -> Run:
        """Repeat a run until other programs do not disturb the run, or return the least disturbed attempt."""
        runs = [self.run(name, workload, connections)]
        while runs[-1].disturbed and len(runs) < ATTEMPTS and self.repeats_left > 0:
            self.repeats_left -= 1
            runs.append(self.run(name, workload, connections))
        return min(runs, key=lambda run: run.foreign)

    def run(self, name: str, workload: Workload, connections: int) -> Run:
        """Load a program once, and read the CPU seconds before and after the load."""
        server = self.servers[name]
        before = CpuSeconds.read(server.pid, self.database.pid)
        load = self._send(name, workload, connections, self.seconds)
        spent = CpuSeconds.read(server.pid, self.database.pid).since(before)
        cpus = psutil.cpu_count() or 1
        cpu = spent.server / load.requests * 1e6
        return Run(name, workload.name, connections, load, cpu, spent.foreign / (load.seconds * cpus))

    def _send(self, name: str, workload: Workload, connections: int, seconds: float) -> Load:
        load = send(self.servers[name].url, workload, connections=connections, seconds=seconds)
        self.sent[name] += load.requests
        return load

    def memory(self, workloads: Sequence[Workload]) -> dict[str, Memory]:
        """Return the memory of each program once all workers have answered enough requests."""
        return {name: self._memory(name, [item for item in workloads if _can(name, item)]) for name in self.servers}

    def _memory(self, name: str, workloads: Sequence[Workload]) -> Memory:
        for workload in itertools.islice(itertools.cycle(workloads), SETTLING_TURNS):
            if self._fewest_requests(name) >= SETTLED_REQUESTS:
                break
            self._send(name, workload, FEW_CONNECTIONS, seconds=1)
        return Memory(max(resident_megabytes(self.servers[name].workers())), round(self._fewest_requests(name)))

    def _fewest_requests(self, name: str) -> float:
        """Return the requests that the least busy worker has answered.

        The number is estimated from the worker's fraction of the CPU time.
        """
        spent = [cpu_seconds(worker) - self.idle[worker.pid] for worker in self.servers[name].workers()]
        return self.sent[name] * min(spent) / (sum(spent) or 1)


def _can(name: str, workload: Workload) -> bool:
    return any(variant.name == name for variant in workload.variants)
