"""Detects a request that waits while holding a database connection; active in development and in tests.

While a request that holds a connection calls a downstream, no other request can use that connection. Requests that hold
one connection and ask for a second connection block each other (deadlock) as soon as the pool is empty.
"""

from contextvars import ContextVar


class ConnectionHeld(Exception):
    """Raised when code that holds a database connection calls a downstream or asks for a second connection.

    The cause is a mistake in the code of the service, not a high load.
    """


class HeldConnection:
    """A checkout of a database connection from the pool; a different task may return the connection later."""

    returned = False


_held: ContextVar[tuple[HeldConnection, ...]] = ContextVar("held_connections", default=())
"""The database connections that the current task or a parent task has checked out. A new task inherits the record of
the task that starts it."""


def note_checkout() -> HeldConnection:
    """Record that this task checked out a database connection; `database/pool.py` sets `returned` at the return."""
    new = HeldConnection()
    _held.set((*(held for held in _held.get() if not held.returned), new))
    return new


def refuse_second_connection() -> None:
    """Refuse a database connection to a task that holds a connection already.

    Raises:
        ConnectionHeld: this task, or a parent task, holds a database connection.
    """
    if holds_connection():
        raise ConnectionHeld(
            "A second database connection is asked for while the first is held: when all connections are held like "
            "that, each request waits for a second connection until its timeout. Pass the session of the open "
            "transaction on to the code that reads, or read through a ReadSession before the transaction."
        )


def holds_connection() -> bool:
    """Tell whether this task, or a parent task, holds a database connection."""
    return any(not held.returned for held in _held.get())


def forget() -> None:
    """Clear the record of held connections, for detached work and for tests that hold a connection on purpose."""
    _held.set(())
