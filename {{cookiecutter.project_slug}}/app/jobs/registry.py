"""The registry of jobs: a function with a pydantic model becomes a kind of job by the decorator `job`.

    @job("reports.build", max_attempts=3, timeout_seconds=600)
    async def build_report(payload: ReportPayload, run: Run) -> ReportResult: ...

    await enqueue(session, build_report, ReportPayload(year=2026))

Kinds are registered by importing a feature's `jobs.py`. A worker imports all of them.
"""

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar, Unpack, get_type_hints

from pydantic import BaseModel

P = TypeVar("P", bound=BaseModel)


class Options(TypedDict, total=False):
    """The optional properties of a kind of job, explained at the fields of `Kind`."""

    version: int
    max_attempts: int
    timeout_seconds: float
    first_backoff_seconds: float
    max_backoff_seconds: float
    max_running: int
    priority: int
    schedule: str | None


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[P]):
    """A kind of job: the function, the model of the payload, and the limits."""

    name: str
    """The name of the kind in the table and in the queue. Do not rename a kind: stored jobs have the name."""
    function: Callable[[P, Any], Coroutine[Any, Any, BaseModel | None]]
    payload: type[P]
    version: int = 1
    """The version of the payload. A worker with older code puts a job with a newer version back into the queue, which
    does not count as an attempt. The model must read older payloads, by defaults or by a validator, which finds the
    version in `info.context`."""
    max_attempts: int = 5
    """The number of attempts after which the job is dead; an attempt that killed the worker counts too."""
    timeout_seconds: float = 300.0
    """The time limit of one attempt, after which the attempt is cancelled and counts as failed."""
    first_backoff_seconds: float = 1.0
    max_backoff_seconds: float = 300.0
    max_running: int = 0
    """Jobs of this kind that all workers together run at the same time; 0 means any number."""
    priority: int = 0
    """The priority of the kind: jobs with a higher number start first."""
    schedule: str | None = None
    """A cron expression in UTC, such as `7 * * * *`, for a kind whose payload has defaults: one job at each time."""

    def backoff(self, attempt: int) -> float:
        """Return the seconds until the next attempt: random, below a bound that doubles with each failure."""
        return random.uniform(0, min(self.max_backoff_seconds, self.first_backoff_seconds * 2.0 ** (attempt - 1)))  # noqa: S311 - a random pause is no secret


KINDS: dict[str, Kind[Any]] = {}
"""The registered kinds of jobs, by name."""


def job(
    name: str, **options: Unpack[Options]
) -> Callable[[Callable[[P, Any], Coroutine[Any, Any, BaseModel | None]]], Kind[P]]:
    """Register the decorated function as a kind of job; the first parameter is the payload, the second the `Run`.

    Raises:
        ValueError: the name is taken.
    """

    def register(function: Callable[[P, Any], Coroutine[Any, Any, BaseModel | None]]) -> Kind[P]:
        if name in KINDS:
            raise ValueError(f"Two functions are registered as the job {name!r}: name one of them otherwise.")
        payload = next(iter(get_type_hints(function).values()))
        KINDS[name] = kind = Kind(name=name, function=function, payload=payload, **options)
        return kind

    return register


def load_kinds() -> None:
    """Import every `app/*/jobs.py`, because the import registers the kinds of jobs."""
    for file in sorted(Path(__file__).parents[1].glob("*/jobs.py")):
        import_module(f"app.{file.parent.name}.jobs")
