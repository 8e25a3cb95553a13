"""A subscription: the events that wait for one client of a stream, in a bounded queue.

If the client reads too slowly, the queue fills, and the subscription ends with the reason `too_slow`; the client may
reconnect. So waiting events never fill the memory.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from prometheus_client import Counter
from pydantic import BaseModel

from app.streams.source import Change

MAX_WAITING = 64
"""The most events that may wait for one client; with a further event, the subscription ends as `too_slow`."""

MAX_REMEMBERED = 1000
"""The most objects for which a subscription remembers the last change that was sent. An event of a forgotten object
may be sent twice, which is harmless."""


ended = Counter("app_streams_ended", "Streams that ended, by the reason.", ("reason",))


class Reason(StrEnum):
    """The reasons why a stream ends early. Clients get the reason as a code, except for `gone`: the client has left."""

    RESTARTING = "restarting"
    MAX_AGE = "max_age"
    TOO_SLOW = "too_slow"
    TOO_MANY_MESSAGES = "too_many_messages"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - the name of a reason is no secret
    GONE = "gone"


class Resync(BaseModel):
    """The event that asks a client to reload its data, since changes may be missing, or are too many to send."""

    type: Literal["resync"] = "resync"


Item = Change | BaseModel | Reason
"""An entry of a client's queue: an event, an answer to a WebSocket message, or as the last entry the reason of the
end."""


class Subscription:
    """The events that wait for one client of a stream, and the objects that the client follows."""

    def __init__(self, owner: str | None, key: str) -> None:
        """Create a subscription that follows no object yet.

        Args:
            owner: the owner whose objects the client may see.
            key: identifies the client, for the limit on the streams of one client.
        """
        self.owner, self.key = owner, key
        self.topics: set[str] = set()
        self.is_for_all = False
        self.is_stuck = False
        """Whether the client took no event while the delivery waited for this client. The delivery then waits no more
        for this client, until the client takes an event."""
        self._backlog: deque[Change] = deque()
        self._waiting: asyncio.Queue[Item] = asyncio.Queue()
        self._sent: OrderedDict[str, int] = OrderedDict()
        self._ended = False

    @property
    def is_empty(self) -> bool:
        """Whether no event waits for the client."""
        return not self._backlog and self._waiting.empty()

    @property
    def is_half_full(self) -> bool:
        """Whether the client's queue is at least half full: the delivery then gives the client time to read events."""
        return self._waiting.qsize() >= MAX_WAITING // 2

    def wants(self, change: Change) -> bool:
        """Tell whether the client follows the changed object; False for an object of a different owner."""
        return change.owner == self.owner and (self.is_for_all or change.topic in self.topics)

    def begin_with(self, changes: Iterable[Change]) -> None:
        """Queue the changes that a reconnecting client missed, before all other events; MAX_WAITING does not apply."""
        for change in changes:
            self.remember(change.topic, change.sequence)
            self._backlog.append(change)

    def offer(self, change: Change) -> None:
        """Queue a change for the client, unless the same or a later state of the object was queued before."""
        if self._sent.get(change.topic, -1) >= change.sequence:
            return
        self.remember(change.topic, change.sequence)
        self._add(change)

    def remember(self, topic: str, sequence: int) -> None:
        """Record the sequence number of the last state of an object that the client has."""
        self._sent[topic] = sequence
        self._sent.move_to_end(topic)
        if len(self._sent) > MAX_REMEMBERED:
            self._sent.popitem(last=False)

    def resync(self) -> None:
        """Queue the event `resync`, which asks the client to reload its data."""
        self._add(Resync())

    def reply(self, answer: BaseModel) -> None:
        """Queue the answer to a message of the client."""
        self._add(answer)

    def end(self, reason: Reason) -> None:
        """End the subscription, after the client has got the waiting events; a second call has no effect."""
        if not self._ended:
            self._ended = True
            ended.labels(reason).inc()
            self._waiting.put_nowait(reason)

    async def next(self) -> Item:
        """Wait for the client's next event, or for the reason why the subscription ends."""
        self.is_stuck = False
        return self._backlog.popleft() if self._backlog else await self._waiting.get()

    def _add(self, item: Item) -> None:
        if self._ended:
            return
        if self._waiting.qsize() >= MAX_WAITING:
            self.end(Reason.TOO_SLOW)
        else:
            self._waiting.put_nowait(item)
