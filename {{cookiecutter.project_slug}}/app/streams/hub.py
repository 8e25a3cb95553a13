"""The hub of SSE and WebSocket streams: all subscriptions of one process, limits, and the names of changed objects."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import time

from prometheus_client import Gauge
from sqlalchemy import text

from app.database.reader import Reader
from app.errors import NotFound, ServiceError, Unavailable
from app.request.principal import Principal
from app.streams.source import MAX_ROWS, Change, Source
from app.streams.subscription import Reason, Subscription

OVERLAP_POLLS = 6
"""The number of polls, 5 s apart, in which a change with a smaller sequence number may still become visible: a trigger
assigns the number before the commit, so a transaction of up to 30 s may commit after transactions with larger
numbers."""

MAX_AGE_SECONDS = 3600.0
"""The longest life of a stream, in seconds. Then the client reconnects, so that replicas that were added since get
streams, too."""

streams_limit = Gauge("app_streams_limit", "The most open streams.", multiprocess_mode="livesum")
streams_open = Gauge("app_streams_open", "Streams and WebSockets that are open.", multiprocess_mode="livesum")

LAST = text("SELECT last_value - (NOT is_called)::int FROM app_events_sequence")


class TooManyStreams(ServiceError, status=429, code="too_many_streams"):
    """Raised when a client opens more streams than one client may have in a process."""

    retry_after_seconds = 10


class Hub:
    """Holds the subscriptions of one process, bounds the number of streams, and records changed objects."""

    def __init__(self, sources: Iterable[Source], reader: Reader, *, max_concurrent: int, max_per_client: int) -> None:
        """Create a hub without subscriptions.

        Args:
            sources: read the states of the objects, one source for each topic.
            reader: runs the SQL of the sources.
            max_concurrent: the number of streams and WebSockets of this process.
            max_per_client: the number of streams and WebSockets of one client in this process.
        """
        self.sources = {source.topic: source for source in sources}
        self.max_concurrent, self.max_per_client = max_concurrent, max_per_client
        self.reader = reader
        streams_limit.set(max_concurrent)
        self.subscriptions: set[Subscription] = set()
        self.changed: set[str] = set()
        """The followed objects that have changed and were not read since, each as `jobs:<id>`."""
        self.woken = asyncio.Event()
        """Set when changed objects wait in `changed` for `deliver` to read."""
        self.followed = asyncio.Event()
        """Set by the first subscription: until then, the process neither listens for notifications nor polls."""
        self.numbers: deque[int] = deque(maxlen=OVERLAP_POLLS)
        """The newest sequence number of any change, at the time of each of the last polls."""
        self._per_client: Counter[str] = Counter()
        self._closed = False

    @property
    def resume_after(self) -> int | None:
        """The sequence number that a reconnecting client sends, to miss no change; None until six polls are done."""
        return self.numbers[0] if len(self.numbers) == OVERLAP_POLLS else None

    @property
    def open_streams(self) -> int:
        """The number of open streams and WebSockets of this process."""
        return len(self.subscriptions)

    @contextmanager
    def subscription(self, principal: Principal) -> Iterator[Subscription]:
        """Open a subscription that follows no object yet, and close the subscription at the end of the block.

        Raises:
            Unavailable: this process has its maximum of streams, or is stopping.
            TooManyStreams: the client has the maximum of streams of one client.
        """
        if self._closed or self.open_streams >= self.max_concurrent:
            raise Unavailable("No further stream can be opened at the moment. Try again.")
        if self._per_client[principal.key] >= self.max_per_client:
            raise TooManyStreams(f"A client may have {self.max_per_client} streams open at the same time.")
        opened = Subscription(principal.owner, principal.key)
        self.subscriptions.add(opened)
        streams_open.inc()
        self.followed.set()
        self._per_client[principal.key] += 1
        ends = (MAX_AGE_SECONDS, Reason.MAX_AGE), (principal.expires_at - time(), Reason.TOKEN_EXPIRED)
        seconds, reason = min(ends)
        age = asyncio.get_running_loop().call_later(seconds, opened.end, reason)
        try:
            yield opened
        finally:
            age.cancel()
            self.subscriptions.discard(opened)
            streams_open.dec()
            self._per_client.subtract([principal.key])
            self._per_client += Counter()  # adding an empty Counter removes the clients without streams

    async def follow(self, subscription: Subscription, topic: str, after: int | None = None) -> Change:
        """Subscribe to an object, queue the object's state unless the client has this state, and return the state.

        Args:
            subscription: the subscription of the client.
            topic: the topic and the id of the object, as `jobs:<id>`.
            after: the sequence number of the last state that the client has; None if the client has no state.

        Raises:
            NotFound: there is no such object, or the object has a different owner.
        """
        name, _, wanted = topic.partition(":")
        if after is not None:
            subscription.remember(topic, after)
        subscription.topics.add(topic)  # subscribe before the read, so as not to miss a change right after the read
        found = await self.states(name, [wanted]) if name in self.sources else []
        if not found or found[0].topic != topic or found[0].owner != subscription.owner:
            subscription.topics.discard(topic)
            raise NotFound("There is no such object to follow.")
        if after is not None and after > found[0].sequence:
            # The number that the client sent is wrong, as no state has a larger number: with -1, the state is sent.
            subscription.remember(topic, -1)
        subscription.offer(found[0])
        return found[0]

    async def follow_all(self, subscription: Subscription, after: int | None = None) -> None:
        """Subscribe to all objects of the owner, and queue the changes after the sequence number `after`.

        The client is asked to reload its data if `after` is None or larger than every sequence number, or if too many
        changes follow `after`.
        """
        subscription.is_for_all = True
        missed: list[Change] = []
        is_known = after is not None and after <= await self.reader.scalar(LAST)
        for name, source in self.sources.items() if is_known else ():
            rows = await source.changed(self.reader, [subscription.owner], after=after or 0, limit=MAX_ROWS)
            missed += [Change.of(name, row) for row in rows]
            is_known = is_known and len(rows) < MAX_ROWS
        if is_known:
            subscription.begin_with(missed)
        else:
            subscription.resync()

    def notify(self, payload: str) -> None:
        """Record that a followed object has changed; PostgreSQL's notification says `<topic>:<id>:<sequence>`."""
        topic, _, _ = payload.rpartition(":")
        if any(topic in one.topics or one.is_for_all for one in self.subscriptions):
            self.changed.add(topic)
            self.woken.set()

    def resync(self) -> None:
        """After a loss of notifications, read each followed object; ask clients that follow all objects to reload."""
        for subscription in self.subscriptions:
            self.changed |= subscription.topics
            if subscription.is_for_all:
                subscription.resync()
        self.woken.set()

    def end(self, reason: Reason) -> None:
        """End all streams of this process, and refuse new streams."""
        self._closed = True
        for subscription in self.subscriptions:
            subscription.end(reason)

    async def states(self, name: str, ids: Sequence[str]) -> list[Change]:
        """Read the states of the objects with these ids in one topic, and return the states as events."""
        return [Change.of(name, state) for state in await self.sources[name].some(self.reader, ids)]
