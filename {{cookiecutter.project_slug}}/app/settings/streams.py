"""The settings of SSE and WebSocket streams, such as STREAMS__MAX_CONCURRENT; a part of `CapacitySettings`."""

from typing import Annotated

from pydantic import BaseModel, Field

from app.settings.browsers import FORM, ORIGIN, each


class StreamsSettings(BaseModel, frozen=True, use_attribute_docstrings=True, extra="forbid"):
    """The bounds of SSE and WebSocket streams."""

    max_concurrent: int = Field(default=1000, ge=1)
    """The most SSE streams and WebSockets of one process, at most half of its client connections; a further stream is
    answered with 503."""

    max_per_client: int | None = Field(default=None, ge=1)
    """The most SSE streams and WebSockets of one client in a process; a further stream is answered with 429. Unset, a
    tenth of STREAMS__MAX_CONCURRENT, or less if the process has few connections."""

    origins: Annotated[str, each(ORIGIN, FORM)] = ""
    """Origins whose pages may open a WebSocket, comma separated, such as https://app.example.com; the service's own
    origin always may."""
