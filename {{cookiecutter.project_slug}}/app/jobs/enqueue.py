"""Enqueues jobs in the transaction of a write: after a rollback there is no job, after a commit the job is not lost.

A job serves as an outbox: a call to a different service that must follow a write is stored together with the write.
"""

import secrets
from datetime import timedelta
from time import time_ns
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import Interval, Select, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from app.database.engine import ReadWriteSession
from app.jobs import queue
from app.jobs.models import HOLDS_KEY, Job, JobState
from app.jobs.registry import KINDS, Kind
from app.request.identity import request_id
from app.request.trace import trace

NOW = timedelta(0)


class Enqueued(NamedTuple):
    """The result of `enqueue`; `is_new` is False if an unfinished job with the same unique key exists already."""

    job: Job
    is_new: bool


def uuid7() -> UUID:
    """Return a UUID of version 7, which sorts by the time of creation; from 3.14 on, Python has a function for this."""
    random = secrets.randbits(74)
    return UUID(int=time_ns() // 1_000_000 << 80 | 7 << 76 | (random >> 62) << 64 | 2 << 62 | random & (1 << 62) - 1)


GIVEN = (
    *("id", "kind", "version", "payload", "state", "priority", "max_attempts"),
    *("request_id", "trace", "owner", "unique_key", "total"),
)
"""The columns of a new job that `enqueue` sets; the statement's parameter for the column `id` is `new_id`."""


def _statement(*, unless_key: bool) -> Select[Job]:
    """Build the statement that stores a job, puts the job into the queue, and returns the job.

    Args:
        unless_key: store and return nothing if an unfinished job has the unique key: a violated constraint would abort
            the transaction.
    """
    given: dict[str, Any] = {name: bindparam(f"new_{name}") for name in GIVEN}
    new = insert(Job).values({**given, "run_at": func.now() + bindparam("delay", type_=Interval)})
    if unless_key:
        new = new.on_conflict_do_nothing(index_elements=["owner", "unique_key"], index_where=text(HOLDS_KEY))
    stored = new.returning(Job).cte("stored")
    return select(aliased(Job, stored)).add_cte(queue.push(stored).cte("pushed"))


ENQUEUE, ENQUEUE_UNLESS_KEY = _statement(unless_key=False), _statement(unless_key=True)


async def enqueue(  # noqa: PLR0913 - all but the first three arguments are optional
    session: ReadWriteSession,
    kind: Kind[Any],
    payload: BaseModel,
    *,
    owner: str | None = None,
    unique_key: str | None = None,
    total: int | None = None,
    delay: timedelta = NOW,
) -> Enqueued:
    """Store a job, and put the job into the queue, by one statement in the transaction of the session.

    Args:
        session: the open transaction of the write to which the job belongs.
        kind: the registered kind of job, which the decorator `job` returned.
        payload: the input of the job, an object of the kind's model.
        owner: the owner of the job, from the request's principal; a different owner cannot see the job.
        unique_key: while a job of the owner with this key is not finished, that job is returned, and no second job is
            stored.
        total: the number of steps, if the job reports its progress.
        delay: how long the first attempt waits.

    Raises:
        ValueError: the kind is not registered, or the payload is of a different model: no worker would run the job.
    """
    if KINDS.get(kind.name) is not kind or not isinstance(payload, kind.payload):
        raise ValueError(f"The job {kind.name!r} is not registered, or its payload is no {kind.payload.__name__}.")
    row = _row(kind, payload) | {"owner": owner, "unique_key": unique_key, "total": total}
    new = {f"new_{name}": value for name, value in row.items()} | {"delay": delay}
    while (stored := await session.scalar(ENQUEUE if unique_key is None else ENQUEUE_UNLESS_KEY, new)) is None:
        mine = Job.unique_key == unique_key, Job.owner.is_not_distinct_from(owner)
        live = select(Job).where(*mine, text(HOLDS_KEY))
        if (found := await session.scalar(live)) is not None:
            return Enqueued(found, is_new=False)
    return Enqueued(stored, is_new=True)


def _row(kind: Kind[Any], payload: BaseModel) -> dict[str, Any]:
    """Return the columns of a new job that come from the kind of the job, the payload and the request."""
    context = trace.get()
    return {
        "id": uuid7(),
        "kind": kind.name,
        "version": kind.version,
        "payload": payload.model_dump(mode="json"),
        "state": JobState.QUEUED,
        "priority": kind.priority,
        "max_attempts": kind.max_attempts,
        "request_id": request_id.get(),
        "trace": context.text() if context else None,
    }
