"""Several things at once, where one that fails need not cost the others."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import ServiceError


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one of them: a value, or an expected failure."""

    value: Any = None
    error: ServiceError | None = None

    def or_raise(self) -> Any:  # noqa: ANN401 - each of them has a type of its own
        """Return the value.

        Raises:
            ServiceError: there is none.
        """
        if self.error is not None:
            raise self.error
        return self.value

    def or_else(self, default: Any) -> Any:  # noqa: ANN401 - as above
        """Return the value, or this one instead."""
        return self.value if self.error is None else default


async def at_once(**calls: Coroutine[Any, Any, Any]) -> Mapping[str, Outcome]:
    """Run all of them at the same time and return what became of each, by name.

    A failure that nobody expected is a bug: it cancels the others and is raised.
    """
    async with asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(_outcome(call), name=name) for name, call in calls.items()}
    return {name: task.result() for name, task in tasks.items()}


async def _outcome(call: Coroutine[Any, Any, Any]) -> Outcome:
    try:
        return Outcome(await call)
    except ServiceError as error:
        return Outcome(error=error)
