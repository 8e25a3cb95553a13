"""Context variables for work that outlives a request or serves several requests, such as background tasks."""

from contextvars import Context, copy_context

from app.request import deadline, held_connections
from app.request.open_transaction import open_transaction
from app.request.slot import BACKGROUND, connection_quota, slot
from app.request.timings import timings


def detached() -> Context:
    """Return a copy of the current context without the context variables that must not outlive the request.

    These are the deadline, the slot in the bulkhead, the connection quota, the held connections, the open transaction
    and the timings. Background tasks and single-flight loads run in the copy: the deadline of the request that started
    them does not apply, and their database connections count for the quota of background work. The request id and the
    trace are kept, so that log lines of the work can be matched to the request.
    """
    context = copy_context()
    context.run(deadline.begin, None)
    context.run(connection_quota.set, BACKGROUND)
    context.run(slot.set, None)
    context.run(held_connections.forget)
    context.run(open_transaction.set, None)
    context.run(timings.set, None)
    return context
