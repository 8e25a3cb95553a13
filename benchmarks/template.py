"""Time how long the template takes to become a service: the command that a person types, its hooks included."""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.programs import run
from tests.repository import cookiecutter_home, copy_template

from benchmarks.build import BuildError

TIMES = 3


def render_seconds() -> float:
    """Return the median of a few times. No lock is written: that is `make setup`'s, and it needs a network."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        template = copy_template(folder / "template")
        return median(_one(template, folder / str(turn)) for turn in range(TIMES))


def _one(template: Path, target: Path) -> float:
    target.mkdir()
    command = [sys.executable, "-m", "cookiecutter", str(template), "--no-input", "--output-dir", str(target)]
    home = str(cookiecutter_home(target))
    started = time.perf_counter()
    done = run([*command, "--config-file", home], target)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise BuildError(done.stdout + done.stderr)
    return seconds
