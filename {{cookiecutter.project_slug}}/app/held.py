"""Finds a request that waits for another service with a database connection in its hands. On in development and tests.

It would be a connection that nobody can use, for as long as somebody else's service likes.
"""

from contextvars import ContextVar


class ConnectionHeld(Exception):
    """A call to another service with a connection in hand: a mistake in the code, and not a matter of luck."""


class Hold:
    """One connection, from its loan to its return, which may happen in another task."""

    ended = False


_holds: ContextVar[tuple[Hold, ...]] = ContextVar("holds", default=())
"""Those of this task and, as a task inherits the context of the one that starts it, of those that wait for it."""


def hold() -> Hold:
    """Note that this task took a connection; `pool.py` says when it ended."""
    new = Hold()
    _holds.set((*(one for one in _holds.get() if not one.ended), new))
    return new


def refuse_held_connections(downstream: str) -> None:
    """Complain.

    Raises:
        ConnectionHeld: this task, or one that waits for it, holds a connection.
    """
    if any(not one.ended for one in _holds.get()):
        raise ConnectionHeld(
            f"A database connection is held while `{downstream}` is called. Read what you need before the call through "
            "a ReadSession, which gives it back at once, or open the transaction after it."
        )


def forget() -> None:
    """Begin anew; for tests that hold a connection themselves."""
    _holds.set(())
