"""`make demo` as on a new developer's machine: without uv, with an empty home folder, ended by Ctrl-C."""

import os
import re
import shlex
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.programs import Program, background, environment, must, run
from tests.repository import copy_template

STOP_SECONDS = 20
"""How long to wait until all processes have ended, in seconds.

PostgreSQL and its guard process take 2 s after the last message; the wait is ten times as long.
"""


def of_folder(folder: Path) -> list[str]:
    """Return the command lines of all processes that run in a folder or refer to it."""
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            if str(folder) in " ".join([*command, process.cwd()]):
                found.append(" ".join(command))
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def left_in(folder: Path) -> list[str]:
    """Return the processes of a folder that still run when STOP_SECONDS are over."""
    end = time.monotonic() + STOP_SECONDS
    while (left := of_folder(folder)) and time.monotonic() < end:
        time.sleep(0.1)
    return left


def press_ctrl_c(program: Program) -> int:
    """Send SIGINT to the whole foreground process group, as a terminal does for Ctrl-C."""
    os.killpg(program.process.pid, signal.SIGINT)
    return program.process.wait(30)


def legs(output: str) -> list[str]:
    """Return the start-up steps that the demo prints, each with the seconds since the start."""
    return [
        number or word
        for number, word in re.findall(r"^(?:\[(\d/3)\] \d+ s  |  ?\d+\.\d s  (\w+))", output, re.MULTILINE)
    ]


@pytest.fixture
def fresh_machine(tmp_path: Path) -> dict[str, str]:
    """Return an environment with an empty home folder and without uv; downloads of earlier tests are reused."""
    cache = must(["uv", "cache", "dir"], tmp_path).strip()
    (tmp_path / "home").mkdir()
    return environment({"HOME": str(tmp_path / "home"), "UV_CACHE_DIR": cache}, with_uv=False) | keep_pyenv()


def keep_pyenv() -> dict[str, str]:
    """Return the variable with the folder of pyenv, which pyenv would otherwise look for in the empty home folder."""
    root = os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv")
    return {"PYENV_ROOT": root} if Path(root).is_dir() else {}


@pytest.mark.needs_program("curl", "apt-get install curl")  # the demo prints a command that calls curl
def test_the_demo_serves_and_leaves_nothing_running(
    tmp_path: Path, workshop: Path, fresh_machine: dict[str, str]
) -> None:
    clone = copy_template(workshop / "service-template")

    for attempt in ("first", "second"):
        with background(["make", "demo"], clone, fresh_machine, tmp_path / f"{attempt}.log") as demo:
            demo.wait_for(lambda: "Ctrl-C stops everything." in demo.output() or None, seconds=300)
            curl = re.search(r"^  try +(curl .+)$", demo.output(), re.MULTILINE)
            address = re.search(r"^  open +(http\S+)/docs$", demo.output(), re.MULTILINE)
            started = demo.with_children()
            assert curl
            assert address
            assert legs(demo.output()) == ["1/3", "2/3", "3/3", "starting", "migrating", "serving", "ready"]
            answer = run([*shlex.split(curl[1]), "--write-out", "%{http_code}"], tmp_path)
            page = run(["curl", "--silent", "--fail", f"{address[1]}/openapi.json"], tmp_path)

            code = press_ctrl_c(demo)

            assert answer.stdout.endswith("201"), answer.stdout
            assert page.returncode == 0
            assert code == -signal.SIGINT, demo.output()  # make dies by the same signal; a shell would show 130
            assert "Traceback" not in demo.output()
            assert psutil.wait_procs(started, timeout=STOP_SECONDS)[1] == []
            assert left_in(clone) == []


def test_the_demo_leaves_the_checkout_clean(template: Path) -> None:
    ignored = must(["git", "check-ignore", ".build/", ".uv/", ".venv/", "uv.lock"], template)

    assert ignored.split() == [".build/", ".uv/", ".venv/", "uv.lock"]
