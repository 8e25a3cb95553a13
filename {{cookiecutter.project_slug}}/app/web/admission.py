"""Admission control: each route group has a bulkhead, and excess load is shed at once with 503.

A refusal costs no routing, no parsing and no database connection. So a service that gets twenty times the load that it
can serve still serves as many requests as it can.
"""

from collections.abc import Callable, Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import Unavailable
from app.limits.bulkhead import Bulkhead
from app.request.slot import Slot, connection_quota, slot
from app.web.problem import problem_response


class Admission:
    """ASGI middleware that sends each request through the bulkhead of the route group.

    A request frees its slot with the last byte of the response. After that byte FastAPI runs the `BackgroundTasks` of
    the request, which take a slot in a separate bulkhead, `after_response`. When that bulkhead is full, the request
    keeps its first slot instead, so that the number of requests with running `BackgroundTasks` stays bounded.
    """

    def __init__(
        self, app: ASGIApp, name_of: Callable[[Scope], str], bulkheads: Mapping[str, Bulkhead], after_response: Bulkhead
    ) -> None:
        """Wrap an application.

        Args:
            app: the application.
            name_of: returns the name of the route group of a request.
            bulkheads: the bulkhead of each route group, by name.
            after_response: bounds the requests whose response is complete, and whose `BackgroundTasks` still run.
        """
        self.app = app
        self.name_of = name_of
        self.bulkheads = bulkheads
        self.after_response = after_response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or answer 503 when the bulkhead of the route group refuses."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        name = self.name_of(scope)
        bulkhead = self.bulkheads[name]
        try:
            await bulkhead.enter()
        except Unavailable as full:
            refusal = problem_response(full.status, full.detail, code=full.code, headers={"Retry-After": "1"})
            await refusal(scope, receive, send)
            return
        held, moved = Slot(bulkhead.leave), False

        async def send_and_move(message: Message) -> None:
            nonlocal moved
            await send(message)
            complete = message["type"] == "http.response.body" and not message.get("more_body", False)
            if complete and not moved and self.after_response.try_enter():
                moved = True
                held.release()

        tokens = connection_quota.set(name), slot.set(held)
        try:
            await self.app(scope, receive, send_and_move)
        finally:
            connection_quota.reset(tokens[0])
            slot.reset(tokens[1])
            (self.after_response.leave if moved else held.release)()
