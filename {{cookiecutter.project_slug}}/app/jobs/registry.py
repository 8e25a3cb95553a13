"""The registry of jobs: the decorator `job` registers a function, with the pydantic model of the input, as a job kind.

    @job("reports.build", max_attempts=3, timeout_seconds=600)
    async def build_report(payload: ReportPayload, run: Run) -> ReportResult: ...

    await enqueue(session, build_report, ReportPayload(year=2026))

The import of a feature's `jobs.py` registers the kinds of the feature. A job worker imports every `jobs.py`.
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
    """The name of the kind in the table of jobs and in the queue. Do not rename a kind: stored jobs have the name."""
    function: Callable[[P, Any], Coroutine[Any, Any, BaseModel | None]]
    payload: type[P]
    version: int = 1
    """The version of the payload's model. A worker with older code puts a job with a newer version back into the queue;
    this does not count as an attempt. The model must also read payloads of older versions, by defaults or by a
    validator, which finds the version of the payload in `info.context`."""
    max_attempts: int = 5
    """The number of attempts after which the job is dead; an attempt that killed the worker counts too."""
    timeout_seconds: float = 300.0
    """The time limit of one attempt, after which the attempt is cancelled and counts as failed."""
    first_backoff_seconds: float = 1.0
    max_backoff_seconds: float = 300.0
    max_running: int = 0
    """The most jobs of this kind that all workers together run at the same time; 0 means no limit."""
    priority: int = 0
    """The priority of the kind: jobs with a higher number start first."""
    schedule: str | None = None
    """A cron expression in UTC, such as `7 * * * *`: at each of these times, one job is enqueued. All fields of the
    payload must have defaults."""

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
        ValueError: a function is already registered under this name.
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
