"""How far a mean can be trusted. Work for another process, which imports this file: it stays as small as that."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

CENT = Decimal("0.01")

RESAMPLES, CUT = 1000, 25
"""The bootstrap's interval of percentiles. Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), ask for a
thousand resamples or so; without the 25 lowest and the 25 highest means, the others are 95 %."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean of so many values, and between what it lies with a confidence of 95 %."""

    size: int
    mean: Decimal
    low: Decimal
    high: Decimal


def estimate(values: Sequence[Decimal]) -> Estimate:
    """Return the mean of at least one value, to the cent. The seed is fixed: the same values have the same interval."""
    size, chance = len(values), random.Random(0)  # noqa: S311 - no secret is drawn
    means = sorted(_mean(chance.choices(values, k=size)) for _ in range(RESAMPLES))
    return Estimate(size, _mean(values), low=means[CUT], high=means[-CUT - 1])


def _mean(values: Sequence[Decimal]) -> Decimal:
    return (sum(values, start=Decimal(0)) / len(values)).quantize(CENT)
