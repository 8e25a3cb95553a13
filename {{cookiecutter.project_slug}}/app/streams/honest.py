"""Server-sent events with an honest end: the last event says how the stream has ended.

A client cannot tell the end of a stream from a lost connection: both are the end of the bytes. FastAPI also ends a
stream properly when its generator raises. So the last event is `complete` when nothing is missing, `error` when
something is, and `reconnect` when the client is to come back. A stream that ends without one of these has failed.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog
from fastapi.sse import ServerSentEvent

from app.errors import ServiceError

COMPLETE, ERROR, RECONNECT = "complete", "error", "reconnect"

log = structlog.get_logger("streams")


class Reconnect(Exception):
    """Raised by a generator to end a stream whose client is to come back."""

    def __init__(self, code: str, milliseconds: int) -> None:
        """Take the reason for the end, and after how many milliseconds the client is to come back."""
        super().__init__(code)
        self.code, self.milliseconds = code, milliseconds


async def honest(events: AsyncGenerator[ServerSentEvent]) -> AsyncGenerator[ServerSentEvent]:
    """Yield the events of a generator, and then the event that says how the generator ended.

    Checks that may refuse the request belong into a dependency: after the first event no status can be sent.
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
            log.exception("stream failed")
            detail = "The stream failed. What came before is not all."
            last = ServerSentEvent(event=ERROR, data={"code": ServiceError.code, "detail": detail})
        else:
            last = ServerSentEvent(event=COMPLETE, data={})
    yield last
