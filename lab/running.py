"""Generate the service, install it, and start what the experiments ask."""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.programs import background, environment, find_uv, run
from tests.repository import ROOT, cookiecutter_home, copy_template

from lab.experiment import LabError

BUILD = ROOT / ".build" / "lab"
VENV = BUILD / "venv"
END_SECONDS = 20
PYTHON = Path("Scripts", "python.exe") if os.name == "nt" else Path("bin", "python")


@dataclass(frozen=True, slots=True)
class Installed:
    """A generated service and the environment that its packages are in."""

    folder: Path
    venv: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.venv / PYTHON


@contextmanager
def installed() -> Iterator[Installed]:
    """Yield a newly generated service with the default answers; only the first installation takes long.

    It stands in a folder of its own, so that two labs may run at once, and is deleted in the end.

    Raises:
        LabError: the packages could not be installed.
    """
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=BUILD, ignore_cleanup_errors=True) as name:
        template, service = copy_template(Path(name) / "template"), Path(name) / "order-service"
        options = ["--no-input", "--output-dir", name, "--config-file", str(cookiecutter_home(Path(name)))]
        _must([sys.executable, "-m", "cookiecutter", str(template), *options], ROOT, environment())
        variables = environment({"UV_PROJECT_ENVIRONMENT": str(VENV), "UV_PYTHON_DOWNLOADS": "never"})
        _must([find_uv(), "sync", "--python", sys.executable], service, variables)
        yield Installed(service, VENV)


def _must(command: Sequence[str | Path], folder: Path, variables: Mapping[str, str]) -> None:
    done = run(command, folder, env=variables)
    if done.returncode:
        raise LabError(f"The service could not be made: {done.stderr.strip()}")


@contextmanager
def serving(service: Installed, logs: Path, *, database: bool) -> Iterator[str]:
    """Yield the address of the lab's service, with a neighbour to call and maybe a database; all end with the block."""
    with ExitStack() as stack:
        neighbour = stack.enter_context(_program(service, logs / "neighbour.log"))
        options = ["--neighbour", neighbour, *(["--database"] if database else [])]
        yield stack.enter_context(_program(service, logs / "service.log", *options))


@contextmanager
def _program(service: Installed, log: Path, *options: str) -> Iterator[str]:
    command = [str(service.python), "-m", "lab.service", *options]
    with background(command, service.folder, environment({"PYTHONPATH": str(ROOT)}), log) as program:
        try:
            yield program.line("ready ").removeprefix("ready ")
        finally:
            if program.process.stdin:
                program.process.stdin.close()  # it ends by itself, and PostgreSQL with it
            program.process.wait(END_SECONDS)
