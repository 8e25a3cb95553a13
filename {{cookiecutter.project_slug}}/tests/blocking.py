"""Blocking-call checks fail a test when code of the service blocks the event loop.

Blockbuster raises inside each call that is known to block, however short the call is; the service's own loop monitor
records every long stall of the loop with its stack. `guarded.py` runs both around every test that runs the app.
"""

import asyncio
import gc
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from blockbuster import BlockBuster, BlockingError, blockbuster

from app.observability.loop_monitor import LoopMonitor
from app.observability.stacks import Sample, sample_of
from app.request.deadline import pauses

STALL_SECONDS = 0.2
"""The shortest stall of the event loop, in seconds, that fails a test: a request would be noticeably late.

The time in which the thread waited for a CPU is subtracted first, so that a busy machine fails no test."""

OWN_FRAMES = 3
"""How many innermost stack frames, of blockbuster and of this file, the report of a blocking call leaves out."""

LIBRARIES = (
    ("tests/blocking.py", "waited_for_a_processor"),
    ("asyncpg/connect_utils.py", "_parse_connect_arguments"),  # asyncpg looks for certificates at each connect
    ("fastapi/routing.py", "_extract_endpoint_context"),  # FastAPI reads the source file of a failing handler, once
    ("importlib/metadata/__init__.py", "version"),
    ("mimetypes.py", "init"),  # Python reads the system's table of file types, once in a process
    ("bdb.py", "trace_dispatch"),  # a debugger waits while the developer types
    ("pdb.py", "__init__"),
    ("_pytest/debugging.py", "set_trace"),
    ("pydevd.py", "do_wait_suspend"),
    ("zoneinfo/_common.py", "load_tzdata"),
    ("zoneinfo/_tzpath.py", "find_tzfile"),
)
"""Functions inside which blockbuster allows blocking calls: the service cannot avoid these short calls."""

QUICK = ("os.getcwd", "os.path.abspath", "os.path.samestat")
"""File functions that blockbuster forbids and the tests allow: the kernel answers from memory, without a disk."""


class BlockedLoop(Exception):
    """The failure of a test in which code of the service blocked the event loop."""


@dataclass(slots=True)
class Findings:
    """The blocking calls and the stalls of the event loop that the checks saw during a test."""

    calls: list[str] = field(default_factory=list)
    """Blocking calls at which blockbuster raised an error, even if the service caught the error."""
    stalls: list[str] = field(default_factory=list)
    """Stalls of the event loop, each with the stack of the code that ran."""

    def complain(self) -> None:
        """Fail the test with all recorded blocking calls and stalls, if there are any.

        Raises:
            BlockedLoop: a blocking call or a stall was recorded.
        """
        if self.calls or self.stalls:
            raise BlockedLoop(
                "\n\n".join([*self.calls, *self.stalls])
                + "\n\nUse an async library, or run the call in a thread by `OffloadDep`."
            )


def waited_for_a_processor(thread: int) -> float:
    """Return the seconds for which a thread was ready to run but had no CPU; 0 outside of Linux."""
    try:
        return int(Path(f"/proc/self/task/{thread}/schedstat").read_text("ascii").split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


class Watch(LoopMonitor):
    """The service's loop monitor, minus waits for a CPU: a busy machine must not look like a blocked event loop."""

    def __init__(self, stalls: list[str]) -> None:
        super().__init__(STALL_SECONDS, self._note, pauses.add)
        self._stalls = stalls
        self._thread_id = threading.get_native_id()
        self._before = waited_for_a_processor(self._thread_id)

    def _beat(self) -> None:
        super()._beat()
        self._before = waited_for_a_processor(self._thread_id)

    def _note(self, event: str, seconds: float, sample: Sample | None) -> None:
        waited = waited_for_a_processor(self._thread_id) - self._before
        stack = sample.stack if sample else "by a call in C that left no stack"
        # While pytest formats a failure, the event loop stands still without a fault of the service.
        if seconds - waited >= STALL_SECONDS and "_pytest/_code/" not in stack:
            self._stalls.append(f"The {event} for {seconds:.2f} s:\n{stack}")


@cache
def freeze_imported_objects() -> None:
    """Exempt all imported modules from garbage collection: a full collection would stall the event loop."""
    gc.collect()
    gc.freeze()


@contextmanager
def blocking_checks(*modules: str) -> Generator[Findings]:
    """Detect blocking calls and long stalls of the event loop during a `with` block, in code of the packages `modules`.

    Raises:
        BlockedLoop: code blocked the event loop.
    """
    freeze_imported_objects()
    findings = Findings()

    class Noted(BlockingError):
        def __init__(self, function: str) -> None:
            super().__init__(function)
            stack = sample_of(threading.get_ident(), asyncio.get_running_loop()).stack.splitlines()
            findings.calls.append("\n".join([f"{self}:", *stack[OWN_FRAMES:]]))

    buster = BlockBuster(scanned_modules=list(modules))
    for name in QUICK:
        del buster.functions[name]
    for function in buster.functions.values():
        for file, name in LIBRARIES:
            function.can_block_in(file, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blockbuster, "BlockingError", Noted)
        with Watch(findings.stalls):  # started before blockbuster, which would forbid the locks of the monitor's thread
            buster.activate()
            try:
                yield findings
            finally:
                buster.deactivate()
    findings.complain()
