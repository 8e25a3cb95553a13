"""Starts other programs as a developer would: in a clean environment, and without a process left behind."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil

from tests.repository import ROOT

Answer = TypeVar("Answer")

DROPPED = ("UV", "VIRTUAL_ENV", "PYTHON", "MAKE", "MAKEFLAGS", "MFLAGS", "DATABASE_URL", "PYTEST_")


def find_uv() -> str:
    """Return the path of the uv that started these tests, or of the uv on the PATH, or of the Makefile's private uv."""
    return os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".uv/bin/uv")


TYPES = ROOT / ".build" / "types"
"""The caches of mypy, one cache for each test lane: all generated services have the same packages, analysed once."""


def environment(extra: Mapping[str, str] | None = None, *, with_uv: bool = True) -> dict[str, str]:
    """Return the environment of a fresh terminal: without the tests' own virtual environment, with uv on the PATH.

    The folder of the private uv comes last on the PATH: it also has a `python3`, maybe of a different version than the
    machine's.
    """
    uv, private = str(Path(find_uv()).parent), str(ROOT / ".uv/bin")
    own = str(Path(sys.prefix, "bin"))
    path = [entry for entry in os.environ["PATH"].split(os.pathsep) if entry not in {own, private}]
    if with_uv:
        path.insert(len(path) if uv == private else 0, uv)
    else:
        path = [entry for entry in path if not Path(entry, "uv").exists()]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED)}
    clean |= {"PATH": os.pathsep.join(path), "PYTHON": os.environ.get("UV_PYTHON", "python3")}
    clean["MYPY_CACHE_DIR"] = str(TYPES / os.environ.get("PYTEST_XDIST_WORKER", "alone"))
    if "UV_CACHE_DIR" in os.environ:
        clean["UV_CACHE_DIR"] = os.environ["UV_CACHE_DIR"]
    return clean | dict(extra or {})


def run(
    command: Sequence[str | Path],
    folder: Path,
    *,
    env: Mapping[str, str] | None = None,
    typed: str = "",
    seconds: float = 600,
) -> subprocess.CompletedProcess[str]:
    """Run a command to the end, with `typed` as standard input, and return exit code and output.

    Args:
        command: the program and its arguments.
        folder: the working directory.
        env: the environment; by default that of a fresh terminal.
        typed: the standard input.
        seconds: the timeout of a hanging command: more than ten times what any command except a suite takes.
    """
    with subprocess.Popen(
        [str(part) for part in command],
        cwd=folder,
        env=environment() if env is None else dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            output, errors = process.communicate(typed, timeout=seconds)
        except BaseException:
            for member in with_children(process):  # a child that still runs would keep the pipes open forever
                kill(member)
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def must(command: Sequence[str | Path], folder: Path, *, env: Mapping[str, str] | None = None) -> str:
    """Run a command and return the output; fail the test if the command fails."""
    done = run(command, folder, env=env)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def with_children(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return a process and all its descendants, or nothing when it has ended."""
    try:
        parent = psutil.Process(process.pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def kill(process: psutil.Process) -> None:
    """Kill a process, which may have ended already."""
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


class Program:
    """A program that runs in the background, in a separate process group; the output goes to a file."""

    def __init__(self, command: Sequence[str | Path], folder: Path, env: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                cwd=folder,
                env=dict(env),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def output(self) -> str:
        """Return what the program has printed so far."""
        return self.log.read_text()

    def with_children(self) -> list[psutil.Process]:
        """Return the process of the program and all descendants of the process."""
        return with_children(self.process)

    def wait_for(self, look: Callable[[], Answer | None], seconds: float = 60) -> Answer:
        """Wait until a function returns a value that is not None, and return the value."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if (found := look()) is not None:
                return found
            assert self.process.poll() is None, f"it ended early:\n{self.output()}"
            time.sleep(0.05)
        raise AssertionError(f"it did not get there in {seconds:g} s:\n{self.output()}")

    def line(self, start: str) -> str:
        """Wait for the first complete output line with this beginning, and return the line."""
        return self.wait_for(lambda: next((x for x in self.output().split("\n")[:-1] if x.startswith(start)), None))

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 60) -> int:
        """Send a signal to the program, but not to the program's children, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def end(self) -> None:
        """Kill the program and all descendants of the program."""
        for member in self.with_children():
            kill(member)
        self.process.wait(10)
        if self.process.stdin:
            self.process.stdin.close()


@contextmanager
def background(command: Sequence[str | Path], folder: Path, env: Mapping[str, str], log: Path) -> Iterator[Program]:
    """Run a program in the background until the block ends."""
    program = Program(command, folder, env, log)
    try:
        yield program
    finally:
        program.end()


def free_port() -> int:
    """Return a port on 127.0.0.1 that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
