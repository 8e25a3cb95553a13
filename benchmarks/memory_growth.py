"""Growth of memory, told from noise by a regression line over requests. Pure: points in, numbers out."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, linear_regression

PER_REQUESTS = 100_000


@dataclass(frozen=True, slots=True)
class MemoryGrowth:
    """Memory of all workers together over the number of requests."""

    points: Sequence[tuple[int, float]]
    """All readings: requests so far, resident megabytes."""

    settled_after: int
    """Requests during which caches fill; memory that they take is no growth."""

    @property
    def settled(self) -> list[tuple[int, float]]:
        """Readings after the caches are full, which the regression line goes through."""
        return [point for point in self.points if point[0] >= self.settled_after]

    def first(self, sent: int) -> tuple[int, float]:
        """Return the first reading after so many requests, or the last reading of all."""
        return next((point for point in self.points if point[0] >= sent), self.points[-1])

    @property
    def slope(self) -> float:
        """Megabytes for each 100,000 requests."""
        return self._line()[0] * PER_REQUESTS

    @property
    def error(self) -> float:
        """Standard error of the slope, as if each reading were independent."""
        sent = [point[0] for point in self.settled]
        mean = fmean(sent)
        return self.spread / sqrt(sum((requests - mean) ** 2 for requests in sent)) * PER_REQUESTS

    @property
    def spread(self) -> float:
        """Standard deviation of the readings from the line, in megabytes."""
        residuals = [size - self.at(sent) for sent, size in self.settled]
        return sqrt(sum(residual**2 for residual in residuals) / (len(residuals) - 2))

    def at(self, sent: float) -> float:
        """Return the megabytes of the line after so many requests."""
        slope, intercept = self._line()
        return intercept + slope * sent

    def _line(self) -> tuple[float, float]:
        line = linear_regression(*zip(*self.settled, strict=True))
        return line.slope, line.intercept
