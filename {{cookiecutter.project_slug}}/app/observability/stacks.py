"""Samples the stack of the event loop's thread from a different thread, with the request being served."""

import asyncio
import gc
import re
import sys
from contextvars import Context
from dataclasses import dataclass
from pathlib import Path
from traceback import walk_stack
from types import FrameType
from typing import Any

from app.request.identity import request_id, request_scope

FRAMES = 20
"""The number of innermost frames in a sample of the stack; outer frames belong to the server and the framework."""

DEBUGGER = re.compile(r"(?:^|[/\\])(?:bdb|pydevd)\.py$")
"""Matches the files in which debuggers stop a thread: bdb.py for pdb, and pydevd.py for debugpy and PyCharm."""

HERE = f"{Path(__file__).parents[2]}/"


@dataclass(frozen=True, slots=True)
class Sample:
    """A sampled stack of the event loop's thread, and the request that was being served."""

    stack: str
    """One line `file:line function` per frame, the innermost frame first."""
    method: str | None = None
    path: str | None = None
    request_id: str | None = None
    task: str | None = None


def sample_of(thread: int, loop: asyncio.AbstractEventLoop) -> Sample:
    """Sample the stack of an event loop's thread, and the current request, without stopping the thread."""
    frames = [frame for frame, _line in walk_stack(sys._current_frames().get(thread))]  # noqa: SLF001 - Python documents `_current_frames`, in spite of the underscore
    task = asyncio.current_task(loop)
    context = _context_of(task) if task else Context()
    scope = context.get(request_scope) or {}
    return Sample(
        stack="\n".join(map(_named, frames[:FRAMES])),
        method=scope.get("method"),
        path=scope.get("path"),  # the path without the query, which may hold secrets
        request_id=context.get(request_id),
        task=task.get_name() if task else None,
    )


def in_debugger(thread: int) -> bool:
    """Tell whether a debugger is on the stack of a thread: stopped at a breakpoint, or running in debug mode."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - Python documents `_current_frames`
    return any(DEBUGGER.search(caller.f_code.co_filename) for caller, _line in walk_stack(frame))


def _context_of(task: asyncio.Task[Any]) -> Context:
    """Return the context variables of a task; a task that a request started inherits the request's context."""
    if sys.version_info >= (3, 12):
        return task.get_context()
    # Python 3.11 has no `Task.get_context`. The first Context that a task refers to is the task's own context.
    return next((held for held in gc.get_referents(task) if isinstance(held, Context)), Context())


def _named(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_filename.removeprefix(HERE)}:{frame.f_lineno} {code.co_qualname}"
