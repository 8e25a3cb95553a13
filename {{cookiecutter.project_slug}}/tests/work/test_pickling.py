"""A call whose arguments, result or exception cannot be pickled fails in its caller; the worker process goes on."""

import os
from collections.abc import AsyncIterator, Callable

import pytest

from app.work.process_child import CallFailed
from app.work.processes import Processes
from tests.computed_functions import (
    BrokenCopy,
    fail_with_a_lock,
    fail_with_two_arguments,
    return_a_broken_copy,
    return_a_lock,
    take,
)


@pytest.fixture
async def processes() -> AsyncIterator[Processes]:
    """A single worker process, with a timeout of 30 s that no test reaches."""
    processes = Processes(processes=1, timeout_seconds=30)
    # a call waits up to 60 s, since a process starts slowly on a busy machine
    processes.bulkhead.queue_timeout_seconds = 60
    yield processes
    await processes.close()


@pytest.mark.parametrize(
    ("function", "arguments", "error", "message"),
    [
        (fail_with_two_arguments, (), CallFailed, r"tests\.computed_functions\.TwoArguments: stock: no answer"),
        (fail_with_a_lock, (), CallFailed, r"tests\.computed_functions\.HasLock: its text"),
        (return_a_lock, (), TypeError, "cannot pickle"),
        (take, (BrokenCopy(),), FileNotFoundError, "nowhere"),
        (return_a_broken_copy, (), FileNotFoundError, "nowhere"),
    ],
)
async def test_what_the_pipe_cannot_carry_is_an_error_of_the_caller_and_keeps_the_process(
    processes: Processes,
    function: Callable[..., object],
    arguments: tuple[object, ...],
    error: type[Exception],
    message: str,
) -> None:
    process = await processes.run(os.getpid)

    with pytest.raises(error, match=message) as failure:
        await processes.run(function, *arguments)
    assert function is return_a_broken_copy or "Traceback" in failure.value.__notes__[0]
    assert await processes.run(os.getpid) == process
