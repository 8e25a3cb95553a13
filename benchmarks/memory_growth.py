"""Growth of memory, separated from noise by a regression line over requests. Pure functions on points."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, linear_regression

PER_REQUESTS = 100_000


@dataclass(frozen=True, slots=True)
class MemoryGrowth:
    """The memory of all workers together, over the number of requests."""

    points: Sequence[tuple[int, float]]
    """All readings: the number of requests so far, and the resident megabytes."""

    settled_after: int
    """The number of requests during which caches fill; memory that they take is not counted as growth."""

    @property
    def settled(self) -> list[tuple[int, float]]:
        """The readings after the caches are full, through which the regression line goes."""
        return [point for point in self.points if point[0] >= self.settled_after]

    def first(self, sent: int) -> tuple[int, float]:
        """Return the first reading after `sent` requests, or the last reading of all."""
        return next((point for point in self.points if point[0] >= sent), self.points[-1])

    @property
    def slope(self) -> float:
        """The growth in megabytes per 100,000 requests."""
        return self._line()[0] * PER_REQUESTS

    @property
    def error(self) -> float:
        """The standard error of the slope, as if readings were independent."""
        sent = [point[0] for point in self.settled]
        mean = fmean(sent)
        return self.spread / sqrt(sum((requests - mean) ** 2 for requests in sent)) * PER_REQUESTS

    @property
    def spread(self) -> float:
        """The standard deviation of the readings from the line, in megabytes."""
        residuals = [size - self.at(sent) for sent, size in self.settled]
        return sqrt(sum(residual**2 for residual in residuals) / (len(residuals) - 2))

    def at(self, sent: float) -> float:
        """Return the line's megabytes after `sent` requests."""
        slope, intercept = self._line()
        return intercept + slope * sent

    def _line(self) -> tuple[float, float]:
        line = linear_regression(*zip(*self.settled, strict=True))
        return line.slope, line.intercept
