"""Ratios of the service's cost per request to a baseline's, measured in one process.

Such a ratio is stable enough for a test, and needs no load generator.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import in_process
from benchmarks.equal_answers import EXAMPLE_ID
from benchmarks.goals import CpuBound
from benchmarks.variants import SERVICE, VARIANTS
from benchmarks.workloads import WORKLOADS

ROUNDS = 15


@dataclass(frozen=True, slots=True)
class CpuRatio:
    """The measured ratio of the service's cost per request to a baseline's, and the allowed bound.

    Both costs are in the unit of the bound, such as CPU microseconds.
    """

    bound: CpuBound
    ratio: float
    service: float
    base: float

    @property
    def sentence(self) -> str:
        """The ratio and the bound as a sentence, for the message of a failed test."""
        return (
            f"{self.bound.workload}: the service's cost is {self.ratio:.2f} of {self.bound.base}'s, and at most "
            f"{self.bound.at_most:.2f} is allowed ({self.service:.0f} and {self.base:.0f} {self.bound.cost} a request)"
        )


def measure(bounds: Sequence[CpuBound], database_url: str, logs: Path, rounds: int = ROUNDS) -> list[CpuRatio]:
    """Measure the ratio for each bound: the service and the baseline of the bound take turns in one process."""
    pairs = json.dumps([_pair(bound) for bound in bounds])
    found = in_process.run("measurements.cpu_ratios", str(rounds), pairs, database_url=database_url, logs=logs)
    return [CpuRatio(bound, **costs) for bound, costs in zip(bounds, found, strict=True)]


def _pair(bound: CpuBound) -> dict[str, str]:
    targets = {variant.name: variant.target for variant in VARIANTS}
    workload = next(workload for workload in WORKLOADS if workload.name == bound.workload)
    return {
        "service": targets[SERVICE],
        "base": targets[bound.base],
        "method": workload.method,
        "target": workload.path.replace("{id}", str(EXAMPLE_ID)),
        "body": workload.body,
        "cost": bound.cost,
    }
