"""The messages of the WebSocket: each is a JSON object with a `type`."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from app.streams.source import Change

EVERYTHING = "*"
"""The topic of all objects of the owner."""

Topic = Annotated[str, Field(max_length=200, pattern=r"^(\*|[a-z_]+:[\x21-\x7e]+)$", examples=["jobs:<id>"])]


class _Strict(BaseModel):
    """A message of a client, in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid")


class Subscribe(_Strict):
    """A client asks for the events of an object, or of all objects with the topic `*`."""

    type: Literal["subscribe"]
    topic: Topic
    after: int | None = Field(default=None, ge=0, lt=2**63)
    """The id of the last event that the client has, None for a first subscription."""


class Unsubscribe(_Strict):
    """A client asks for no further events of an object."""

    type: Literal["unsubscribe"]
    topic: Topic


class Ping(_Strict):
    """A client asks for a `pong`, to know that the service still answers."""

    type: Literal["ping"]


FROM_CLIENT: TypeAdapter[Subscribe | Unsubscribe | Ping] = TypeAdapter(
    Annotated[Subscribe | Unsubscribe | Ping, Field(discriminator="type")]
)


class Reply(BaseModel):
    """The answer to a message of a client."""

    type: Literal["subscribed", "unsubscribed", "pong"]
    topic: str | None = Field(default=None, exclude_if=lambda topic: topic is None)


class ErrorReply(BaseModel):
    """The answer to a message that was refused; the WebSocket stays open."""

    type: Literal["error"] = "error"
    code: str
    detail: str
    topic: str | None = Field(default=None, exclude_if=lambda topic: topic is None)


class Event(BaseModel):
    """The state of an object after a change; with `is_final` no further event of the object follows."""

    type: Literal["event"] = "event"
    topic: str
    id: int | None
    """The number to send as `after` when the client comes back."""
    is_final: bool


def event_text(change: Change, resume_after: int | None) -> str:
    """Return the JSON of an event, with the content that was serialized once for all clients as `data`."""
    own = Event(topic=change.topic, id=resume_after, is_final=change.is_final).model_dump_json()
    return own.removesuffix("}") + f',"data":{change.data}' + "}"
