"""The current request's slot in the bulkhead of its route group, and its quota of database connections.

Each route group has a quota of the pool's connections, and so has all work without a route group, such as background
tasks. Even if two groups hang entirely, each other group keeps the connections that `limits/quotas.py`
guarantees.

A thread cannot be stopped, and a killed process needs time to end. Without a record of the slot a request that is cut
off at its deadline would free its slot while the thread works on, and a client that asks for short deadlines could
start more threads than the bound of the route group allows, each with the memory of its work.
"""

from asyncio import Task
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any


class Slot:
    """A slot in a bulkhead, held by the request and by each offloaded call of the request."""

    def __init__(self, leave: Callable[[], None]) -> None:
        """Count one holder, the request; `leave` leaves the bulkhead after the last holder."""
        self._leave = leave
        self._holders = 1

    def keep_until_done(self, call: Task[Any]) -> None:
        """Keep the slot until a call has ended; a call that begins after the response finds the slot given up."""
        if self._holders:
            self._holders += 1
            call.add_done_callback(lambda _call: self.release())

    def release(self) -> None:
        """End one hold; the last end leaves the bulkhead."""
        self._holders -= 1
        if not self._holders:
            self._leave()


slot: ContextVar[Slot | None] = ContextVar("slot", default=None)
"""The slot of the current request, set by `web/admission.py`; None for work outside of a request."""

BACKGROUND = "background"
"""The connection quota of all work without a route group: background tasks, cached loads, WebSockets."""

connection_quota: ContextVar[str] = ContextVar("connection_quota", default=BACKGROUND)
"""The name under which the pool counts the database connections of the work that runs: that of the route group of a
request, set by `web/admission.py`."""
