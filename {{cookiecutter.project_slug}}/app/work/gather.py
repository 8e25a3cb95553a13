"""Concurrent calls with separate outcomes: an expected failure of a call does not cancel the other calls."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import ServiceError


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a concurrent call: a value, or an expected failure."""

    value: Any = None
    error: ServiceError | None = None

    def or_raise(self) -> Any:  # noqa: ANN401 - the concurrent calls return different types
        """Return the value of the call.

        Raises:
            ServiceError: the call failed.
        """
        if self.error is not None:
            raise self.error
        return self.value

    def or_else(self, default: Any) -> Any:  # noqa: ANN401 - the concurrent calls return different types
        """Return the value of the call, or the default when the call failed."""
        return self.value if self.error is None else default


async def gather_outcomes(**calls: Coroutine[Any, Any, Any]) -> Mapping[str, Outcome]:
    """Run coroutines concurrently and return the outcome of each, by the name of the keyword argument.

    A `ServiceError` of a coroutine becomes its outcome. Any other exception is a bug, which cancels the other
    coroutines and is raised in an ExceptionGroup.
    """
    async with asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(_outcome(call), name=name) for name, call in calls.items()}
    return {name: task.result() for name, task in tasks.items()}


async def _outcome(call: Coroutine[Any, Any, Any]) -> Outcome:
    try:
        return Outcome(await call)
    except ServiceError as error:
        return Outcome(error=error)
