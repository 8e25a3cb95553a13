"""The servers that run during a measurement: the throwaway PostgreSQL, and the programs under gunicorn."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.build import LEAN_PYTHON, PYTHON, SERVICE_FOLDER
from benchmarks.variants import Variant
from tests.programs import Program, background, environment, free_port

WORKERS = 2
"""The number of each program's worker processes: two is the smallest number that shows how work is divided."""


@dataclass(frozen=True, slots=True)
class Database:
    """A running PostgreSQL: the log, the process id of the server, and the URL of each database."""

    log: Path
    pid: int
    urls: dict[str, str]


@dataclass(frozen=True, slots=True)
class Server:
    """A program under gunicorn that answers at the URL `url`."""

    variant: Variant
    program: Program
    url: str

    @property
    def pid(self) -> int:
        """The process id of gunicorn's master."""
        return self.program.process.pid

    def workers(self) -> list[psutil.Process]:
        """Return the worker processes: the master's children without the metrics exporter."""
        children = psutil.Process(self.pid).children()
        return [child for child in children if "app.observability.exporter" not in " ".join(child.cmdline())]


@contextmanager
def database(logs: Path) -> Iterator[Database]:
    """Yield the service's own throwaway PostgreSQL, migrated and filled."""
    logs.mkdir(parents=True, exist_ok=True)
    command: list[str | Path] = [PYTHON, "-m", "measurements.throwaway_databases"]
    with background(command, SERVICE_FOLDER, environment(), logs / "database.log") as holder:
        found = json.loads(holder.line("ready ").removeprefix("ready "))
        yield Database(Path(found["log"]), found["pid"], found["urls"])
        if holder.process.stdin:
            holder.process.stdin.close()
        holder.process.wait(30)


UNUSED = {"DOWNSTREAMS__RATES__BASE_URL": "http://127.0.0.1:9/rates"}
"""The URL of a downstream that no benchmark calls: without this setting, a service refuses to start in production."""


@contextmanager
def serving(variant: Variant, database_url: str, logs: Path) -> Iterator[Server]:
    """Run a program under gunicorn with two workers, and yield the server once both workers have started."""
    port = free_port()
    variables = environment(
        {"DATABASE_URL": database_url, "PORT": str(port), "WEB_CONCURRENCY": str(WORKERS), "DRAIN_SECONDS": "0"}
        | UNUSED
    )
    address = (f"--bind=127.0.0.1:{port}", f"--workers={WORKERS}")
    command = [str(LEAN_PYTHON), "-m", "gunicorn", variant.target, *variant.arguments, *address]
    log = logs / f"{variant.name}.log"
    with background(command, SERVICE_FOLDER, variables | dict(variant.environment), log) as program:
        server = Server(variant, program, f"http://127.0.0.1:{port}")
        program.wait_for(lambda: program.output().count("Application startup complete") == WORKERS or None)
        yield server
        program.stop()


@contextmanager
def all_serving(variants: tuple[Variant, ...], database_url: str, logs: Path) -> Iterator[dict[str, Server]]:
    """Run all compared programs at once, and yield each by name; a program without load takes no CPU time."""
    with ExitStack() as stack:
        yield {variant.name: stack.enter_context(serving(variant, database_url, logs)) for variant in variants}
