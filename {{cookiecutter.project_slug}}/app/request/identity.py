"""The id and the ASGI scope of the request that is being served, for log lines, error responses and stall reports."""

from contextvars import ContextVar

from starlette.types import Scope

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the current request, set by `web/request_id.py` and inherited by the request's tasks; None outside a
request."""

request_scope: ContextVar[Scope | None] = ContextVar("request_scope", default=None)
"""The ASGI scope of the current request, set by `web/request_id.py` and inherited by the request's tasks."""

MAX_PATH = 256
"""The longest path in an access log line; a longer path is cut. A stranger's URL of 8 kB could become 50 kB in the log,
as JSON escapes characters."""

REFUSED = "app.refused"
"""A key in the ASGI scope of a request whose body was malformed: the server has already refused and logged the
request."""
