"""The source of a stream: reads the current states of the objects of one topic, such as jobs.

A notification of PostgreSQL names a changed object, without the content. A client gets the state of the object at the
time of the read. So a repeated event is harmless, and a slow client skips outdated states.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel

from app.database.reader import Reader

MAX_ROWS = 1000
"""The most rows of one read, so that a client that reconnects after a day costs a bounded amount of memory."""


class State(Protocol):
    """The state of one object of a topic, such as a job, after a change."""

    @property
    def id(self) -> str:
        """The id of the object, unique within the topic."""

    @property
    def sequence(self) -> int:
        """The sequence number of the object's last change; each later change gets a larger number."""

    @property
    def owner(self) -> str | None:
        """The owner of the object: only clients of this owner get the events; None without authentication."""

    @property
    def is_final(self) -> bool:
        """Whether the state is final, so that no further change of the object is expected."""

    @property
    def data(self) -> BaseModel:
        """The content of the event about this state."""


class Source(Protocol):
    """Reads the states of the objects of one topic, for streams."""

    topic: str
    """The name of the topic: the first part of each notification, and a part of `/api/v1/<topic>/{id}/events`."""

    async def some(self, reader: Reader, ids: Collection[str]) -> Sequence[State]:
        """Return the states of the objects with these ids; a malformed or unknown id is left out."""

    async def changed(
        self, reader: Reader, owners: Collection[str | None], *, after: int, limit: int
    ) -> Sequence[State]:
        """Return the states of the owners' objects that changed after this sequence number, oldest change first."""


@dataclass(frozen=True, slots=True)
class Change:
    """The state of an object as an event: serialized once in each process, for all streams of the process."""

    topic: str
    """The topic and the id of the object, as `jobs:<id>`."""
    sequence: int
    owner: str | None
    is_final: bool
    data: str
    """The content of the event, as JSON."""

    @classmethod
    def of(cls, topic: str, state: State) -> "Change":
        """Return the event for the state of an object of a topic."""
        data = state.data.model_dump_json(by_alias=True)
        return cls(f"{topic}:{state.id}", state.sequence, state.owner, state.is_final, data)
