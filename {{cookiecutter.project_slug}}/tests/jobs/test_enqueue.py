"""A job is stored in the same transaction as the write to which it belongs, or not at all."""

import asyncio

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.database.transaction import transaction
from app.jobs.enqueue import Enqueued, enqueue
from app.jobs.registry import Kind
from tests.jobs.conftest import count, put, resources_of
from tests.jobs.kinds import Note, echo

LEFT = "SELECT (SELECT count(*) FROM jobs) + 10 * (SELECT count(*) FROM pgqueuer.pgqueuer)"
WRITE = text("INSERT INTO idempotency_keys VALUES ('k', 'r', 200, '{}', 'b', now())")
WRITTEN = "SELECT count(*) FROM idempotency_keys"


class Undone(Exception):
    """An exception by which a test rolls back a transaction."""


@pytest.mark.parametrize("first", ["enqueue", "write"])
@pytest.mark.parametrize("ends", ["commit", "rollback"])
async def test_a_job_is_stored_exactly_if_the_write_is(committed_app: FastAPI, first: str, ends: str) -> None:
    async def run() -> None:
        async with transaction(resources_of(committed_app).write_sessions) as session:
            if first == "write":
                await session.execute(WRITE)
            await enqueue(session, echo, Note())
            if first == "enqueue":
                await session.execute(WRITE)
            if ends == "rollback":
                raise Undone

    if ends == "rollback":
        with pytest.raises(Undone):
            await run()
    else:
        await run()

    expected = (11, 1) if ends == "commit" else (0, 0)
    assert (await count(committed_app, LEFT), await count(committed_app, WRITTEN)) == expected


async def test_fifty_enqueues_with_one_key_are_one_job(committed_app: FastAPI) -> None:
    few = asyncio.Semaphore(6)  # concurrent calls: three times the connections of the pool, so that calls queue

    async def one() -> Enqueued:
        async with few:
            return await put(committed_app, echo, unique_key="the key")

    found = await asyncio.gather(*(one() for _ in range(50)))

    assert len({enqueued.job.id for enqueued in found}) == 1
    assert sum(enqueued.is_new for enqueued in found) == 1
    assert await count(committed_app, LEFT) == 11


async def test_the_same_key_of_a_different_owner_is_a_different_job(committed_app: FastAPI) -> None:
    owners = (None, "ada", "eve", "s" * 255)
    first = [await put(committed_app, echo, owner=owner, unique_key="the key") for owner in owners]
    again = [await put(committed_app, echo, owner=owner, unique_key="the key") for owner in owners]

    assert [enqueued.job.owner for enqueued in again] == list(owners)
    assert [enqueued.job.id for enqueued in again] == [enqueued.job.id for enqueued in first]
    assert not any(enqueued.is_new for enqueued in again)


async def test_a_second_job_with_a_key_leaves_the_transaction_of_the_caller_as_it_was(committed_app: FastAPI) -> None:
    first, _ = await put(committed_app, echo, unique_key="the key")
    async with transaction(resources_of(committed_app).write_sessions) as session:
        assert not (await enqueue(session, echo, Note(), unique_key="the key", owner=first.owner)).is_new
        await session.execute(WRITE)

    assert (await count(committed_app, LEFT), await count(committed_app, WRITTEN)) == (11, 1)


async def test_a_kind_that_no_worker_knows_is_refused(committed_app: FastAPI) -> None:
    unknown = Kind(name="test.unknown", function=echo.function, payload=Note)

    with pytest.raises(ValueError, match=r"^The job 'test\.unknown' is not registered"):
        await put(committed_app, unknown)
    assert await count(committed_app, LEFT) == 0
