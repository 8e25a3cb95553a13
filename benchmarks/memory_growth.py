"""Growth of a service's memory, separated from noise by a regression line over the number of requests.

The functions only compute, from readings that were taken elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, linear_regression

PER_REQUESTS = 100_000


@dataclass(frozen=True, slots=True)
class MemoryGrowth:
    """Readings of the memory of all workers together, each with the number of requests until then."""

    points: Sequence[tuple[int, float]]
    """All readings: the number of requests so far, and the resident memory in megabytes."""

    settled_after: int
    """The number of requests during which caches fill; memory that they take is not counted as growth."""

    @property
    def settled(self) -> list[tuple[int, float]]:
        """The readings after the caches are full, through which the regression line goes."""
        return [point for point in self.points if point[0] >= self.settled_after]

    def first(self, sent: int) -> tuple[int, float]:
        """Return the first reading of the memory after `sent` requests, or the last reading if all are earlier."""
        return next((point for point in self.points if point[0] >= sent), self.points[-1])

    @property
    def slope(self) -> float:
        """The growth of the memory in megabytes per 100,000 requests: the slope of the regression line."""
        return self._line()[0] * PER_REQUESTS

    @property
    def error(self) -> float:
        """The standard error of the growth, in megabytes per 100,000 requests, as if the readings were independent."""
        sent = [point[0] for point in self.settled]
        mean = fmean(sent)
        return self.spread / sqrt(sum((requests - mean) ** 2 for requests in sent)) * PER_REQUESTS

    @property
    def spread(self) -> float:
        """The standard deviation of the memory readings from the regression line, in megabytes."""
        residuals = [size - self.at(sent) for sent, size in self.settled]
        return sqrt(sum(residual**2 for residual in residuals) / (len(residuals) - 2))

    def at(self, sent: float) -> float:
        """Return the regression line's value after `sent` requests, in megabytes."""
        slope, intercept = self._line()
        return intercept + slope * sent

    def _line(self) -> tuple[float, float]:
        line = linear_regression(*zip(*self.settled, strict=True))
        return line.slope, line.intercept
