"""The deadline of the current request, after which the client gets 504; every wait in the request ends by then."""

import asyncio
from contextvars import ContextVar, Token
from dataclasses import dataclass, field

UNCONFIRMED = "A write may have happened: look before you repeat it, or repeat it with the same Idempotency-Key."
"""The advice in a 504 response when a COMMIT was sent, and the database did not confirm the COMMIT in time."""


@dataclass(slots=True)
class Pauses:
    """The total time, in seconds, for which a debugger has stopped this process. In production this stays 0."""

    seconds: float = 0.0
    _end: float = 0.0

    def add(self, begin: float, end: float) -> None:
        """Add a debugger pause that a loop monitor has measured; begin and end are times of the monotonic clock.

        If two loop monitors measure the same pause, the pause is counted once.
        """
        self.seconds += max(0.0, end - max(begin, self._end))
        self._end = end


pauses = Pauses()
"""The debugger pauses of this process. Every deadline moves later by the time for which a debugger has stopped the
process."""


@dataclass(slots=True)
class Expiry:
    """The deadline of one request, shared by all tasks of the request."""

    at: float | None
    """The deadline by the clock of the event loop. None after the response, as background tasks have no deadline."""
    commit_by: float = 0.0
    """The time, by the clock of the event loop, until which the request waits for the answer to a COMMIT, even past the
    deadline; 0 before the first COMMIT."""
    paused_before: float = field(default_factory=lambda: pauses.seconds)

    @property
    def moment(self) -> float | None:
        """The deadline plus the debugger pauses since the request began; None without a deadline."""
        return None if self.at is None else self.at + pauses.seconds - self.paused_before

    @property
    def last_moment(self) -> float | None:
        """The time at which the client gets 504: the deadline, or a later time while a COMMIT is awaited."""
        return None if self.moment is None else max(self.moment, self.commit_by)


_current: ContextVar[Expiry | None] = ContextVar("expiry", default=None)


def begin(expiry: Expiry | None) -> Token[Expiry | None]:
    """Set the deadline of the current task and of tasks started later; `end` restores the earlier deadline."""
    return _current.set(expiry)


def end(token: Token[Expiry | None]) -> None:
    """Restore the deadline that was set before the call of `begin` that returned this token."""
    _current.reset(token)


def expires_at() -> float | None:
    """Return the deadline of the current request by the clock of the event loop, None without a deadline."""
    expiry = _current.get()
    return None if expiry is None else expiry.moment


def await_commit(seconds: float) -> None:
    """Let the current request wait up to `seconds` for the answer to a COMMIT that is sent now, even past the deadline.

    If the deadline ended the request between the COMMIT and its answer, the client would get 504 for a write that
    happened. The price: a request may end later than its deadline, by at most the time that one COMMIT may take.
    """
    expiry = _current.get()
    if expiry is not None and expiry.moment is not None:
        expiry.commit_by = min(expiry.moment, asyncio.get_running_loop().time()) + seconds


def commit_answered() -> None:
    """Apply the deadline of the current request again, because the database has answered the COMMIT."""
    expiry = _current.get()
    if expiry is not None and expiry.commit_by:
        expiry.commit_by = asyncio.get_running_loop().time()


def seconds_left(at_most: float) -> float:
    """Return the seconds that a wait may take: `at_most`, or the shorter time until the deadline of the request."""
    moment = expires_at()
    if moment is None:
        return at_most
    return max(0.0, min(at_most, moment - asyncio.get_running_loop().time()))
