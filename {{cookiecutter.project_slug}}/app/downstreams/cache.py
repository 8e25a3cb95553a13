"""Answers that are used again for a while: one call for all who ask meanwhile, and the old answer when it fails."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from contextvars import copy_context
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

import structlog

from app.deadline import begin
from app.errors import DownstreamBadResponse, DownstreamTimedOut, DownstreamUnavailable

T = TypeVar("T")

BESIDES = 1000
"""Bytes of an answer beside its body: its headers, its key, and what finds it."""

log = structlog.get_logger("cache")


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """An answer, when it came, and its bytes."""

    value: T
    at: float
    weight: int


class Cache(Generic[T]):
    """So much of answers, each for so long; the one that was not asked for longest goes first."""

    def __init__(
        self,
        *,
        seconds: float,
        stale_seconds: float,
        max_bytes: int,
        weigh: Callable[[T], int],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Start empty.

        Args:
            seconds: for which an answer is used.
            stale_seconds: for which it is used beyond that, while there is no newer one to be had.
            max_bytes: of all answers together.
            weigh: tells the bytes of an answer.
            clock: seconds that never go back.
        """
        self.seconds, self.stale_seconds, self.max_bytes = seconds, stale_seconds, max_bytes
        self.bytes = 0
        self._weigh = weigh
        self._clock = clock
        self._kept: OrderedDict[Hashable, Entry[T]] = OrderedDict()
        self._loading: dict[Hashable, asyncio.Task[T]] = {}

    async def get(self, key: Hashable, load: Callable[[], Coroutine[object, object, T]]) -> T:
        """Return the answer for a key, loading it when there is none that is young enough.

        Raises:
            DownstreamError: it could not be loaded, and there is none that is still of use.
        """
        entry = self._kept.get(key)
        if entry is not None:
            self._kept.move_to_end(key)
            if self._clock() - entry.at < self.seconds:
                return entry.value
        try:
            return await self._load(key, load)
        except (DownstreamUnavailable, DownstreamTimedOut, DownstreamBadResponse) as error:
            if entry is None or self._clock() - entry.at >= self.seconds + self.stale_seconds:
                raise
            log.warning("stale answer", downstream=error.name, reason=error.detail)
            return entry.value

    async def _load(self, key: Hashable, load: Callable[[], Coroutine[object, object, T]]) -> T:
        """Join the call that is under way, or make it. A caller that leaves does not take it from the others."""
        task = self._loading.get(key)
        if task is None:
            context = copy_context()
            context.run(begin, None)  # the deadline of whoever came first is not that of the others
            task = asyncio.get_running_loop().create_task(load(), context=context)
            self._loading[key] = task
            task.add_done_callback(lambda done: self._loaded(key, done))
        return await asyncio.shield(task)

    def _loaded(self, key: Hashable, task: asyncio.Task[T]) -> None:
        del self._loading[key]
        if task.cancelled() or task.exception() is not None:  # asking for it also tells asyncio that it was seen
            return
        if key in self._kept:
            self.bytes -= self._kept.pop(key).weight
        entry = Entry(task.result(), self._clock(), BESIDES + self._weigh(task.result()))
        self._kept[key] = entry
        self.bytes += entry.weight
        while self.bytes > self.max_bytes:
            _, oldest = self._kept.popitem(last=False)
            self.bytes -= oldest.weight
