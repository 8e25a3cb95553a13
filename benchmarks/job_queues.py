"""The command `jobs`: compares a service's jobs with other job queues, and writes the table of docs/performance.md."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.build import BUILD, OVERLAY, BuildError
from benchmarks.documents import replace_section
from benchmarks.layer_costs import DOCUMENT
from drawing.tables import Table, markdown_lines
from tests.programs import background, environment, find_uv, must, run
from tests.repository import copy_template, render

ROUNDS = 3
FOLDER = BUILD / "jobs"
SERVICE = FOLDER / "order-service"
OWN_PYTHON = FOLDER / "venv" / "bin" / "python"
OTHERS = FOLDER / "others"
PACKAGES = (
    "asyncpg>=0.31,<0.33",
    "procrastinate>=3.10,<4",
    "psycopg[binary,pool]>=3.3,<4",
    "saq[postgres]>=0.26.4,<0.27",
    "taskiq>=0.13,<0.14",
    "taskiq-postgres>=0.9.1,<0.10",
)
"""The packages of the other job queues, which no service has."""

OWN = "these jobs (pgqueuer)"
ENGINES = {
    OWN: "in the transaction",
    "procrastinate": "in the transaction",
    "saq": "after the commit",
    "taskiq": "after the commit; lost with a killed worker",
}
"""The compared job queues, and when each enqueues a write's job: in the write's transaction or after the commit."""

SECTION = "jobs"
VARIABLES = {
    "ENVIRONMENT": "production",
    "WEB_CONCURRENCY": "1",
    "JOBS__MAX_CONCURRENT": "40",
    "JOBS__POOL_LIMIT": "10",
    "DOWNSTREAMS__RATES__BASE_URL": "http://127.0.0.1:9/",
    "DOWNSTREAMS__CONFIRMATIONS__BASE_URL": "http://127.0.0.1:9/",
}
"""The settings of the measured service: 40 concurrent jobs as in the other job queues, and 13 database connections."""

Figures = Mapping[str, float]


def measure(rounds: int) -> None:
    """Measure all job queues in turn, each on an empty database, and write the table."""
    install()
    found: dict[str, list[Figures]] = {engine: [] for engine in ENGINES}
    for number in range(rounds):
        order = [*ENGINES][number % len(ENGINES) :] + [*ENGINES][: number % len(ENGINES)]
        for engine in order:
            print(f"round {number + 1} of {rounds}: {engine}", flush=True)
            found[engine].append(figures(engine))
    text = "\n".join(markdown_lines(table(found)))
    print(text)
    replace_section(DOCUMENT, SECTION, text)


def install() -> None:
    """Generate a service with jobs, and install the service and the other job queues into separate environments."""
    shutil.rmtree(SERVICE, ignore_errors=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        render(copy_template(Path(folder) / "template"), FOLDER, {"jobs": "yes"})
    shutil.copytree(OVERLAY / "measurements", SERVICE / "measurements")
    own = environment({"UV_PROJECT_ENVIRONMENT": str(OWN_PYTHON.parents[1]), "UV_PYTHON_DOWNLOADS": "never"})
    must([find_uv(), "sync", "--quiet", "--python", sys.executable], SERVICE, env=own)
    must([find_uv(), "venv", "--quiet", "--clear", "--python", sys.executable, OTHERS], FOLDER)
    must([find_uv(), "pip", "install", "--quiet", "--python", OTHERS / "bin/python", *PACKAGES], FOLDER)


@contextmanager
def scratch_database() -> Iterator[str]:
    """Yield the URL of an empty database on a PostgreSQL that waits for the disk at each commit (fsync)."""
    command: list[str | Path] = [OWN_PYTHON, "-m", "measurements.scratch_database"]
    with background(command, SERVICE, environment(), FOLDER / "database.log") as holder:
        yield holder.line("ready ").removeprefix("ready ")
        if holder.process.stdin:
            holder.process.stdin.close()
        holder.process.wait(30)


def figures(engine: str) -> Figures:
    """Measure a job queue a single time, on an empty database.

    Raises:
        BuildError: the measuring program failed.
    """
    target = FOLDER / "figures.json"
    target.unlink(missing_ok=True)
    with scratch_database() as url:
        command: list[str | Path] = [OTHERS / "bin/python", OVERLAY / "measurements/other_jobs.py", engine, target]
        variables = environment({"DATABASE_URL": url} | (VARIABLES if engine == OWN else {}))
        if engine == OWN:
            must([OWN_PYTHON, "-m", "alembic", "upgrade", "head"], SERVICE, env=variables)
            command = [OWN_PYTHON, "-m", "measurements.own_jobs", target]
        done = run(command, SERVICE, env=variables)
    if not target.exists():
        raise BuildError(f"{engine} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    found: Figures = json.loads(target.read_text("utf-8"))
    return found


def table(found: Mapping[str, list[Figures]]) -> Table:
    """Return the table of job queues: the median of each figure over the rounds, and ratios of the jobs per second."""
    rows = []
    for engine, rounds in found.items():
        enqueue, rate, start = (
            median(one[name] for one in rounds) for name in ("enqueue_ms", "jobs_per_second", "start_ms")
        )
        pairs = zip(rounds, found[OWN], strict=True)
        ratio = median(own["jobs_per_second"] / one["jobs_per_second"] for one, own in pairs)
        times = f"{ratio:.1f} x" if engine != OWN else "-"
        statements = f", {rounds[0]['statements']:.0f} statements" if engine == OWN else ""
        rows.append(
            [engine, ENGINES[engine], f"{enqueue:.1f} ms{statements}", f"{rate:.0f}/s", times, f"{start:.0f} ms"]
        )
    heads = ("engine", "enqueued", "an enqueue adds", "2,000 jobs drained", "these jobs are", "start when idle, p50")
    return Table("Jobs", heads, rows)
