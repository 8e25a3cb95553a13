"""Circuit breaker: refuses all calls to a downstream for a while after too many calls failed, then lets probes pass.

    CLOSED     calls pass; successes and failures of the last `window_seconds` are counted
      |        enough calls in the window, and too many of them failed --> OPEN
    OPEN       every call is refused at once
      |        `open_seconds` have passed -------------------------> HALF_OPEN
    HALF_OPEN  only `probes` calls pass; all further calls are refused
      |        `probes` calls have succeeded ----------------------> CLOSED, with an empty window
      `        one of the probes fails ----------------------------> OPEN

The breaker opens on the ratio of failed calls over a window, and not on consecutive failures: at a thousand calls a
second five failures in a row mean nothing, and a downstream that fails every second call is an outage.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum
from time import monotonic

from app.settings.bounds import Thresholds


class State(Enum):
    """The state of a circuit breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """The circuit breaker of one downstream.

    A call gets a ticket from `enter`, and reports the outcome with that ticket to `succeeded` or to `failed`. A call
    that was cancelled reports to `left`.
    """

    def __init__(self, thresholds: Thresholds, clock: Callable[[], float] = monotonic) -> None:
        """Build a closed circuit breaker, which lets all calls pass.

        Args:
            thresholds: when the breaker opens, and how it closes.
            clock: returns monotonic seconds; tests pass a fake clock.
        """
        self.thresholds = thresholds
        self.refused = 0
        self._clock = clock
        # For each second of the window: the start, the number of calls, and the number of failures.
        self._seconds: deque[list[float]] = deque()
        self._opened_at: float | None = None
        self.transitions = 0
        """The number of changes of state of the circuit breaker, which a call gets as its ticket. The outcome of a call
        with an older ticket is ignored."""
        self._probing = 0
        self._succeeded = 0

    @property
    def state(self) -> State:
        """The current state of the circuit breaker."""
        if self._opened_at is None:
            return State.CLOSED
        return State.OPEN if self.seconds_to_probe() > 0 else State.HALF_OPEN

    def seconds_to_probe(self) -> float:
        """Return the seconds until the open circuit breaker lets a probe pass; 0 in any other state."""
        opened_at = self._opened_at
        return 0.0 if opened_at is None else max(0.0, opened_at + self.thresholds.open_seconds - self._clock())

    def enter(self) -> int | None:
        """Let a call pass and return a ticket, with which the call reports the outcome; None refuses the call."""
        state = self.state
        passes = state is State.CLOSED or (state is State.HALF_OPEN and self._probing < self.thresholds.probes)
        if not passes:
            self.refused += 1
            return None
        if state is State.HALF_OPEN:
            self._probing += 1
        return self.transitions

    def succeeded(self, ticket: int) -> None:
        """Count a call that succeeded; after enough successful probes, close the circuit breaker."""
        if ticket != self.transitions:
            return  # the circuit breaker has changed its state since this call began: the outcome is outdated
        if self._opened_at is None:
            self._count(failed=False)
            return
        self._probing -= 1
        self._succeeded += 1
        if self._succeeded >= self.thresholds.probes:
            self._close()

    def failed(self, ticket: int) -> None:
        """Count a call that failed; open the circuit breaker if too many calls failed, or if this call was a probe."""
        if ticket != self.transitions:
            return
        if self._opened_at is None:
            self._count(failed=True)
            if not self._too_many_failed():
                return
        self._open()

    def left(self, ticket: int) -> None:
        """End a call without counting the outcome, which the downstream did not cause: the client left, for example."""
        if ticket == self.transitions and self._opened_at is not None:
            self._probing -= 1

    def _open(self) -> None:
        self._opened_at = self._clock()
        self._begin_anew()

    def _close(self) -> None:
        self._opened_at = None
        self._seconds.clear()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.transitions += 1
        self._probing = self._succeeded = 0

    def _count(self, *, failed: bool) -> None:
        now = self._clock()
        if not self._seconds or now - self._seconds[-1][0] >= 1:
            self._seconds.append([now, 0, 0])
        self._seconds[-1][1] += 1
        self._seconds[-1][2] += failed
        while now - self._seconds[0][0] > self.thresholds.window_seconds:
            self._seconds.popleft()

    def _too_many_failed(self) -> bool:
        calls = sum(second[1] for second in self._seconds)
        failures = sum(second[2] for second in self._seconds)
        return calls >= self.thresholds.min_calls and failures >= self.thresholds.failure_ratio * calls
