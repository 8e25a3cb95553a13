"""The source of a stream: reads the current state of the objects of one topic, such as the jobs.

A notification of PostgreSQL names an object and no content. A client gets the state of the object at the time of the
read. So a repeated event is harmless, and a slow client skips outdated states.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel

from app.database.reader import Reader

MAX_ROWS = 1000
"""The most rows of one read, so that a client that was away for a day costs a bounded amount of memory."""


class State(Protocol):
    """The state of one object after a change."""

    @property
    def id(self) -> str:
        """The id of the object, unique within the topic."""

    @property
    def sequence(self) -> int:
        """The number of the last change, which grows with each change of the object."""

    @property
    def owner(self) -> str | None:
        """The owner, who alone gets the events of the object; None in a service without authentication."""

    @property
    def is_final(self) -> bool:
        """Whether no further change can follow."""

    @property
    def data(self) -> BaseModel:
        """The content of the event."""


class Source(Protocol):
    """Reads the objects of one topic."""

    topic: str
    """The first part of each notification, and of the path `/api/v1/<topic>/{id}/events`."""

    async def some(self, reader: Reader, ids: Collection[str]) -> Sequence[State]:
        """Return the states of the objects with these ids; a malformed or unknown id is left out."""

    async def changed(
        self, reader: Reader, owners: Collection[str | None], *, after: int, limit: int
    ) -> Sequence[State]:
        """Return the states of the objects of these owners that changed after this number, oldest change first."""


@dataclass(frozen=True, slots=True)
class Change:
    """The state of an object as an event: serialized once in each process, whatever the number of streams."""

    topic: str
    """The topic and the id, as `jobs:<id>`."""
    sequence: int
    owner: str | None
    is_final: bool
    data: str
    """The content as JSON."""

    @classmethod
    def of(cls, topic: str, state: State) -> "Change":
        """Return the event of a state."""
        data = state.data.model_dump_json(by_alias=True)
        return cls(f"{topic}:{state.id}", state.sequence, state.owner, state.is_final, data)
