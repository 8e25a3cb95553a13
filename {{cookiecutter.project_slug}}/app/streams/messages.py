"""The messages of the WebSocket `/api/v1/events/ws`: each message is a JSON object with a `type`."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.streams.source import Change

EVERYTHING = "*"
"""The topic that stands for all objects of the client's owner."""

Topic = Annotated[str, Field(max_length=200, pattern=r"^(\*|[a-z_]+:[\x21-\x7e]+)$", examples=["jobs:<id>"])]


class Message(BaseModel):
    """A message of a client: subscribe to one or all objects, unsubscribe, or a ping that is answered with a pong."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["subscribe", "unsubscribe", "ping"]
    topic: Topic = EVERYTHING
    after: int | None = Field(default=None, ge=0, lt=2**63)
    """The id of the last event that the client has; later changes are sent. None for a first subscription."""


class Reply(BaseModel):
    """The answer to a client's message; an error has a code and a detail, and leaves the WebSocket open."""

    type: Literal["subscribed", "unsubscribed", "pong", "error"]
    topic: str | None = None
    code: str | None = None
    detail: str | None = None


class Event(BaseModel):
    """The state of an object after a change; `is_final` marks a final state, such as the state of a finished job."""

    type: Literal["event"] = "event"
    topic: str
    id: int | None
    """The id of the event, which a reconnecting client sends as `after` to get all later changes; None in the first
    seconds of a process."""
    is_final: bool


def event_text(change: Change, resume_after: int | None) -> str:
    """Return the JSON of an event for one client; the content, `data`, was serialized once for all clients."""
    own = Event(topic=change.topic, id=resume_after, is_final=change.is_final).model_dump_json()
    return own.removesuffix("}") + f',"data":{change.data}' + "}"
