"""A simulation of rolling updates: the number of old, new and terminating pods over time.

It follows the controller of a Deployment with maxUnavailable 0, and is about numbers only: each pod starts and ends in
a fixed time, and nothing fails.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

STEP_SECONDS = 0.5
"""The seconds between two moments of a simulation."""


@dataclass(frozen=True)
class Update:
    """A rolling update of a Kubernetes Deployment: how many pods, and how long a pod takes to start and to end."""

    replicas: int
    surge_percent: int = 25
    """maxSurge: the most pods beyond the replicas; Kubernetes does not count pods that terminate."""
    start_seconds: float = 8.0
    """The seconds from the creation of a pod until the pod counts as available: the start, and minReadySeconds."""
    end_seconds: float = 30.0
    """The seconds from SIGTERM to the end of a pod; at most the grace period."""


@dataclass(frozen=True)
class Moment:
    """The number of pods at a moment of a rolling update; each pod, also when terminating, may hold connections."""

    seconds: float
    old: int
    new: int
    terminating: int

    @property
    def pods(self) -> int:
        """All pods of this moment: old, new and terminating."""
        return self.old + self.new + self.terminating


def moments(update: Update) -> Iterator[Moment]:
    """Yield the moments of a rolling update, from the first new pod until the last old pod has ended."""
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
    """Return the largest number of pods at any moment of a rolling update."""
    return max(moment.pods for moment in moments(update))
