"""Rounds of load: in each round every program runs once, and each round begins with the next program."""

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
"""The fraction of all CPUs that other programs may take during a run before it is repeated. The kernel's work is about
0.05."""

ATTEMPTS = 3
"""The most attempts of a run; then the least disturbed run counts, and the report says so: a busy machine still gets a
result."""

WARM_UP_CONNECTIONS = 64

FEW_CONNECTIONS = 16
"""A number of connections so small that no program refuses clients under any workload."""

SETTLED_REQUESTS = 10_000
"""The requests that each worker has to answer before its memory is read: earlier, caches and pools are not full."""

SETTLING_TURNS = 60
"""The longest load, in seconds, before the memory is read: a worker with few connections may never reach its requests.
"""


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a program under a workload."""

    variant: str
    workload: str
    connections: int
    load: Load
    cpu: float
    """CPU microseconds of the server per request."""
    foreign: float
    """The fraction of the machine's CPUs that other programs took."""

    @property
    def disturbed(self) -> bool:
        """Whether other programs took too much CPU for the run to count."""
        return self.foreign > FOREIGN_SHARE


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of a program after load."""

    megabytes: float
    """Resident memory of the largest worker, in megabytes."""
    requests: int
    """The requests that the least busy worker had answered by then, estimated from its fraction of the CPU time."""


@dataclass(slots=True)
class LoadRounds:
    """The running programs, and how long and how often each of them is measured."""

    servers: dict[str, Server]
    database: Database
    rounds: int
    seconds: float
    repeats_left: int
    """How many runs may still be repeated, over all programs: a busy machine must not make the benchmark endless."""
    sent: Counter[str] = field(default_factory=Counter)
    """The number of requests sent so far, by program."""
    idle: dict[int, float] = field(default_factory=dict)
    """The CPU seconds that each worker had used before its first request, by process id."""

    def __post_init__(self) -> None:
        """Read the CPU seconds of the idle workers."""
        workers = (worker for server in self.servers.values() for worker in server.workers())
        self.idle |= {worker.pid: cpu_seconds(worker) for worker in workers}

    def warm_up(self, workloads: Sequence[Workload]) -> None:
        """Send load until caches and pools are full, before a run counts."""
        for workload in workloads:
            for variant in workload.variants:
                self._send(variant.name, workload, WARM_UP_CONNECTIONS, seconds=1)

    def measure(self, workloads: Sequence[Workload]) -> Iterator[Run]:
        """Yield each run as soon as it is over."""
        for turn in range(self.rounds):
            for workload in workloads:
                for connections in workload.connections:
                    names = [variant.name for variant in workload.variants]
                    start = turn % len(names)
                    for name in names[start:] + names[:start]:
                        yield self._quiet_run(name, workload, connections)

    def _quiet_run(self, name: str, workload: Workload, connections: int) -> Run:
        """Repeat a run until it is undisturbed, or return the least disturbed run."""
        runs = [self.run(name, workload, connections)]
        while runs[-1].disturbed and len(runs) < ATTEMPTS and self.repeats_left > 0:
            self.repeats_left -= 1
            runs.append(self.run(name, workload, connections))
        return min(runs, key=lambda run: run.foreign)

    def run(self, name: str, workload: Workload, connections: int) -> Run:
        """Send the load once, and read the CPU seconds before and after it."""
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
        """Return the requests of the least busy worker, estimated from its fraction of the CPU time."""
        spent = [cpu_seconds(worker) - self.idle[worker.pid] for worker in self.servers[name].workers()]
        return self.sent[name] * min(spent) / (sum(spent) or 1)


def _can(name: str, workload: Workload) -> bool:
    return any(variant.name == name for variant in workload.variants)
