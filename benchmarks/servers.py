"""Start the database and the programs, and end them."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from tests.programs import Program, background, environment, free_port

from benchmarks.build import LEAN_PYTHON, PYTHON, SERVICE
from benchmarks.variants import Variant

WORKERS = 2


@dataclass(frozen=True, slots=True)
class Database:
    """A running PostgreSQL."""

    log: Path
    pid: int
    urls: dict[str, str]


@dataclass(frozen=True, slots=True)
class Server:
    """A program that answers."""

    variant: Variant
    program: Program
    url: str

    @property
    def pid(self) -> int:
        """The process id of gunicorn's master."""
        return self.program.process.pid

    def workers(self) -> list[psutil.Process]:
        """Return its worker processes."""
        return psutil.Process(self.pid).children()


@contextmanager
def database(logs: Path) -> Iterator[Database]:
    """Yield the throwaway PostgreSQL of the service's own tools, migrated and filled."""
    logs.mkdir(parents=True, exist_ok=True)
    with background([PYTHON, "-m", "bench.database"], SERVICE, environment(), logs / "database.log") as holder:
        found = json.loads(holder.line("ready ").removeprefix("ready "))
        yield Database(Path(found["log"]), found["pid"], found["urls"])
        if holder.process.stdin:
            holder.process.stdin.close()
        holder.process.wait(30)


@contextmanager
def serving(variant: Variant, database_url: str, logs: Path) -> Iterator[Server]:
    """Yield one program under gunicorn with two workers, once both answer."""
    port = free_port()
    variables = environment(
        {"DATABASE_URL": database_url, "PORT": str(port), "WEB_CONCURRENCY": str(WORKERS), "DRAIN_SECONDS": "0"}
    )
    address = (f"--bind=127.0.0.1:{port}", f"--workers={WORKERS}")
    command = [str(LEAN_PYTHON), "-m", "gunicorn", variant.target, *variant.arguments, *address]
    log = logs / f"{variant.name}.log"
    with background(command, SERVICE, variables | dict(variant.environment), log) as program:
        server = Server(variant, program, f"http://127.0.0.1:{port}")
        program.wait_for(lambda: program.output().count("Application startup complete") == WORKERS or None)
        yield server
        program.stop()


@contextmanager
def all_serving(variants: tuple[Variant, ...], database_url: str, logs: Path) -> Iterator[dict[str, Server]]:
    """Yield every program by name; those that wait cost nothing."""
    with ExitStack() as stack:
        yield {variant.name: stack.enter_context(serving(variant, database_url, logs)) for variant in variants}
