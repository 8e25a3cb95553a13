"""The cache of expensive responses: single flight, stale-while-revalidate, bounded size, shared through Valkey if set.

Concurrent readers of a key share one load. A stale response is served at once, while one load in the background brings
a new response. A bulkhead bounds the loads, so that an empty or unreachable cache does not overload the database.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from time import monotonic
from typing import Any

import structlog
from pydantic_core import to_json

from app.downstreams.cache import Cache
from app.errors import Unavailable
from app.limits.best_effort import BestEffort
from app.limits.bulkhead import Bulkhead
from app.request.detached import detached
from app.valkey.client import ERRORS, Redis

MAX_BYTES = 20_000_000
"""The most memory, in bytes, that the cached responses of a route take in a process."""

MAX_LOADS, MAX_QUEUE, QUEUE_SECONDS = 4, 100, 1.0
"""The most loads of a route's responses that run at the same time in a process, the most loads that wait, and the
longest wait in seconds."""

VALKEY_SECONDS, PAUSE_SECONDS = 0.1, 1.0
"""VALKEY_SECONDS: how long, in seconds, a load waits for Valkey. PAUSE_SECONDS: how long, in seconds, Valkey is not
asked after a failure, so that only one load in each pause waits in vain."""

RETRY_SECONDS = 1.0
"""The least time between two loads of a stale response, in seconds: a load that fails at once would otherwise be tried
again by each request."""

Load = Callable[[], Awaitable[object]]
"""The type of a function that makes the content of a response: a model or a dataclass. A load may run longer than the
request that started it, so it opens its own sessions, or reads through a `Reader`."""

log = structlog.get_logger("response cache")


@dataclass(frozen=True, slots=True)
class Caching:
    """How long the responses of a route are cached, and under which name."""

    name: str
    """The name under which the responses of a route are stored in Valkey. When new code changes the content of the
    responses, the name must change too, such as to `total.2`: replicas with old and with new code share the keys."""
    seconds: float
    """How long a cached response is fresh, in seconds."""
    stale_seconds: float
    """How much longer, in seconds, a stale response is served while a new response is loaded, or while loading
    fails."""
    load_seconds: float = 30.0
    """The time limit of a load, in seconds: a load that hangs would otherwise occupy the bulkhead, and keep the readers
    of the response waiting, for ever."""


@dataclass(slots=True)
class Made:
    """The body of a cached response, with times in seconds by the clock of the cache."""

    body: bytes
    at: float
    """The time at which the content of the response was made."""
    renewed_at: float = -inf
    """The time at which the last load started that was to replace the stale response."""


class ResponseCache(Cache[Made]):
    """The cache of a route's responses in this process, with the name and the times of a `Caching`."""

    def __init__(
        self, caching: Caching, *, valkey: Redis | None, prefix: str, clock: Callable[[], float] = monotonic
    ) -> None:
        """Create an empty cache.

        Args:
            caching: how long the responses are kept.
            valkey: the client of the cache that all replicas share, None without one.
            prefix: the beginning of the keys in Valkey, such as the name of the service.
            clock: returns monotonic seconds; tests pass a fake clock.
        """
        ages = {"seconds": caching.seconds, "stale_seconds": caching.stale_seconds}
        super().__init__(**ages, max_bytes=MAX_BYTES, weigh=lambda made: len(made.body), clock=clock)
        self.context_of_load = detached
        self._load_seconds, self._prefix = caching.load_seconds, f"{prefix}:response:{caching.name}"
        self._valkey: Any = valkey  # `Any`, as redis-py types every command as async or blocking
        self._calls = BestEffort("shared cache", ERRORS, timeout_seconds=VALKEY_SECONDS, pause_seconds=PAUSE_SECONDS)
        refusal = "The service is too busy for this response."
        self._loads = Bulkhead(
            max_concurrent=MAX_LOADS, max_queue=MAX_QUEUE, queue_timeout_seconds=QUEUE_SECONDS, refusal=refusal
        )

    async def body(self, key: str, load: Load) -> bytes:
        """Return the response body of a key: fresh, or stale while a load runs, else after the load.

        Args:
            key: all that the response depends on, the principal included.
            load: makes the content; it is called once, however many readers wait.

        Raises:
            Unavailable: too many loads are running. Errors of `load` are raised too, without a stale response.
        """
        now, entry, find_or_make = self._clock(), self._kept.get(key), partial(self._find_or_make, key, load)
        if entry is not None:
            self._kept.move_to_end(key)
            kept, age = entry.value, now - entry.value.at
            if age >= self.seconds and now - kept.renewed_at >= RETRY_SECONDS:
                kept.renewed_at = now
                self.loading(key, find_or_make)
            if age < self.seconds + self.stale_seconds:
                return kept.body
        return (await asyncio.shield(self.loading(key, find_or_make))).body

    async def _find_or_make(self, key: str, load: Load) -> Made:
        """Return a fresh response that a different process has stored in Valkey, or make and store the response."""
        if (found := await self._find(key)) is not None:
            return found
        await self._loads.enter()
        try:
            async with asyncio.timeout(self._load_seconds):
                made = Made(to_json(await load(), by_alias=True), self._clock())
        except Exception as error:
            log.warning("function for a cached response failed", response=self._prefix, cause=type(error).__name__)
            if isinstance(error, TimeoutError):
                raise Unavailable("This response takes too long to make. Try again.") from error
            raise
        finally:
            self._loads.leave()
        await self._store(key, made.body)
        return made

    async def _find(self, key: str) -> Made | None:
        """Return the response from Valkey if fresh; the age follows from the remaining time to live of the key."""
        if self._valkey is None:
            return None
        both = self._valkey.pipeline(transaction=False)
        both.get(f"{self._prefix}:{key}")
        both.pttl(f"{self._prefix}:{key}")
        body, milliseconds = await self._calls.call(both.execute) or (None, 0)
        age = self.seconds + self.stale_seconds - milliseconds / 1000
        return Made(body, self._clock() - age) if body is not None and age < self.seconds else None

    async def _store(self, key: str, body: bytes) -> None:
        """Store a response in Valkey."""
        if self._valkey is not None:
            milliseconds = round((self.seconds + self.stale_seconds) * 1000)
            await self._calls.call(lambda: self._valkey.set(f"{self._prefix}:{key}", body, px=milliseconds))
