"""The moment at which the request being served has to be answered. Whatever waits, waits for what is left at most."""

import asyncio
from contextvars import ContextVar, Token
from dataclasses import dataclass


@dataclass(slots=True)
class Expiry:
    """When a request is over; None once it is answered, for what goes on in the background."""

    at: float | None
    """In the time of the event loop's clock."""


_current: ContextVar[Expiry | None] = ContextVar("expiry", default=None)


def begin(expiry: Expiry | None) -> Token[Expiry | None]:
    """Set the deadline of this context and of the tasks that it will start; `end` takes it back."""
    return _current.set(expiry)


def end(token: Token[Expiry | None]) -> None:
    """Take it back."""
    _current.reset(token)


def expires_at() -> float | None:
    """Return the moment, None without a deadline."""
    expiry = _current.get()
    return None if expiry is None else expiry.at


def seconds_left(at_most: float) -> float:
    """Return the seconds that a wait may take: its own limit, or what the request has left, whichever is shorter."""
    moment = expires_at()
    if moment is None:
        return at_most
    return max(0.0, min(at_most, moment - asyncio.get_running_loop().time()))
