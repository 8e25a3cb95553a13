"""The deadline of the request that is being served. A wait takes at most the time that the deadline leaves."""

import asyncio
from contextvars import ContextVar, Token
from dataclasses import dataclass, field

UNCONFIRMED = "A write may have happened: look before you repeat it, or repeat it with the same Idempotency-Key."
"""The advice of a 504 to a request whose COMMIT was sent and not answered."""


@dataclass(slots=True)
class Pauses:
    """The seconds for which a debugger has stopped the event loop. Only development's loop monitor adds any."""

    seconds: float = 0.0
    _end: float = 0.0

    def add(self, begin: float, end: float) -> None:
        """Add a pause, and count the pause once when two monitors saw it."""
        self.seconds += max(0.0, end - max(begin, self._end))
        self._end = end


pauses = Pauses()
"""The pauses of this process: a deadline waits for a person who reads and types in a debugger."""


@dataclass(slots=True)
class Expiry:
    """The deadline of one request, shared by all tasks of the request."""

    at: float | None
    """The deadline by the clock of the event loop; None after the response, for background tasks."""
    commit_by: float = 0.0
    """The time until which the answer to a COMMIT is awaited, also past the deadline; 0 before the first COMMIT."""
    paused_before: float = field(default_factory=lambda: pauses.seconds)

    @property
    def moment(self) -> float | None:
        """The deadline, moved by the pauses since the request began."""
        return None if self.at is None else self.at + pauses.seconds - self.paused_before

    @property
    def last_moment(self) -> float | None:
        """The moment of the 504: the deadline, or later when the answer to a COMMIT is awaited."""
        return None if self.moment is None else max(self.moment, self.commit_by)


_current: ContextVar[Expiry | None] = ContextVar("expiry", default=None)


def begin(expiry: Expiry | None) -> Token[Expiry | None]:
    """Set the deadline of this context and of tasks started in this context; `end` restores the previous deadline."""
    return _current.set(expiry)


def end(token: Token[Expiry | None]) -> None:
    """Restore the deadline from before the `begin` that returned this token."""
    _current.reset(token)


def expires_at() -> float | None:
    """Return the deadline of the current request by the clock of the event loop, None without a deadline."""
    expiry = _current.get()
    return None if expiry is None else expiry.moment


def await_commit(seconds: float) -> None:
    """Let the current request wait for the answer to a COMMIT that is sent now, also past the deadline.

    A deadline that strikes between COMMIT and its answer would tell the client 504 for a write that happened. The
    price: a request may end so many seconds after its deadline as the answer to one COMMIT may take.
    """
    expiry = _current.get()
    if expiry is not None and expiry.moment is not None:
        expiry.commit_by = min(expiry.moment, asyncio.get_running_loop().time()) + seconds


def commit_answered() -> None:
    """Let the deadline of the current request hold again, as the answer to the COMMIT has come."""
    expiry = _current.get()
    if expiry is not None and expiry.commit_by:
        expiry.commit_by = asyncio.get_running_loop().time()


def seconds_left(at_most: float) -> float:
    """Return the seconds that a wait may take: `at_most`, or the shorter time until the deadline of the request."""
    moment = expires_at()
    if moment is None:
        return at_most
    return max(0.0, min(at_most, moment - asyncio.get_running_loop().time()))
