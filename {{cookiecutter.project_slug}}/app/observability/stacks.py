"""What a thread is doing at this moment, seen from another one."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from traceback import walk_stack
from types import FrameType
from typing import Any

from app.observability.request_id import request_id

FRAMES = 20
"""Of a stack, from where it stopped; further out there is only the machinery that all requests share."""

HERE = f"{Path(__file__).parents[2]}/"


@dataclass(frozen=True, slots=True)
class Sample:
    """Where a thread is, and for which request."""

    stack: str
    """A line `file:line function` for each frame, the innermost first."""
    method: str | None = None
    path: str | None = None
    request_id: str | None = None
    task: str | None = None


def sample_of(thread: int, loop: asyncio.AbstractEventLoop) -> Sample:
    """Look at the thread of an event loop; cheap, and the thread goes on meanwhile."""
    frames = [frame for frame, _line in walk_stack(sys._current_frames().get(thread))]  # noqa: SLF001 - the documented way, in spite of its name
    scope = next(filter(None, map(_scope_in, frames)), {})
    task = asyncio.current_task(loop)
    return Sample(
        stack="\n".join(map(_named, frames[:FRAMES])),
        method=scope.get("method"),
        path=scope.get("path"),  # without the query: people put secrets there
        request_id=scope.get("request_id") or _inherited(task),
        task=task.get_name() if task else None,
    )


def _inherited(task: asyncio.Task[Any] | None) -> str | None:
    """Return the request id of a task that a request started; Python 3.11 does not tell."""
    context: Mapping[Any, str | None] = getattr(task, "get_context", dict)()
    return context.get(request_id)


def _scope_in(frame: FrameType) -> dict[str, Any] | None:
    """Return the scope of the request if this is a frame of ASGI: the middleware is below whatever a request runs."""
    if "scope" not in frame.f_code.co_varnames:
        return None
    scope = frame.f_locals.get("scope")
    return scope if isinstance(scope, dict) and scope.get("type") == "http" else None


def _named(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_filename.removeprefix(HERE)}:{frame.f_lineno} {code.co_qualname}"
