"""The catch-all: answers an unexpected exception with 500, and lets error trackers see the exception.

Error trackers such as Sentry wrap `Starlette.__call__`, and see only an exception that passes through. But uvicorn
closes the keep-alive connection of an application that raises, which resets the client's next request. And the 500 must
pass the middleware, which adds the request id. So `CatchAll`, inside of the middleware, sends the 500 and raises the
exception again. `Service`, outside of any tracker, stops an exception whose request has been answered.
"""

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.observability.logs import mark_logged
from app.web.openapi import Documented
from app.web.problem import internal_error

ANSWERED = "app.answered"
"""The key in the ASGI scope that tells, after an unexpected exception, whether the client got a complete response."""

EVENT_STREAM = b"text/event-stream"

log = structlog.get_logger("errors")


class Service(Documented):
    """The FastAPI application, which stops an exception when the client has a complete response already."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and let an exception after half a response pass on to uvicorn.

        uvicorn then closes the connection, which is the only way to tell the client that the response is incomplete.
        """
        try:
            await super().__call__(scope, receive, send)
        except Exception:
            if not scope.get(ANSWERED):
                raise


class CatchAll:
    """ASGI middleware that turns an unexpected exception into problem JSON and one log line with the traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, answer 500 to an unexpected exception, and raise the exception again."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        response = _Response(send)
        try:
            await self.app(scope, receive, response.send)
        except Exception as error:
            log.exception("request failed on an unexpected exception", method=scope["method"], path=scope["path"])
            mark_logged(error)
            if not response.started:
                await internal_error()(scope, receive, response.send)
            scope[ANSWERED] = response.complete
            raise
        if response.held is not None:
            await send(response.held)


class _Response:
    """The response of one request; holds the end of an event stream back until the application has returned.

    When the generator of an event stream fails, FastAPI first ends the stream properly and then raises the exception.
    Without the delay the client would take an incomplete event stream for a complete stream.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_event_stream = False
        self.started = self.complete = False
        self.held: Message | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            content_type = dict(message.get("headers", ())).get(b"content-type", b"")
            self._is_event_stream = content_type.startswith(EVENT_STREAM)
        elif not message.get("more_body", False):
            if self._is_event_stream:
                self.held = message
                return
            self.complete = True
        await self._send(message)
