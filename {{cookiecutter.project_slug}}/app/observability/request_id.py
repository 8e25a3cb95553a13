"""The id of the request that is being served, for whatever speaks about it: log lines, problem answers, calls."""

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Set by `middleware/request_id.py`; None outside a request. Tasks that a request starts inherit it."""
