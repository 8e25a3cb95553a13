"""The command `offload`: measures the ways to offload work, and the loop monitor, for docs/never-block.md."""

from collections.abc import Iterator, Mapping

from benchmarks import in_process
from benchmarks.build import BUILD
from benchmarks.documents import replace_section
from benchmarks.servers import database
from drawing.tables import Table, markdown_lines
from tests.repository import ROOT

DOCUMENT = ROOT / "docs" / "never-block.md"
SECTION = "offload"

WAYS = {
    "await": ("`await` it", "it waits, and has an async library"),
    "supervisor": (
        "`SupervisorDep`: a background task that goes on after the response",
        "no caller waits for its result",
    ),
    "thread": ("`OffloadDep.blocking`: a thread", "it waits without async, or computes in C that releases the lock"),
    "process": ("`ProcessesDep.run`: a running worker process", "it computes in Python, or in C that keeps the lock"),
    "process, started": (
        "`ProcessesDep.run`: a worker process that has to be started",
        "it is the first call, or the first call after a worker process died",
    ),
}


def measure() -> None:
    """Measure the ways to offload work, and write the table to the terminal and into docs/never-block.md."""
    logs = BUILD / "logs"
    with database(logs) as postgres:
        print("timing the ways to offload work, for half a minute", flush=True)
        found = in_process.run("measurements.offload_costs", database_url=postgres.urls["measured"], logs=logs)
    text = "\n".join(lines(found))
    print(text)
    replace_section(DOCUMENT, SECTION, text)


def lines(found: Mapping[str, float]) -> Iterator[str]:
    """Yield the table of the ways to offload work, and the cost of the loop monitor."""
    rows = [[way, work, _time(found[name])] for name, (way, work) in WAYS.items()]
    yield from markdown_lines(Table("Ways", ("way", "for work that", "costs"), rows))
    yield ""
    change = (found["monitored"] - 1) * 100
    yield f"The loop monitor: {change:+.1f} % requests a second on a route that does nothing, in paired turns."


def _time(microseconds: float) -> str:
    if microseconds >= 1000:  # noqa: PLR2004 - 1000 microseconds are a millisecond
        return f"{microseconds / 1000:.0f} ms"
    return f"{microseconds:.0f} us" if microseconds >= 1 else "under 1 us"
