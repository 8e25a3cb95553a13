"""Turn runs into medians and ratios. Pure: runs in, numbers out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.growth import Growth
from benchmarks.measure import Memory, Run

VALUES: Mapping[str, Callable[[Run], float]] = {
    "rate": lambda run: run.load.rate,
    "p50": lambda run: run.load.p50,
    "p99": lambda run: run.load.p99,
    "p99.9": lambda run: run.load.p999,
    "cpu": lambda run: run.cpu,
}
"""What a run tells, by name."""


@dataclass(frozen=True, slots=True)
class Case:
    """A workload with a number of clients."""

    workload: str
    connections: int


@dataclass(frozen=True, slots=True)
class Times:
    """What was timed besides the load."""

    start: float
    """Seconds from the start of the interpreter to ready."""
    render: float
    """Seconds of the cookiecutter command."""
    waiting: Mapping[str, float]
    """How many times its length a wait takes when very many wait at once, by program."""


@dataclass(frozen=True, slots=True)
class Results:
    """All that was found in one sitting."""

    runs: Sequence[Run]
    statements: Mapping[tuple[str, str], int]
    """By workload and variant."""
    memory: Mapping[str, Memory]
    """After the load, by variant."""
    times: Times
    growth: Growth | None = None
    """Of our service; None when it was not asked for."""

    @property
    def cases(self) -> list[Case]:
        """What was measured, in its order."""
        return list(dict.fromkeys(Case(run.workload, run.connections) for run in self.runs))

    def variants(self, case: Case) -> list[str]:
        """Who took part, in the order of their names."""
        return sorted({run.variant for run in self._of(case)})

    def each(self, case: Case, variant: str, value: str) -> list[float]:
        """Return a value of every round."""
        return [VALUES[value](run) for run in self._of(case) if run.variant == variant]

    def middle(self, case: Case, variant: str, value: str) -> float:
        """Return the median of a value."""
        return median(self.each(case, variant, value))

    def ratio(self, case: Case, variant: str, base: str, value: str) -> float | None:
        """Return the median of the rounds' ratios: a machine that gets slower slows both sides of a round."""
        if not {variant, base} <= set(self.variants(case)):
            return None
        pairs = zip(self.each(case, variant, value), self.each(case, base, value), strict=True)
        return median(mine / other for mine, other in pairs)

    def _of(self, case: Case) -> list[Run]:
        return [run for run in self.runs if (run.workload, run.connections) == (case.workload, case.connections)]
