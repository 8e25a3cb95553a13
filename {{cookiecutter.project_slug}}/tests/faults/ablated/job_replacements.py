"""Replacements that switch off a defence of jobs, such as the heartbeat: a fault test must fail without the defence."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any


def pool_of_the_functions() -> object:
    """Let job functions use the queue's connections, as if the queue had no pool of its own."""
    own, run = import_module("app.jobs.queue").open_pool, import_module("app.jobs.run").Run
    transaction = run.transaction

    @asynccontextmanager
    async def opened(*arguments: Any) -> AsyncGenerator[Any]:  # noqa: ANN401 - passed on to the pool
        async with own(*arguments) as pool:

            @asynccontextmanager
            async def on_both(self: Any) -> AsyncGenerator[Any]:  # noqa: ANN401 - `self` is a job run
                async with pool.acquire(), transaction(self) as session:
                    yield session

            run.transaction = on_both
            yield pool

    return opened


def begin_without_a_count() -> str:
    statement: str = import_module("app.jobs.ledger").BEGIN
    return statement.replace("attempts = least(attempts + 1, max_attempts)", "attempts = attempts")


def manager_without_heartbeats() -> object:
    import_module("pgqueuer.core.heartbeat").Heartbeat.send_heartbeat = _never_beat
    return import_module("pgqueuer.core.qm").QueueManager


def manager_that_stays_deaf() -> object:
    manager: Any = import_module("pgqueuer.core.qm").QueueManager

    class Deaf(manager):  # type: ignore[misc] # the base class is imported at run time
        async def run(self, **options: Any) -> None:  # noqa: ANN401 - the signature of the queue's own method
            await super().run(**options | {"shutdown_on_listener_failure": False})

    return Deaf


def manager_without_limits() -> object:
    manager: Any = import_module("pgqueuer.core.qm").QueueManager

    class Unlimited(manager):  # type: ignore[misc] # the base class is imported at run time
        def entrypoint(self, name: str, **options: Any) -> object:  # noqa: ANN401 - the signature of the queue's own method
            return super().entrypoint(name, **options | {"concurrency_limit": 0})

    return Unlimited


def enqueue_without_a_key() -> object:
    enqueue = import_module("app.jobs.enqueue").enqueue

    async def without(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - the signature of `enqueue`
        return await enqueue(*arguments, **options | {"unique_key": None})

    return without


def enqueue_in_a_transaction_of_its_own() -> object:
    enqueue = import_module("app.jobs.enqueue").enqueue

    async def apart(session: Any, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - the signature of `enqueue`
        async with type(session)(session.bind) as its_own, its_own.begin():
            return await enqueue(its_own, *arguments, **options)

    return apart


def advance_of_any_claim() -> object:
    run = import_module("app.jobs.run")

    async def advance(self: Any, session: Any, progress: int, **_: object) -> None:  # noqa: ANN401 - `self` is a job run
        job = run.Job
        await session.execute(run.update(job).where(job.id == self.id).values(progress=progress))
        self.progress = progress

    return advance


async def _never_beat(*_: object) -> None:
    pass
