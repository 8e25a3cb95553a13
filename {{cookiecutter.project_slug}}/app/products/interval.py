"""The confidence interval of a mean price, computed in a worker process.

The module has few imports: every worker process imports it at the start.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

CENT = Decimal("0.01")

RESAMPLES, CUT = 1000, 25
"""The number of bootstrap resamples, and how many of the sorted means are cut at each end, so that 95 % remain. Efron
and Tibshirani, "An Introduction to the Bootstrap" (1993), ask for about a thousand resamples."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean of `size` values, with the bounds of the 95 % confidence interval."""

    size: int
    mean: Decimal
    low: Decimal
    high: Decimal


def estimate(values: Sequence[Decimal]) -> Estimate:
    """Return the mean and the 95 % interval of a non-empty sample; a fixed random seed makes the result repeatable."""
    size, chance = len(values), random.Random(0)  # noqa: S311 - random choices for statistics are no secret
    means = sorted(_mean(chance.choices(values, k=size)) for _ in range(RESAMPLES))
    return Estimate(size, _mean(values), low=means[CUT], high=means[-CUT - 1])


def _mean(values: Sequence[Decimal]) -> Decimal:
    return (sum(values, start=Decimal(0)) / len(values)).quantize(CENT)
