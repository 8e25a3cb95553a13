"""The write transaction that is open in the current task.

A background task that is started during the transaction begins its work after the commit.
"""

import asyncio
from contextvars import ContextVar
from typing import Protocol


class OpenTransaction(Protocol):
    """An open write transaction, as seen by the supervisor of background tasks."""

    def committed(self) -> asyncio.Future[bool]:
        """Return a future: True after the commit, False after a rollback of the transaction or of the savepoint."""


open_transaction: ContextVar[OpenTransaction | None] = ContextVar("open_transaction", default=None)
"""The innermost write transaction of the current task, set by `database/transaction.py`; None without a transaction."""
