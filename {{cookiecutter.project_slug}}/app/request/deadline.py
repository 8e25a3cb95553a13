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
        """Add the begin and the end of a pause that a loop monitor has measured.

        Of two monitors that measure the same pause, only the first adds time.
        """
        self.seconds += max(0.0, end - max(begin, self._end))
        self._end = end


pauses = Pauses()
"""The pauses of this process. Every deadline moves by the time for which a person has stopped the process in a
debugger."""


@dataclass(slots=True)
class Expiry:
    """The deadline of one request, shared by all tasks of the request."""

    at: float | None
    """The deadline, as a time of the event loop's clock. None after the response: background tasks have no deadline."""
    commit_by: float = 0.0
    """Until this time the request waits for the answer to a COMMIT, even past the deadline; 0 before the first
    COMMIT."""
    paused_before: float = field(default_factory=lambda: pauses.seconds)

    @property
    def moment(self) -> float | None:
        """The deadline, later by the pauses in a debugger since the request began; None without a deadline."""
        return None if self.at is None else self.at + pauses.seconds - self.paused_before

    @property
    def last_moment(self) -> float | None:
        """The time at which the client gets 504: the deadline, or later while the answer to a COMMIT is awaited."""
        return None if self.moment is None else max(self.moment, self.commit_by)


_current: ContextVar[Expiry | None] = ContextVar("expiry", default=None)


def begin(expiry: Expiry | None) -> Token[Expiry | None]:
    """Set the deadline of this context and of tasks started in this context; `end` restores the previous deadline."""
    return _current.set(expiry)


def end(token: Token[Expiry | None]) -> None:
    """Undo the `begin` that returned this token: the deadline that was set before holds again."""
    _current.reset(token)


def expires_at() -> float | None:
    """Return the deadline of the current request by the clock of the event loop, None without a deadline."""
    expiry = _current.get()
    return None if expiry is None else expiry.moment


def await_commit(seconds: float) -> None:
    """Let the current request wait for the answer to a COMMIT that is sent now, even past the deadline.

    If the deadline ended the request between the COMMIT and its answer, the client would get 504 for a write that
    happened. The price: a request may end later than its deadline, by at most the time that one COMMIT may take.
    """
    expiry = _current.get()
    if expiry is not None and expiry.moment is not None:
        expiry.commit_by = min(expiry.moment, asyncio.get_running_loop().time()) + seconds


def commit_answered() -> None:
    """Apply the deadline of the current request again, as the database has answered the COMMIT."""
    expiry = _current.get()
    if expiry is not None and expiry.commit_by:
        expiry.commit_by = asyncio.get_running_loop().time()


def seconds_left(at_most: float) -> float:
    """Return the seconds that a wait may take: `at_most`, or the shorter time until the deadline of the request."""
    moment = expires_at()
    if moment is None:
        return at_most
    return max(0.0, min(at_most, moment - asyncio.get_running_loop().time()))
