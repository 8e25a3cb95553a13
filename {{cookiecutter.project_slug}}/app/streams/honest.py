"""Server-sent events with an honest end: the last event says how the stream has ended.

For a client, the end of a stream looks like a lost connection, and FastAPI ends the response properly even when the
generator raises an exception. So the last event is `complete` when the client has all events, `error` when events are
missing, and `reconnect` when the client should reconnect. A stream that ends without one of these events has failed.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog
from fastapi.sse import ServerSentEvent

from app.errors import ServiceError

COMPLETE, ERROR, RECONNECT = "complete", "error", "reconnect"

log = structlog.get_logger("streams")


class Reconnect(Exception):
    """Raised by a generator of events to end a stream, so that the client reconnects."""

    def __init__(self, code: str, milliseconds: int) -> None:
        """Take the reason for the end of the stream, and the milliseconds after which the client is to reconnect."""
        super().__init__(code)
        self.code, self.milliseconds = code, milliseconds


async def honest(events: AsyncGenerator[ServerSentEvent]) -> AsyncGenerator[ServerSentEvent]:
    """Yield the events of a generator, and then a last event that says how the generator ended.

    Checks that may refuse the request belong in a dependency: once the stream has begun, no error status can be sent.
    """
    async with aclosing(events):
        try:
            async for event in events:
                yield event
        except Reconnect as end:
            last = ServerSentEvent(event=RECONNECT, data={"code": end.code}, retry=end.milliseconds)
        except ServiceError as error:
            last = ServerSentEvent(event=ERROR, data={"code": error.code, "detail": error.detail})
        except Exception:
            log.exception("event stream failed on an unexpected exception")
            detail = "The stream failed. Events are missing."
            last = ServerSentEvent(event=ERROR, data={"code": ServiceError.code, "detail": detail})
        else:
            last = ServerSentEvent(event=COMPLETE, data={})
    yield last
