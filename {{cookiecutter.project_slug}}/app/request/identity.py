"""The id, the ASGI scope and the headers of the request that is being served."""

from collections.abc import Mapping
from contextvars import ContextVar

from starlette.types import Scope

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the current request, set by `web/request_id.py` and inherited by the request's tasks; None outside a
request."""

request_scope: ContextVar[Scope | None] = ContextVar("request_scope", default=None)
"""The ASGI scope of the current request, set by `web/request_id.py` and inherited by the request's tasks."""

MAX_PATH = 256
"""The longest path in an access log line, in characters; a longer path is cut. Otherwise a URL of 8 kB could become
50 kB in the log, because JSON escapes characters."""

REFUSED = "app.refused"
"""The key that the server sets in the ASGI scope of a request with a malformed body. The value tells whether the server
has already refused and logged the request; `AccessLog` then writes no line."""

HEADERS = "app.headers"
"""The key under which the ASGI scope of a request keeps the result of `headers_of`."""


def headers_of(scope: Scope) -> Mapping[bytes, bytes]:
    """Return the headers of a request by name; the ASGI scope keeps the result for the next middleware.

    The values of a repeated header are joined by commas, as RFC 9110 allows.
    """
    found: dict[bytes, bytes] | None = scope.get(HEADERS)
    if found is None:
        scope[HEADERS] = found = dict(scope["headers"])
        if len(found) < len(scope["headers"]):
            for name in found:
                found[name] = b",".join(value for other, value in scope["headers"] if other == name)
    return found
