"""Answer what nobody expected with a 500, and do not raise it again.

Starlette's own handler answers and then raises; uvicorn drops the keep-alive connection on that, and the next request
on it is reset although it did nothing wrong.
"""

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.problems import internal_error

log = structlog.get_logger("errors")


class CatchAll:
    """Turn an unexpected exception into problem JSON and one log line with the traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception:
            log.exception("unexpected error", method=scope["method"], path=scope["path"])
            if started:  # half an answer is out: only a dropped connection tells the client that it is not whole
                raise
            await internal_error()(scope, receive, send)
