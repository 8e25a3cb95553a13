"""The id, the ASGI scope and the route of the request that is being served, for log lines and error responses."""

from contextvars import ContextVar

from starlette.types import Scope

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the current request, set by `web/request_id.py` and inherited by the request's tasks; None outside a
request."""

request_scope: ContextVar[Scope | None] = ContextVar("request_scope", default=None)
"""The ASGI scope of the current request, set by `web/request_id.py` and inherited by the request's tasks."""


def route_of(scope: Scope) -> str | None:
    """Return the template of the route that served a request, such as `/api/v1/things/{thing_id}`; None for no route.

    FastAPI's `scope["route"]` has the path without the prefixes of routers; the effective route context has the whole
    path.
    """
    route = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    found: str | None = getattr(route, "path_format", None)
    return found
