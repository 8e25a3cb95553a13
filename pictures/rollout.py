"""A simulation of rolling updates: pods of the old and the new version, and those that terminate, over time.

It follows the controller of a Deployment with maxUnavailable 0, and is about numbers only: each pod starts and ends in
a fixed time, and nothing fails.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

STEP_SECONDS = 0.5
"""The distance of two moments of a simulation."""


@dataclass(frozen=True)
class Update:
    """A rolling update of a Deployment."""

    replicas: int
    surge_percent: int = 25
    """maxSurge: pods beyond the replicas, among which Kubernetes does not count pods that terminate."""
    start_seconds: float = 8.0
    """From the creation of a pod until it counts: its start, and minReadySeconds."""
    end_seconds: float = 30.0
    """From SIGTERM to the end of a pod; at most the grace period."""


@dataclass(frozen=True)
class Moment:
    """The pods at one moment of an update, each of which may hold connections."""

    seconds: float
    old: int
    new: int
    terminating: int

    @property
    def pods(self) -> int:
        """All pods of this moment."""
        return self.old + self.new + self.terminating


def moments(update: Update) -> Iterator[Moment]:
    """Yield the moments of an update, from its begin until its last old pod has ended."""
    surge = math.ceil(update.replicas * update.surge_percent / 100)
    old, starts, ends, now = update.replicas, list[float](), list[float](), 0.0
    while True:
        ends = [end for end in ends if end > now]
        ready = sum(start <= now for start in starts)
        removed = min(old, max(0, old + ready - update.replicas))
        old -= removed
        ends += [now + update.end_seconds] * removed
        created = min(update.replicas - len(starts), update.replicas + surge - old - len(starts))
        starts += [now + update.start_seconds] * created
        yield Moment(now, old, len(starts), len(ends))
        if ready == update.replicas and not ends:
            return
        now += STEP_SECONDS


def peak(update: Update) -> int:
    """Return the most pods at one moment of an update."""
    return max(moment.pods for moment in moments(update))
