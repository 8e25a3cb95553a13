"""Servers of the lab: a generated and installed service, and the lab's own routes, run with the service's packages."""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.experiment import LabError
from tests.programs import background, environment, find_uv, run
from tests.repository import ROOT, cookiecutter_home, copy_template

BUILD = ROOT / ".build" / "lab"
VENV = BUILD / "venv"
STOP_SECONDS = 20
"""The most seconds that a server may take to stop, together with the throwaway PostgreSQL."""
PYTHON = Path("Scripts", "python.exe") if os.name == "nt" else Path("bin", "python")


@dataclass(frozen=True, slots=True)
class Installed:
    """A generated service, and the virtual environment with the service's packages."""

    folder: Path
    venv: Path

    @property
    def python(self) -> Path:
        """The Python interpreter of the virtual environment."""
        return self.venv / PYTHON


@contextmanager
def installed() -> Iterator[Installed]:
    """Generate a service with worker processes, install the packages, and yield the service.

    Only the first installation takes long. The service stands in a folder of its own, so that two labs may run at once,
    and is deleted in the end.

    Raises:
        LabError: the packages could not be installed.
    """
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=BUILD, ignore_cleanup_errors=True) as name:
        template, service = copy_template(Path(name) / "template"), Path(name) / "order-service"
        options = ["--no-input", "--output-dir", name, "--config-file", str(cookiecutter_home(Path(name)))]
        _must([sys.executable, "-m", "cookiecutter", str(template), "example=showcases", *options], ROOT, environment())
        variables = environment({"UV_PROJECT_ENVIRONMENT": str(VENV), "UV_PYTHON_DOWNLOADS": "never"})
        _must([find_uv(), "sync", "--python", sys.executable], service, variables)
        yield Installed(service, VENV)


def _must(command: Sequence[str | Path], folder: Path, variables: Mapping[str, str]) -> None:
    done = run(command, folder, env=variables)
    if done.returncode:
        raise LabError(f"The service could not be made: {done.stderr.strip()}")


@contextmanager
def serving(service: Installed, logs: Path, *, database: bool) -> Iterator[str]:
    """Run the lab's service with a downstream and, if asked for, a database; yield the service's address.

    The downstream is a second instance of the lab's service.
    """
    with ExitStack() as stack:
        downstream = stack.enter_context(_server(service, logs / "downstream.log"))
        options = ["--downstream", downstream, *(["--database"] if database else [])]
        yield stack.enter_context(_server(service, logs / "service.log", *options))


@contextmanager
def _server(service: Installed, log: Path, *options: str) -> Iterator[str]:
    command = [str(service.python), "-m", "lab.service", *options]
    with background(command, service.folder, environment({"PYTHONPATH": str(ROOT)}), log) as program:
        try:
            yield program.line("ready ").removeprefix("ready ")
        finally:
            if program.process.stdin:
                program.process.stdin.close()  # the server and PostgreSQL stop when this input ends
            program.process.wait(STOP_SECONDS)
