"""What a thread is doing at this moment, seen from another one."""

import asyncio
import gc
import sys
from contextvars import Context
from dataclasses import dataclass
from pathlib import Path
from traceback import walk_stack
from types import FrameType
from typing import Any

from app.observability.request_id import request_id, request_scope

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
    task = asyncio.current_task(loop)
    context = _context_of(task) if task else Context()
    scope = context.get(request_scope) or {}
    return Sample(
        stack="\n".join(map(_named, frames[:FRAMES])),
        method=scope.get("method"),
        path=scope.get("path"),  # without the query: people put secrets there
        request_id=context.get(request_id),
        task=task.get_name() if task else None,
    )


def _context_of(task: asyncio.Task[Any]) -> Context:
    """Return the context variables of a task: a request's own, or one that a request started and that inherits them."""
    if sys.version_info >= (3, 12):
        return task.get_context()
    # Python 3.11 has no method for it. A task holds its context first, and then perhaps those of its callbacks.
    return next((held for held in gc.get_referents(task) if isinstance(held, Context)), Context())


def _named(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_filename.removeprefix(HERE)}:{frame.f_lineno} {code.co_qualname}"
