"""A subscription: the events that wait for one client, in a bounded queue.

The subscription of a client that reads too slowly ends with a reason, and the client may reconnect: the waiting events
never fill the memory.
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
"""Events that may wait for one client; one event more ends the subscription."""

MAX_REMEMBERED = 1000
"""The number of objects for which a subscription remembers the last sent change; beyond, an event may be sent twice."""


ended = Counter("app_streams_ended", "Streams that ended, by the reason.", ("reason",))


class Reason(StrEnum):
    """The reasons for which the service ends a stream that could go on; each is the code of the last event."""

    RESTARTING = "restarting"
    MAX_AGE = "max_age"
    TOO_SLOW = "too_slow"
    TOO_MANY_MESSAGES = "too_many_messages"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - no secret
    GONE = "gone"


class Resync(BaseModel):
    """The message that asks a client to reload its data: changes may be late, or are too many to send."""

    type: Literal["resync"] = "resync"


Item = Change | BaseModel | Reason
"""An entry of a client's queue: an event, an answer to a message of a WebSocket, or at last the reason for the end."""


class Subscription:
    """The events that wait for one client, and the objects whose events the client gets."""

    def __init__(self, owner: str | None, key: str) -> None:
        """Create a subscription to nothing.

        Args:
            owner: the owner whose objects the client may see.
            key: the client, for the number of streams of one client.
        """
        self.owner, self.key = owner, key
        self.topics: set[str] = set()
        self.is_for_all = False
        self.is_stuck = False
        """Whether the client took no event while `deliver` waited for it; `deliver` waits no more until it takes an
        event."""
        self._backlog: deque[Change] = deque()
        self._waiting: asyncio.Queue[Item] = asyncio.Queue()
        self._sent: OrderedDict[str, int] = OrderedDict()
        self._ended = False

    @property
    def is_empty(self) -> bool:
        """Whether no event waits."""
        return not self._backlog and self._waiting.empty()

    @property
    def is_half_full(self) -> bool:
        """Whether half of the queue is full, so that new events wait until the client has read some."""
        return self._waiting.qsize() >= MAX_WAITING // 2

    def wants(self, change: Change) -> bool:
        """Tell whether the client follows the object; never for an object of a different owner."""
        return change.owner == self.owner and (self.is_for_all or change.topic in self.topics)

    def begin_with(self, changes: Iterable[Change]) -> None:
        """Add the changes that a reconnecting client missed, in front of all other events and beyond MAX_WAITING."""
        for change in changes:
            self.remember(change.topic, change.sequence)
            self._backlog.append(change)

    def offer(self, change: Change) -> None:
        """Add an event, unless the same or a later state of the object was added before."""
        if self._sent.get(change.topic, -1) >= change.sequence:
            return
        self.remember(change.topic, change.sequence)
        self._add(change)

    def remember(self, topic: str, sequence: int) -> None:
        """Record the last state of an object that the client has."""
        self._sent[topic] = sequence
        self._sent.move_to_end(topic)
        if len(self._sent) > MAX_REMEMBERED:
            self._sent.popitem(last=False)

    def resync(self) -> None:
        """Add the event `resync`, which asks the client to reload its data."""
        self._add(Resync())

    def reply(self, answer: BaseModel) -> None:
        """Add the answer to a message of the client."""
        self._add(answer)

    def end(self, reason: Reason) -> None:
        """End the subscription after the waiting events; a second call has no effect."""
        if not self._ended:
            self._ended = True
            ended.labels(reason).inc()
            self._waiting.put_nowait(reason)

    async def next(self) -> Item:
        """Wait for the next event, or for the reason of the end."""
        self.is_stuck = False
        return self._backlog.popleft() if self._backlog else await self._waiting.get()

    def _add(self, item: Item) -> None:
        if self._ended:
            return
        if self._waiting.qsize() >= MAX_WAITING:
            self.end(Reason.TOO_SLOW)
        else:
            self._waiting.put_nowait(item)
