"""The write transaction that is open in the current task: background tasks of the task start after the commit."""

import asyncio
from contextvars import ContextVar
from typing import Protocol


class OpenTransaction(Protocol):
    """The part of a write transaction that the supervisor of background tasks uses."""

    def committed(self) -> asyncio.Future[bool]:
        """Return a future: True after the commit, False after a rollback of the transaction or of the savepoint."""


open_transaction: ContextVar[OpenTransaction | None] = ContextVar("open_transaction", default=None)
"""The innermost write transaction of the current task, set by `database/transaction.py`; None outside of a block."""
