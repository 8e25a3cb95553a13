"""Which request is being served, for whatever speaks about it: log lines, problem answers, calls, stalls."""

from contextvars import ContextVar

from starlette.types import Scope

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Set by `middleware/request_id.py`; None outside a request. Tasks that a request starts inherit it."""

request_scope: ContextVar[Scope | None] = ContextVar("request_scope", default=None)
"""Its ASGI scope, set and inherited likewise."""
