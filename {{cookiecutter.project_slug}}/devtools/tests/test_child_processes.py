"""The development runner's child processes end together, even when a child ignores signals or Ctrl-C comes twice."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from devtools.tests.server_users import PROJECT, marked, read_until, soon

on_linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")

CHILDREN = """
import sys
from pathlib import Path
from devtools.child_processes import *
stubborn = '''
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], stdout=subprocess.DEVNULL)
print("up", flush=True)
time.sleep(300)
'''
with ChildProcesses(Path("."), stop_seconds=0.3) as children:
    for name, code in ("the stubborn child", stubborn), ("the second child", sys.argv[1]):
        children.start(name, [sys.executable, "-c", code], dict(os.environ))
    try:
        while True:
            children.pause()
    except (ChildEnded, StopRequested) as reason:
        print(repr(reason), flush=True)
"""


WAIT_FOR_THE_GRANDCHILD = """
import os, time
from devtools.tests.server_users import marked
while len(marked(os.environ["MARK"])) < 6:
    time.sleep(0.02)
"""


@contextmanager
def children(mark: str, code: str) -> Iterator[subprocess.Popen[str]]:
    """Run ChildProcesses with two children: the first ignores SIGTERM and has a child, the second runs `code`."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILDREN, code],
        cwd=PROJECT,
        env=os.environ | {"MARK": mark},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.wait(60)
            for pid in marked(mark):
                with suppress(ProcessLookupError):  # the process has just ended by itself
                    os.kill(pid, signal.SIGKILL)


@on_linux
def test_a_child_that_ends_is_named_and_the_rest_is_ended_with_all_grandchildren() -> None:
    mark = secrets.token_hex(8)
    with children(mark, WAIT_FOR_THE_GRANDCHILD + "raise SystemExit(3)") as process:
        output = read_until(process, "ended")
        code = process.wait(60)
        left = marked(mark)

    assert output.splitlines() == ["up", "ChildEnded('the second child ended unexpectedly, with exit code 3')"]
    assert (code, left) == (0, [])


@on_linux
def test_a_second_ctrl_c_does_not_interrupt_the_stopping() -> None:
    mark = secrets.token_hex(8)
    with children(mark, "import time; time.sleep(300)") as process:
        read_until(process, "up")
        process.send_signal(signal.SIGINT)
        output = read_until(process, "StopRequested")
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
        left = marked(mark)

    assert (output, code, left) == ("StopRequested()\n", 0, [])


@on_linux
def test_kill_minus_9_of_the_runner_ends_its_children() -> None:
    mark = secrets.token_hex(8)
    with children(mark, "import time; time.sleep(300)") as process:
        read_until(process, "up")
        complete = soon(lambda: len(marked(mark)) == 6)  # 6: runner, two children, their wrappers, a grandchild
        process.kill()
        ended = soon(lambda: not marked(mark))

    assert (complete, ended) == (True, True)


@on_linux
def test_a_killed_end_with_parent_leaves_no_process_behind() -> None:
    mark = secrets.token_hex(8)
    with children(mark, "import os, signal; os.kill(os.getppid(), signal.SIGKILL); signal.pause()") as process:
        output = read_until(process, "ended")
        process.wait(60)
        left = marked(mark)

    assert "with exit code 137" in output
    assert left == []
