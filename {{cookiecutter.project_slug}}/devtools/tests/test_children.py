"""The runner's processes end together, also when they or the person do not behave."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devtools.tests.users import PROJECT, marked, read_until, within

on_linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes by /proc")

CHILDREN = """
import sys
from pathlib import Path
from devtools.children import *
stubborn = '''
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"], stdout=subprocess.DEVNULL)
print("up", flush=True)
time.sleep(30)
'''
with Children(Path("."), stop_seconds=0.3) as children:
    for name, code in ("the stubborn", stubborn), ("the other", sys.argv[1]):
        children.start(name, [sys.executable, "-c", code], dict(os.environ))
    try:
        while True:
            children.pause()
    except (ChildEnded, Stopped) as reason:
        print(repr(reason), flush=True)
"""


@contextmanager
def children(mark: str, other: str) -> Iterator[subprocess.Popen[str]]:
    """Run a child that has a child and ignores SIGTERM, and another one."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILDREN, other],
        cwd=PROJECT,
        env=os.environ | {"MARK": mark},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.wait(5)
            for pid in marked(mark):
                os.kill(pid, signal.SIGKILL)


@on_linux
def test_a_child_that_ends_is_named_and_the_others_are_ended_with_their_children() -> None:
    mark = secrets.token_hex(8)
    with children(mark, "import time; time.sleep(0.3); raise SystemExit(3)") as process:
        said = read_until(process, "ended")
        code = process.wait(5)
        left = marked(mark)

    assert said.splitlines() == ["up", "ChildEnded('the other ended by itself, with exit code 3')"]
    assert (code, left) == (0, [])


@on_linux
def test_an_impatient_second_ctrl_c_does_not_interrupt_the_stopping() -> None:
    mark = secrets.token_hex(8)
    with children(mark, "import time; time.sleep(30)") as process:
        read_until(process, "up")
        process.send_signal(signal.SIGINT)
        said = read_until(process, "Stopped")
        process.send_signal(signal.SIGINT)
        code = process.wait(5)
        left = marked(mark)

    assert (said, code, left) == ("Stopped()\n", 0, [])


@on_linux
def test_kill_minus_9_of_the_runner_ends_its_children() -> None:
    mark = secrets.token_hex(8)
    with children(mark, "import time; time.sleep(30)") as process:
        read_until(process, "up")
        complete = within(3, lambda: len(marked(mark)) == 6)  # the runner, two leashes, two children, a grandchild
        process.kill()
        gone = within(3, lambda: not marked(mark))

    assert (complete, gone) == (True, True)


@on_linux
def test_a_leash_that_was_killed_lets_nothing_escape() -> None:
    mark = secrets.token_hex(8)
    with children(mark, "import os, signal; os.kill(os.getppid(), signal.SIGKILL); signal.pause()") as process:
        said = read_until(process, "ended")
        process.wait(5)
        left = marked(mark)

    assert "with exit code 137" in said
    assert left == []
