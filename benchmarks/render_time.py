"""Render time: the seconds in which cookiecutter turns the template into a service, hooks included."""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.build import BuildError
from tests.programs import run
from tests.repository import cookiecutter_home, copy_template

RENDERS = 3


def render_seconds() -> float:
    """Return the median of several renders, without the lock file, which `make setup` writes over the network."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        template = copy_template(folder / "template")
        return median(_render(template, folder / str(turn)) for turn in range(RENDERS))


def _render(template: Path, target: Path) -> float:
    target.mkdir()
    command = [sys.executable, "-m", "cookiecutter", str(template), "--no-input", "--output-dir", str(target)]
    home = str(cookiecutter_home(target))
    started = time.perf_counter()
    done = run([*command, "--config-file", home], target)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise BuildError(done.stdout + done.stderr)
    return seconds
