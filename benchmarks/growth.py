"""Tell growth from noise: a line through memory over requests. Pure: points in, numbers out."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, linear_regression

PER_REQUESTS = 100_000


@dataclass(frozen=True, slots=True)
class Growth:
    """The memory of all workers together after so and so many requests."""

    points: Sequence[tuple[int, float]]
    """Every reading: requests so far, resident megabytes."""

    settled_after: int
    """Caches fill during the first requests; what they take is no growth."""

    @property
    def settled(self) -> list[tuple[int, float]]:
        """Return the readings that the line goes through."""
        return [point for point in self.points if point[0] >= self.settled_after]

    def first(self, sent: int) -> tuple[int, float]:
        """Return the first reading after so many requests, or the last one of all."""
        return next((point for point in self.points if point[0] >= sent), self.points[-1])

    @property
    def slope(self) -> float:
        """Return the megabytes for each 100,000 requests."""
        return self._line()[0] * PER_REQUESTS

    @property
    def error(self) -> float:
        """Return the standard error of the slope, as if each reading were independent."""
        sent = [point[0] for point in self.settled]
        middle = fmean(sent)
        return self.spread / sqrt(sum((one - middle) ** 2 for one in sent)) * PER_REQUESTS

    @property
    def spread(self) -> float:
        """Return how far the readings are from the line, in megabytes (their standard deviation)."""
        misses = [size - self.at(sent) for sent, size in self.settled]
        return sqrt(sum(miss**2 for miss in misses) / (len(misses) - 2))

    def at(self, sent: float) -> float:
        """Return the megabytes that the line says."""
        slope, intercept = self._line()
        return intercept + slope * sent

    def _line(self) -> tuple[float, float]:
        line = linear_regression(*zip(*self.settled, strict=True))
        return line.slope, line.intercept
