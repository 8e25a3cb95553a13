"""Fails the test in which code of the service blocks the event loop, or leaves something behind.

`conftest.py` puts `guarded` around every client, so around every test that runs the app. Two gates look at the loop:
blockbuster raises where a call blocks that is known to, however short it is; the service's own monitor takes down
whatever takes long, with its stack.
"""

import asyncio
import gc
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from blockbuster import BlockBuster, BlockingError, blockbuster
from fastapi import FastAPI

from app.lifespan import Resources
from app.observability.loop_monitor import LoopMonitor
from app.observability.stacks import Sample, sample_of
from app.pool import FairPool
from app.supervisor import Supervisor

STALL_SECONDS = 0.2
"""Of work, and not of waiting for a processor that others use."""

OWN_FRAMES = 3
"""Of the gate, between the call and whoever looks at its stack."""

LIBRARIES = (
    ("tests/blocking.py", "waited_for_a_processor"),
    ("asyncpg/connect_utils.py", "_parse_connect_arguments"),  # each new connection looks for the person's certificates
    ("fastapi/routing.py", "_extract_endpoint_context"),  # looks for the source of a handler that fails, once
    ("importlib/metadata/__init__.py", "version"),
    ("mimetypes.py", "init"),  # once, as the next
    ("zoneinfo/_common.py", "load_tzdata"),
    ("zoneinfo/_tzpath.py", "find_tzfile"),
)
"""Where this gate and libraries make short blocking calls that nobody else can avoid."""

QUICK = ("os.getcwd", "os.path.abspath", "os.path.samestat")
"""Calls that only ask the kernel for what it has in memory, or nobody at all."""

RUNNER = "_call_in_runner_task"
"""The tasks in which anyio runs tests and fixtures."""

END_SECONDS = 1.0
"""For a task that is about to end when the test does."""


class BlockedLoop(Exception):
    """Code of the service blocked the event loop."""


class LeftBehind(Exception):
    """A test ended, and something that it had begun had not."""


@dataclass(slots=True)
class Findings:
    """What the gates saw."""

    calls: list[str] = field(default_factory=list)
    """Blocking calls that blockbuster refused, whoever caught its exception."""
    stalls: list[str] = field(default_factory=list)
    """What took too long, with its stack."""

    def complain(self) -> None:
        """Fail the test.

        Raises:
            BlockedLoop: there is something.
        """
        if self.calls or self.stalls:
            raise BlockedLoop(
                "\n\n".join([*self.calls, *self.stalls]) + "\n\nAwait something else, or hand it to `OffloadDep`."
            )


def waited_for_a_processor(thread: int) -> float:
    """Return the seconds that a thread was ready to run and did not; only Linux tells."""
    try:
        return int(Path(f"/proc/self/task/{thread}/schedstat").read_text("ascii").split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


class Watch(LoopMonitor):
    """The service's own monitor, without the waits for a processor that others use."""

    def __init__(self, stalls: list[str]) -> None:
        super().__init__(STALL_SECONDS, self._note)
        self._stalls = stalls
        self._thread_id = threading.get_native_id()
        self._before = waited_for_a_processor(self._thread_id)

    def _beat(self) -> None:
        super()._beat()
        self._before = waited_for_a_processor(self._thread_id)

    def _note(self, event: str, seconds: float, sample: Sample | None) -> None:
        waited = waited_for_a_processor(self._thread_id) - self._before
        if seconds - waited >= STALL_SECONDS:
            stack = sample.stack if sample else "by a call in C that left no stack"
            self._stalls.append(f"The {event} for {seconds:.2f} s:\n{stack}")


@cache
def freeze_what_is_loaded() -> None:
    """Take all that the tests have imported out of the garbage collector's rounds, which would stop the loop."""
    gc.collect()
    gc.freeze()


@contextmanager
def gates(*modules: str) -> Generator[Findings]:
    """Look at the event loop, at code of these modules, while the block runs.

    Raises:
        BlockedLoop: something blocked it.
    """
    freeze_what_is_loaded()
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
        for place in LIBRARIES:
            function.can_block_in(*place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blockbuster, "BlockingError", Noted)
        with Watch(findings.stalls):  # outside of the other, which would refuse the locks of its thread
            buster.activate()
            try:
                yield findings
            finally:
                buster.deactivate()
    findings.complain()


@asynccontextmanager
async def guarded(app: FastAPI) -> AsyncGenerator[None]:
    """Fail when the service blocks the loop in this block, or leaves a task or a connection behind.

    Raises:
        BlockedLoop: something blocked the loop.
        LeftBehind: a task has not ended, or a connection was not given back.
    """
    before, held = asyncio.all_tasks(), connections_of(app)
    with gates("app"):
        yield
        await asyncio.sleep(0)
    owned = supervisor_of(app)
    begun = {
        task
        for task in asyncio.all_tasks() - before
        if RUNNER not in repr(task.get_coro()) and not (owned and owned.owns(task))
    }
    if begun:
        await asyncio.wait(begun, timeout=END_SECONDS)
    left = [f"task {task.get_name()}: {task.get_coro()}" for task in begun if not task.done()]
    if connections_of(app) > held:
        left.append(f"{connections_of(app) - held} database connections")
    if left:
        raise LeftBehind("\n".join(left))


def supervisor_of(app: FastAPI) -> Supervisor | None:
    """Return what owns the tasks that may outlive a test; the end of the app waits for them."""
    resources: Resources | None = getattr(app.state, "resources", None)
    return resources.supervisor if resources else None


def connections_of(app: FastAPI) -> int:
    """Return how many connections of the app's pool are lent."""
    resources: Resources | None = getattr(app.state, "resources", None)
    pool = resources.engine.pool if resources else None
    return pool.gate.in_use if isinstance(pool, FairPool) else 0
