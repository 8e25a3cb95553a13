"""The check of idempotency keys: a write with a key that the route does not read, or with two keys, gets 400.

A client that sends a key repeats the request after a timeout. If the route ignored the key, the repeated request would
write a second time. So already the first request is refused. Reads are safe to repeat, and may have any key.
"""

from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from starlette.types import ASGIApp, Receive, Scope, Send

from app.web.problem import problem_response

HEADER = "idempotency-key"
UNREAD = "This route does not read Idempotency-Key: send the request without the header."
REPEATED = "A request has one Idempotency-Key at most."


class UnreadKey:
    """ASGI middleware that answers 400 to a write with two Idempotency-Keys, or with a key that the route ignores."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse the Idempotency-Key; the route is searched only for a write with a key."""
        write = scope["type"] == "http" and scope["method"] not in {"GET", "HEAD", "OPTIONS"}
        keys = [name for name, _ in scope["headers"]].count(HEADER.encode()) if write else 0
        if keys > 1 or (keys and not _is_read(scope)):
            await problem_response(400, REPEATED if keys > 1 else UNREAD)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _is_read(scope: Scope) -> bool:
    """Tell whether the route of a request reads the Idempotency-Key; True without a route: the answer is 404."""
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    for route in iter_route_contexts(scope["app"].routes):
        if scope["method"] in (route.methods or ()) and route.path_regex.match(path):
            return hasattr(route, "dependant") and _reads(route.dependant)
    return True


def _reads(dependant: Dependant) -> bool:
    return HEADER in {header.alias for header in dependant.header_params} or any(map(_reads, dependant.dependencies))
