"""Write transactions: `transaction` is an `async with` block that commits at the end.

A background task that is started in the block waits for the commit, and is dropped after a rollback. If the task
started at once, it would not find the row that the request has written, or could report a write that is rolled back
afterwards. So `Supervisor.start` looks for an open transaction. The limit: a process that dies between the commit and
the start of the task loses the task, as a killed process loses every running task. Work that must not be lost is a job:
a row that is stored in the same transaction, and that a worker finds even after a crash.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypeVar

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session, SessionTransaction

from app.request.open_transaction import open_transaction

S = TypeVar("S", bound=AsyncSession)


@asynccontextmanager
async def transaction(sessions: async_sessionmaker[S]) -> AsyncGenerator[S]:
    """Yield a session in a transaction: commit at the end of the block, roll back after an exception.

    Raises:
        RuntimeError: the block itself has rolled back or closed the transaction, so that the response would report a
            write that is not stored. To store nothing, a block raises an error, such as a `ServiceError`; to undo a
            part of the transaction, a block uses `begin_nested`.
    """
    async with sessions() as session:
        waiting = _WaitingTasks(session.sync_session)
        token = open_transaction.set(waiting)
        committed = False
        try:
            async with session.begin() as begun:
                yield session
                if not begun.is_active:
                    raise RuntimeError("The transaction was rolled back or closed: nothing of it is stored.")
            committed = True
        finally:
            open_transaction.reset(token)
            waiting.end(committed=committed)


class _WaitingTasks:
    """The background tasks that wait for the end of a transaction or savepoint."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._waiting: list[tuple[asyncio.Future[bool], list[SessionTransaction]]] = []
        self._outcome: bool | None = None

    def committed(self) -> asyncio.Future[bool]:
        """Return a future: True after the commit, False after a rollback of the transaction or of the savepoint."""
        future = asyncio.get_running_loop().create_future()
        if self._outcome is not None:  # a background task may call this after the end of the transaction
            future.set_result(self._outcome)
        if not self._waiting:
            event.listen(self._session, "after_soft_rollback", self._rolled_back)
        innermost = self._session.get_nested_transaction() or self._session.get_transaction()
        self._waiting.append((future, _with_outer(innermost)))
        return future

    def end(self, *, committed: bool) -> None:
        """Start the waiting tasks after a commit; drop all waiting tasks after a rollback."""
        self._outcome = committed
        _settle([future for future, _ in self._waiting], committed=committed)

    def _rolled_back(self, _session: Session, ended: SessionTransaction) -> None:
        _settle([future for future, around in self._waiting if ended in around], committed=False)


def _settle(futures: list[asyncio.Future[bool]], *, committed: bool) -> None:
    for future in futures:
        if not future.done():
            future.set_result(committed)


def _with_outer(innermost: SessionTransaction | None) -> list[SessionTransaction]:
    """Return a savepoint together with all savepoints and the transaction around the savepoint."""
    return [] if innermost is None else [innermost, *_with_outer(innermost.parent)]
