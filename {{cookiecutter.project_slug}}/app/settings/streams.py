"""Settings of the streams, such as STREAMS__MAX_CONCURRENT; part of the capacity settings."""

from pydantic import BaseModel, Field


class StreamsSettings(BaseModel, frozen=True, use_attribute_docstrings=True, extra="forbid"):
    """The limits and timeouts of SSE and WebSocket streams."""

    max_concurrent: int = Field(default=1000, ge=1)
    """Streams of one process at the same time; for one more the answer is 503."""
