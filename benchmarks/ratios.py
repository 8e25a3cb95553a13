"""Compare our CPU per request with that of other programs in one process: steady enough for a test, and without wrk."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import inside
from benchmarks.answers import EXAMPLE_ID
from benchmarks.goals import CpuBound
from benchmarks.variants import OURS, VARIANTS
from benchmarks.workloads import WORKLOADS

ROUNDS = 15


@dataclass(frozen=True, slots=True)
class Found:
    """One bound, and what was measured; costs in microseconds."""

    bound: CpuBound
    ratio: float
    ours: float
    base: float

    @property
    def sentence(self) -> str:
        """Say what was found and what is allowed."""
        return (
            f"{self.bound.workload}: our CPU is {self.ratio:.2f} of {self.bound.base}'s, and at most "
            f"{self.bound.at_most:.2f} is allowed ({self.ours:.0f} and {self.base:.0f} us a request)"
        )


def measure(bounds: Sequence[CpuBound], database_url: str, logs: Path, rounds: int = ROUNDS) -> list[Found]:
    """Measure all of them in one process, in turn."""
    pairs = json.dumps([_pair(bound) for bound in bounds])
    found = inside.measure("bench.ratios", str(rounds), pairs, database_url=database_url, logs=logs)
    return [Found(bound, **one) for bound, one in zip(bounds, found, strict=True)]


def _pair(bound: CpuBound) -> dict[str, str]:
    targets = {variant.name: variant.target for variant in VARIANTS}
    workload = next(workload for workload in WORKLOADS if workload.name == bound.workload)
    return {
        "ours": targets[OURS],
        "base": targets[bound.base],
        "method": workload.method,
        "target": workload.path.replace("{id}", str(EXAMPLE_ID)),
        "body": workload.body,
    }
