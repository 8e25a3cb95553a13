"""The hub: the subscriptions of one process, and the fan-out of changes to their queues.

A notification only names a changed object. The hub reads each changed object once, however many streams follow it, and
holds no connection between reads. Every few seconds it also reads what changed since the last time: notifications are
lost while the connection that listens is down, and behind a PgBouncer that nobody told the service about.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.database.reader import Reader
from app.errors import NotFound, ServiceError, Unavailable
from app.request.principal import Principal
from app.streams.source import MAX_ROWS, Change, Source
from app.streams.subscription import MAX_WAITING, Reason, Subscription

POLL_SECONDS = 5.0
"""The interval of the reads that find changes without a notification."""

OVERLAP_POLLS = 6
"""Polls for which a sequence number counts as possibly late. Numbers are given out before the commit, so a transaction
of up to 30 s may make a change visible whose number is below one that was sent."""

MAX_AGE_SECONDS = 3600.0
"""The longest life of a stream: a client that comes back also finds a replica that was added in the meantime."""

RETRY_SECONDS = 1.0
"""The pause after a read that failed, in seconds."""

PORTION = MAX_WAITING // 2
"""The most changes that are added to a queue at once: a burst must not drop a client that reads."""

PAUSE_SECONDS = 0.25
"""How long the streams may take to send what waits before a further portion of changes, in seconds."""

LAST = text("SELECT last_value - (NOT is_called)::int FROM app_events_sequence")

log = structlog.get_logger("streams")


class TooManyStreams(ServiceError, status=429, code="too_many_streams"):
    """The client has as many streams open as one client may have."""

    retry_after_seconds = 10


class Hub:
    """The subscriptions of one process."""

    def __init__(self, sources: Iterable[Source], reader: Reader, *, max_concurrent: int, max_per_client: int) -> None:
        """Create a hub without subscriptions.

        Args:
            sources: read the objects of each topic.
            reader: runs the reads.
            max_concurrent: the number of streams and WebSockets of this process.
            max_per_client: the number of streams and WebSockets of one client in this process.
        """
        self.sources = {source.topic: source for source in sources}
        self.max_concurrent, self.max_per_client = max_concurrent, max_per_client
        self._reader = reader
        self._subscriptions: set[Subscription] = set()
        self._per_client: Counter[str] = Counter()
        self._changed: set[str] = set()
        self._woken = asyncio.Event()
        self._last: deque[int] = deque(maxlen=OVERLAP_POLLS)
        self._closed = False

    @property
    def resume_after(self) -> int | None:
        """The number after which a client that comes back gets all changes; None in the first seconds of a process."""
        return self._last[0] if len(self._last) == OVERLAP_POLLS else None

    @property
    def open_streams(self) -> int:
        """The number of subscriptions."""
        return len(self._subscriptions)

    @contextmanager
    def subscription(self, principal: Principal) -> Iterator[Subscription]:
        """Open a subscription to nothing, and close it at the end of the block.

        Raises:
            Unavailable: this process has as many streams as it may have, or is stopping.
            TooManyStreams: the client has as many streams as one client may have.
        """
        if self._closed or self.open_streams >= self.max_concurrent:
            raise Unavailable("No further stream can be opened at the moment. Try again.")
        if self._per_client[principal.key] >= self.max_per_client:
            raise TooManyStreams(f"A client may have {self.max_per_client} streams open at the same time.")
        opened = Subscription(principal.owner, principal.key)
        self._subscriptions.add(opened)
        self._per_client[principal.key] += 1
        age = asyncio.get_running_loop().call_later(MAX_AGE_SECONDS, opened.end, Reason.MAX_AGE)
        try:
            yield opened
        finally:
            age.cancel()
            self._subscriptions.discard(opened)
            self._per_client.subtract([principal.key])
            self._per_client += Counter()  # drops the clients without a stream

    async def follow(self, subscription: Subscription, topic: str, after: int | None = None) -> Change:
        """Subscribe to an object, add its state unless the client has it, and return the state.

        Args:
            subscription: the subscription.
            topic: the topic and the id of the object, as `jobs:<id>`.
            after: the sequence number of the last state that the client has; None for none.

        Raises:
            NotFound: there is no such object, or it has a different owner.
        """
        name, _, wanted = topic.partition(":")
        if after is not None:
            subscription.remember(topic, after)
        subscription.topics.add(topic)  # before the read, so that a change right after it is not missed
        found = await self._states(name, [wanted]) if name in self.sources else []
        if not found or found[0].topic != topic or found[0].owner != subscription.owner:
            subscription.topics.discard(topic)
            raise NotFound("There is no such object to follow.")
        if after is not None and after > found[0].sequence:
            subscription.remember(topic, -1)  # a number that was never given out
        subscription.offer(found[0])
        return found[0]

    async def follow_all(self, subscription: Subscription, after: int | None = None) -> None:
        """Subscribe to all objects of the owner, and add what changed after a sequence number.

        A client without a number, or with one that was never given out, is asked to read anew what it shows.
        """
        subscription.is_for_all = True
        missed: list[Change] = []
        is_known = after is not None and after <= await self._reader.scalar(LAST)
        for name, source in self.sources.items() if is_known else ():
            rows = await source.changed(self._reader, [subscription.owner], after=after or 0, limit=MAX_ROWS)
            missed += [Change.of(name, row) for row in rows]
            is_known = is_known and len(rows) < MAX_ROWS
        if is_known:
            subscription.begin_with(missed)
        else:
            subscription.resync()

    def notify(self, payload: str) -> None:
        """Note the change that a notification names, as `<topic>:<id>:<sequence>`."""
        topic, _, _ = payload.rpartition(":")
        if any(topic in one.topics or one.is_for_all for one in self._subscriptions):
            self._changed.add(topic)
            self._woken.set()

    def resync(self) -> None:
        """Read all followed objects, and ask the followers of all objects to read anew: notifications were lost."""
        for subscription in self._subscriptions:
            self._changed |= subscription.topics
            if subscription.is_for_all:
                subscription.resync()
        self._woken.set()

    def end(self, reason: Reason) -> None:
        """End all streams, and refuse new streams."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.end(reason)

    async def deliver(self) -> None:
        """Read changed objects and add their states to the subscriptions, until cancelled."""
        loop = asyncio.get_running_loop()
        next_poll = 0.0
        while True:
            try:
                if loop.time() >= next_poll:
                    next_poll = loop.time() + POLL_SECONDS
                    await self._poll()
                await self._deliver_changed()
                async with asyncio.timeout_at(next_poll):
                    await self._woken.wait()
            except TimeoutError:
                pass  # time for the next poll, or a read that took too long
            except (ServiceError, DBAPIError) as error:
                log.warning("changed objects not read", cause=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    async def _deliver_changed(self) -> None:
        changed, self._changed = self._changed, set()
        self._woken.clear()
        by_name: dict[str, list[str]] = {}
        for topic in changed:
            name, _, wanted = topic.partition(":")
            by_name.setdefault(name, []).append(wanted)
        for name in by_name.keys() & self.sources.keys():
            ids = by_name[name]
            for start in range(0, len(ids), PORTION):
                await self._offer(await self._states(name, ids[start : start + PORTION]))

    async def _poll(self) -> None:
        """Find changes without a notification: of followed objects by id, of all objects of an owner by number."""
        if not self.sources:
            return
        after = self._last[-1] if self._last else None
        self._last.append(await self._reader.scalar(LAST))
        self._changed |= {topic for one in self._subscriptions for topic in one.topics}
        owners = {one.owner for one in self._subscriptions if one.is_for_all}
        if after is None or not owners:
            return
        for name, source in self.sources.items():
            rows = await source.changed(self._reader, owners, after=after, limit=MAX_ROWS)
            if len(rows) >= MAX_ROWS:
                self.resync()
                continue
            for start in range(0, len(rows), PORTION):
                await self._offer([Change.of(name, row) for row in rows[start : start + PORTION]])

    async def _states(self, name: str, ids: Sequence[str]) -> list[Change]:
        return [Change.of(name, state) for state in await self.sources[name].some(self._reader, ids)]

    async def _offer(self, changes: Sequence[Change]) -> None:
        """Add a portion of changes to the subscriptions, after giving the streams time to send what waits."""
        patience = asyncio.get_running_loop().time() + PAUSE_SECONDS
        while busy := [one for one in self._subscriptions if one.is_half_full and not one.is_stuck]:
            if asyncio.get_running_loop().time() >= patience:
                for subscription in busy:
                    subscription.is_stuck = True
            await asyncio.sleep(0.005)
        for change in changes:
            for subscription in self._subscriptions:
                if subscription.wants(change):
                    subscription.offer(change)
