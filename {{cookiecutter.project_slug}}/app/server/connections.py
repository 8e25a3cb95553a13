"""The limit on a worker's client connections: at the limit, the longest idle connection is closed for a new connection.

Without this limit, a worker whose open files are used up would accept each connection and close it without a response,
even those of health probes, and log nothing.
"""

import asyncio
import select
from collections.abc import Callable
from itertools import islice
from math import inf
from time import monotonic
from typing import Literal

import structlog

FULL_SECONDS = 0.25
"""How long, in seconds, new connections stay in the kernel's queue while the worker is at the limit of connections and
has no idle connection. Then connections are accepted beyond the limit, as spare connections (see SPARE)."""

SPARE = 16
"""The number of connections that a worker may accept beyond the limit: each gets a 503 response, or the response to a
health probe."""

FIRST_REQUEST_SECONDS = 2.0
"""How long, in seconds, a new connection may wait for the first request before the connection counts as idle."""

EXAMINED = 16
"""The most waiting connections that are examined in search of an idle connection to close, the longest waiting first.
The number bounds the time of the search."""

LOG_SECONDS = 10.0
"""The shortest time, in seconds, between two log lines about the limit of connections: a flood of connections must not
flood the log."""

Admission = Literal["served", "spare", "later"]
"""The decision about a new connection: serve, accept beyond the limit as a spare, or leave in the kernel's queue."""

log = structlog.get_logger("connections")


class Connections:
    """The client connections of a worker that wait for a request, in the order in which the waits began."""

    def __init__(self, limit: int, publish: Callable[[], None] = lambda: None) -> None:
        """Begin without connections; the hook `publish` tells the other workers that a connection has ended."""
        self.limit, self.publish = limit, publish
        self._new: dict[asyncio.Transport, float] = {}
        self._used: dict[asyncio.Transport, float] = {}
        self._spare: set[asyncio.Transport] = set()
        self.closed = 0
        """The number of idle connections that were closed to make room for new connections."""
        self._told = 0  # the number of closed idle connections up to the last log line
        self._logged = -LOG_SECONDS
        self._full_since = inf  # when the worker last reached the limit of connections without an idle connection

    def opened(self, transport: asyncio.Transport, *, is_spare: bool) -> None:
        """Record that a new connection waits for the first request."""
        self._new[transport] = monotonic()
        if is_spare:
            self._spare.add(transport)

    def ended(self, transport: asyncio.Transport) -> None:
        """Record that a connection has ended."""
        self.busy(transport)
        self._spare.discard(transport)
        self.publish()

    def idle(self, transport: asyncio.Transport) -> None:
        """Record that all responses of a connection are sent, and the connection is idle until the next request."""
        self.busy(transport)
        self._used[transport] = monotonic()

    def busy(self, transport: asyncio.Transport) -> None:
        """Record that a request has arrived on a connection, which is therefore not idle."""
        self._used.pop(transport, None)
        self._new.pop(transport, None)

    def admit(self, open_connections: int) -> Admission:
        """Decide whether to accept a new connection; at the limit, close the longest idle connection to make room."""
        now = monotonic()
        if open_connections < self.limit:
            self._full_since = inf
            return "served"
        closed = self._close_longest_idle(now)
        self._full_since = inf if closed else min(now, self._full_since)
        self.closed += closed is not None
        if now - self._logged >= LOG_SECONDS:
            log.warning("limit of client connections reached", limit=self.limit, idle_closed=self.closed - self._told)
            self._told, self._logged = self.closed, now
        if closed:  # the new connection replaces the closed connection, and is a spare if that was a spare
            return "spare" if closed in self._spare else "served"
        return "spare" if now - self._full_since > FULL_SECONDS and len(self._spare) < SPARE else "later"

    def _close_longest_idle(self, now: float) -> asyncio.Transport | None:
        for waiting, seconds in ((self._used, 0.0), (self._new, FIRST_REQUEST_SECONDS)):
            examined = [waiter for waiter, since in islice(waiting.items(), EXAMINED) if now - since >= seconds]
            for transport in examined:
                del waiting[transport]
                if is_quiet(transport):
                    transport.close()
                    return transport
                waiting[transport] = now
        return None


def is_quiet(transport: asyncio.Transport) -> bool:
    """Tell whether a connection has neither received bytes that are unread, nor bytes of a response that are unsent."""
    received = select.poll()
    received.register(transport.get_extra_info("socket"), select.POLLIN)
    return not (transport.get_write_buffer_size() or received.poll(0))
