"""Response cache of a downstream, with single flight and stale-if-error.

Concurrent callers of the same resource share one call to the downstream, a load. While loads fail, callers get the
stale response (RFC 5861).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from contextvars import Context, copy_context
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

import structlog

from app.errors import DownstreamBadResponse, DownstreamTimedOut, DownstreamUnavailable

T = TypeVar("T")

OVERHEAD_BYTES = 1000
"""The estimated memory, in bytes, of a cached response in addition to the body: headers, key and bookkeeping."""

log = structlog.get_logger("cache")


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """A cached response, with the time of arrival by the monotonic clock and the size in bytes."""

    value: T
    at: float
    weight: int


class Cache(Generic[T]):
    """A response cache, bounded in bytes and in the age of responses.

    When the cache is full, the least recently used response is dropped.
    """

    def __init__(
        self,
        *,
        seconds: float,
        stale_seconds: float,
        max_bytes: int,
        weigh: Callable[[T], int],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Build an empty cache.

        Args:
            seconds: how long a response is fresh.
            stale_seconds: how much longer a stale response is served while loading fails.
            max_bytes: the size of all responses together.
            weigh: returns the size of a response in bytes.
            clock: returns monotonic seconds; tests pass a fake clock.
        """
        self.seconds, self.stale_seconds, self.max_bytes = seconds, stale_seconds, max_bytes
        self.bytes = 0
        self.requests = {"hit": 0, "miss": 0, "stale": 0}
        """The number of look-ups by result: hit is a fresh response, miss a load; stale counts misses whose load failed
        and that got a stale response."""
        self.context_of_load: Callable[[], Context] = copy_context
        """Returns the context variables for a load. A load may outlive the request that started it, so `registry.py`
        sets `detached` here: the deadline of the request then does not apply to the load."""
        self._weigh = weigh
        self._clock = clock
        self._kept: OrderedDict[Hashable, Entry[T]] = OrderedDict()
        self._loading: dict[Hashable, asyncio.Task[T]] = {}

    async def get(self, key: Hashable, load: Callable[[], Coroutine[object, object, T]]) -> T:
        """Return the cached response for a key if fresh, else load the response.

        Raises:
            DownstreamError: loading failed, and there is no stale response that may be served.
        """
        entry = self._kept.get(key)
        if entry is not None:
            self._kept.move_to_end(key)
            if self._clock() - entry.at < self.seconds:
                self.requests["hit"] += 1
                return entry.value
        self.requests["miss"] += 1
        try:
            return await asyncio.shield(self.loading(key, load))
        except (DownstreamUnavailable, DownstreamTimedOut, DownstreamBadResponse) as error:
            if entry is None or self._clock() - entry.at >= self.seconds + self.stale_seconds:
                raise
            self.requests["stale"] += 1
            log.warning("stale response of a downstream served", downstream=error.name, reason=error.detail)
            return entry.value

    def loading(self, key: Hashable, load: Callable[[], Coroutine[object, object, T]]) -> asyncio.Task[T]:
        """Return the running load of the response with this key, or start a load.

        Several callers share the task, so each must await it in `asyncio.shield`: else a cancelled caller would cancel
        the load of all callers.
        """
        task = self._loading.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(load(), context=self.context_of_load())
            self._loading[key] = task
            task.add_done_callback(lambda done: self._loaded(key, done))
        return task

    def _loaded(self, key: Hashable, task: asyncio.Task[T]) -> None:
        del self._loading[key]
        # A failed load is not cached. Reading `exception()` keeps asyncio from logging an error that no caller awaited.
        if task.cancelled() or task.exception() is not None:
            return
        if key in self._kept:
            self.bytes -= self._kept.pop(key).weight
        entry = Entry(task.result(), self._clock(), OVERHEAD_BYTES + self._weigh(task.result()))
        if entry.weight > self.max_bytes:  # a response larger than the cache would drop all other responses
            return
        self._kept[key] = entry
        self.bytes += entry.weight
        while self.bytes > self.max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self.bytes -= oldest.weight
