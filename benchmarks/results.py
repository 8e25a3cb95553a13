"""Medians and ratios of figures that load runs have measured; the functions only compute."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.cold_starts import ColdStarts
from benchmarks.load_rounds import Memory, Run
from benchmarks.memory_growth import MemoryGrowth
from benchmarks.startup_time import Starts
from benchmarks.variants import VARIANTS

VALUES: Mapping[str, Callable[[Run], float]] = {
    "rate": lambda run: run.load.rate,
    "p50": lambda run: run.load.p50,
    "p99": lambda run: run.load.p99,
    "p99.9": lambda run: run.load.p999,
    "cpu": lambda run: run.cpu,
}
"""The figures of a load run, by name, each with the function that returns the figure."""


@dataclass(frozen=True, slots=True)
class Case:
    """A case of the comparison: a workload sent by a number of concurrent clients."""

    workload: str
    connections: int


@dataclass(frozen=True, slots=True)
class Times:
    """Times that are measured without load: start-up, rendering, and requests that only wait."""

    start: Starts
    """The seconds from the interpreter's start until the service is ready."""
    render: float
    """The seconds of the cookiecutter command."""
    waiting: Mapping[str, float]
    """By program, the time until a hundred concurrent waits have ended, as a multiple of a single wait."""


@dataclass(frozen=True, slots=True)
class Results:
    """All measured figures of a comparison."""

    runs: Sequence[Run]
    statements: Mapping[tuple[str, str], int]
    """The number of SQL statements of a request, by workload and program."""
    memory: Mapping[str, Memory]
    """The memory of each compared program after load."""
    times: Times
    cold: ColdStarts
    growth: MemoryGrowth | None = None
    """The growth of the service's memory, or None when the soak test was skipped."""

    @property
    def cases(self) -> list[Case]:
        """The measured cases (a workload with a number of clients), in the order of their runs."""
        return list(dict.fromkeys(Case(run.workload, run.connections) for run in self.runs))

    def variants(self, case: Case) -> list[str]:
        """Return the programs that were measured in a case, in the order of the table of programs."""
        names = {run.variant for run in self._of(case)}
        return [variant.name for variant in VARIANTS if variant.name in names]

    def each(self, case: Case, variant: str, value: str) -> list[float]:
        """Return a figure of a program in a case, for every round."""
        return [VALUES[value](run) for run in self._of(case) if run.variant == variant]

    def middle(self, case: Case, variant: str, value: str) -> float:
        """Return the median of a figure over all rounds."""
        return median(self.each(case, variant, value))

    def ratio(self, case: Case, variant: str, base: str, value: str) -> float | None:
        """Return the median of the ratios within each round: a slow machine slows both sides of a round."""
        if not {variant, base} <= set(self.variants(case)):
            return None
        pairs = zip(self.each(case, variant, value), self.each(case, base, value), strict=True)
        return median(mine / other for mine, other in pairs)

    def _of(self, case: Case) -> list[Run]:
        return [run for run in self.runs if (run.workload, run.connections) == (case.workload, case.connections)]
