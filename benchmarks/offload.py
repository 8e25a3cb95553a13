"""Measure what it costs to hand work over, and what the monitor costs; write the table into docs/never-block.md."""

from collections.abc import Iterator, Mapping

from tests.repository import ROOT

from benchmarks import inside
from benchmarks.build import BUILD
from benchmarks.ladder import write
from benchmarks.servers import database

DOCUMENT = ROOT / "docs" / "never-block.md"
BEGIN, END = "<!-- offload: begin -->", "<!-- offload: end -->"

WAYS = {
    "await": ("`await` it", "it waits, and has an async library"),
    "supervisor": ("`SupervisorDep`: a task that goes on after the response", "nobody waits for its result"),
    "thread": ("`OffloadDep.blocking`: a thread", "it waits without async, or computes in C that releases the lock"),
    "process": ("`OffloadDep.cpu`: a process that is there", "it is Python that computes, or C that keeps the lock"),
    "process, started": ("the same, when the process has to be started", "the first call, and the one after a death"),
}


def measure() -> None:
    """Measure, print and write."""
    logs = BUILD / "logs"
    with database(logs) as postgres:
        print("handing work over, for half a minute", flush=True)
        found = inside.measure("bench.offload", database_url=postgres.urls["measured"], logs=logs)
    text = "\n".join(lines(found))
    print(text)
    write(DOCUMENT, text, BEGIN, END)


def lines(found: Mapping[str, float]) -> Iterator[str]:
    """Yield the table, and the price of the monitor."""
    yield "| way | for work that | costs |"
    yield "|---|---|---|"
    for name, (way, work) in WAYS.items():
        yield f"| {way} | {work} | {_time(found[name])} |"
    yield ""
    change = (found["monitored"] - 1) * 100
    yield f"The loop monitor: {change:+.1f} % requests a second on a route that does nothing, in paired turns."


def _time(microseconds: float) -> str:
    if microseconds >= 1000:  # noqa: PLR2004 - of microseconds
        return f"{microseconds / 1000:.0f} ms"
    return f"{microseconds:.0f} us" if microseconds >= 1 else "under 1 us"
