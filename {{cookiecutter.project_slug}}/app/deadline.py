"""The moment at which the request being served has to be answered. Whatever waits, waits for what is left at most."""

import asyncio
from contextvars import ContextVar

expires_at: ContextVar[float | None] = ContextVar("expires_at", default=None)
"""In the time of the event loop's clock; None without a deadline. Set by `middleware/deadline.py`."""


def seconds_left(at_most: float) -> float:
    """Return the seconds that a wait may take: its own limit, or what the request has left, whichever is shorter."""
    moment = expires_at.get()
    if moment is None:
        return at_most
    return max(0.0, min(at_most, moment - asyncio.get_running_loop().time()))
