"""A circuit breaker: when too large a share of the calls fails, there are none for a while, and then a few to see.

    CLOSED     calls pass; their outcomes of the last seconds are counted
      |        a share of failures, among enough calls ------------> OPEN
    OPEN       calls are refused at once
      |        its time is over -----------------------------------> HALF_OPEN
    HALF_OPEN  so many probes pass at once, the rest is refused
      |        as many of them succeed in a row -------------------> CLOSED, with nothing counted
      `        one fails ------------------------------------------> OPEN

It opens on a share over a window and not on a number in a row: at a thousand calls a second five failures in a row are
nothing, and every second call that fails is an outage.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from time import monotonic


class State(Enum):
    """Whether calls pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Limits:
    """When a breaker opens, and how it closes."""

    share: float
    """Of failures among the calls of the window, from which on it opens."""
    calls: int
    """In the window, below which it never opens."""
    window_seconds: float
    """How far back outcomes count."""
    open_seconds: float
    """How long no call passes."""
    probes: int = 1
    """Calls at once while it is half open, and successes in a row that close it."""


class Breaker:
    """Decides about calls from the outcomes of those before. Each `enter` that passes is followed by one verdict."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = monotonic) -> None:
        """Start closed.

        Args:
            limits: when it opens, and how it closes.
            clock: seconds that never go back.
        """
        self.limits = limits
        self.refused = 0
        self._clock = clock
        self._seconds: deque[list[float]] = deque()  # [begin, calls, failures] of one second each
        self._opened_at: float | None = None
        self._era = 0  # begins anew whenever it opens or closes
        self._probing = 0
        self._succeeded = 0

    @property
    def state(self) -> State:
        """The state at this moment."""
        if self._opened_at is None:
            return State.CLOSED
        return State.OPEN if self.seconds_to_probe() > 0 else State.HALF_OPEN

    def seconds_to_probe(self) -> float:
        """Return how long it stays open; 0 when it is not."""
        return 0.0 if self._opened_at is None else max(0.0, self._opened_at + self.limits.open_seconds - self._clock())

    def enter(self) -> int | None:
        """Return a ticket for the verdict when a call may be made, else None."""
        state = self.state
        passes = state is State.CLOSED or (state is State.HALF_OPEN and self._probing < self.limits.probes)
        if not passes:
            self.refused += 1
            return None
        if state is State.HALF_OPEN:
            self._probing += 1
        return self._era

    def succeeded(self, ticket: int) -> None:
        """Count a call that was answered."""
        if ticket != self._era:
            return  # from before it opened or closed: it says nothing about now
        if self._opened_at is None:
            self._count(failed=False)
            return
        self._probing -= 1
        self._succeeded += 1
        if self._succeeded >= self.limits.probes:
            self._close()

    def failed(self, ticket: int) -> None:
        """Count a call that was not answered as it should be."""
        if ticket != self._era:
            return
        if self._opened_at is None:
            self._count(failed=True)
            if not self._too_many_failed():
                return
        self._open()

    def left(self, ticket: int) -> None:
        """Count nothing: the call ended for a reason of ours."""
        if ticket == self._era and self._opened_at is not None:
            self._probing -= 1

    def _open(self) -> None:
        self._opened_at = self._clock()
        self._begin_era()

    def _close(self) -> None:
        self._opened_at = None
        self._seconds.clear()
        self._begin_era()

    def _begin_era(self) -> None:
        self._era += 1
        self._probing = self._succeeded = 0

    def _count(self, *, failed: bool) -> None:
        now = self._clock()
        if not self._seconds or now - self._seconds[-1][0] >= 1:
            self._seconds.append([now, 0, 0])
        self._seconds[-1][1] += 1
        self._seconds[-1][2] += failed
        while now - self._seconds[0][0] > self.limits.window_seconds:
            self._seconds.popleft()

    def _too_many_failed(self) -> bool:
        calls = sum(second[1] for second in self._seconds)
        return calls >= self.limits.calls and sum(second[2] for second in self._seconds) >= self.limits.share * calls
