"""The current request's slot in the bulkhead of the route group, and the quota of database connections.

A request may leave work behind when it ends at its deadline: a thread cannot be stopped, and a killed process needs
time to end. If the deadline freed the slot at once, clients that ask for short deadlines could start more threads than
the bound of the route group allows, each with the memory of its work. So the slot stays taken until this work ends.

Each route group has a quota of the pool's connections, and so has all work without a route group, such as background
tasks. Even if two groups hang entirely, each other group keeps the connections that `limits/quotas.py` guarantees.
"""

from asyncio import Task
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any


class Slot:
    """A slot in a bulkhead, held by a request and by each call that the request offloads to a thread or process."""

    def __init__(self, leave: Callable[[], None]) -> None:
        """Create a slot that the request holds; `leave` is called after the request and all offloaded calls."""
        self._leave = leave
        self._holders = 1

    def keep_until_done(self, call: Task[Any]) -> None:
        """Let an offloaded call hold the slot until the call ends; do nothing if the slot has been released already."""
        if self._holders:
            self._holders += 1
            call.add_done_callback(lambda _call: self.release())

    def release(self) -> None:
        """End the hold of the request, or of an offloaded call, on the slot; the last release leaves the bulkhead."""
        self._holders -= 1
        if not self._holders:
            self._leave()


slot: ContextVar[Slot | None] = ContextVar("slot", default=None)
"""The slot of the current request, set by `web/admission.py`; None for work outside of a request."""

BACKGROUND = "background"
"""The name of the connection quota for all work without a route group: background tasks, cached loads, WebSockets."""

connection_quota: ContextVar[str] = ContextVar("connection_quota", default=BACKGROUND)
"""The name of the connection quota that the current work uses: in a request, the name of the route group, set by
`web/admission.py`."""
