"""The messages of the WebSocket: each is a JSON object with a `type`."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.streams.source import Change

EVERYTHING = "*"
"""The topic of all objects of the owner."""

Topic = Annotated[str, Field(max_length=200, pattern=r"^(\*|[a-z_]+:[\x21-\x7e]+)$", examples=["jobs:<id>"])]


class Message(BaseModel):
    """A message of a client: subscribe to an object or to all, unsubscribe, or a ping that is answered with a pong."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["subscribe", "unsubscribe", "ping"]
    topic: Topic = EVERYTHING
    after: int | None = Field(default=None, ge=0, lt=2**63)
    """The id of the last event that the client has, None for a first subscription."""


class Reply(BaseModel):
    """The answer to a client's message; a refusal has a code and a sentence, and leaves the WebSocket open."""

    type: Literal["subscribed", "unsubscribed", "pong", "error"]
    topic: str | None = None
    code: str | None = None
    detail: str | None = None


class Event(BaseModel):
    """The state of an object after a change; with `is_final` no further event of the object follows."""

    type: Literal["event"] = "event"
    topic: str
    id: int | None
    """The number that a reconnecting client sends as `after`."""
    is_final: bool


def event_text(change: Change, resume_after: int | None) -> str:
    """Return the JSON of an event, with the content that was serialized once for all clients as `data`."""
    own = Event(topic=change.topic, id=resume_after, is_final=change.is_final).model_dump_json()
    return own.removesuffix("}") + f',"data":{change.data}' + "}"
