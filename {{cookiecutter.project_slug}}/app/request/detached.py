"""The context variables of work that outlives its request, or that several requests share: without the deadline."""

from contextvars import Context, copy_context

from app.request import deadline, held_connections
from app.request.open_transaction import open_transaction
from app.request.slot import BACKGROUND, connection_quota, slot


def detached() -> Context:
    """Return a copy of the context without deadline, slot, connection quota, held connections and open transaction.

    The request id and the trace stay, for the log. Background tasks and single-flight loads run in this context: the
    deadline of the starting request does not apply, and database connections count for the quota of background work.
    """
    context = copy_context()
    context.run(deadline.begin, None)
    context.run(connection_quota.set, BACKGROUND)
    context.run(slot.set, None)
    context.run(held_connections.forget)
    context.run(open_transaction.set, None)
    return context
