"""The command `observed`: measures what logs, timings, metrics and traces cost a request, for docs/performance.md."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from threading import Thread

from benchmarks import in_process
from benchmarks.build import BUILD
from benchmarks.documents import replace_section
from benchmarks.layer_costs import DOCUMENT
from benchmarks.servers import database
from benchmarks.variants import TEXTBOOK
from drawing.tables import Table, markdown_lines

ROUNDS = 40
SECTION = "observed"
LOGS_ONLY, SHIPPED = "logs only", "metrics"
"""The two measured stages whose difference has a bound: a service that only logs, and a service as shipped.

Both answer an untrusted client, whose responses have no Server-Timing header.
"""
MOST_ADDED = 35.0
"""The most CPU microseconds that timings and metrics may add to a request that is also logged."""
MOST_OF_TEXTBOOK = 0.38
"""The most CPU of a read with logs, timings and metrics but no traces, as a ratio to the textbook baseline's."""

Costs = Mapping[str, Mapping[str, Sequence[float]]]
"""The type of the measured costs: CPU microseconds of each round, by kind of request and by stage of observation."""


class Collector(BaseHTTPRequestHandler):
    """A trace collector that accepts all spans and stores none."""

    def do_POST(self) -> None:
        """Accept a batch of spans."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Override the server's log, so that no batch of spans is printed."""


@contextmanager
def collector() -> Iterator[str]:
    """Run the trace collector in a thread of this process, whose CPU time is not measured, and yield the URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def run(rounds: int) -> None:
    """Measure what the observation of a request costs, and write the table to the terminal and docs/performance.md."""
    with database(BUILD / "logs") as postgres:
        text = measure(postgres.urls["measured"], rounds)
    print(text)
    replace_section(DOCUMENT, SECTION, text)


def measure(database_url: str, rounds: int) -> str:
    """Measure a request with more and more observation, and return the table with the verdicts as Markdown."""
    print(f"measuring {rounds} times what is observed of a request", flush=True)
    with collector() as url:
        module, logs = "measurements.observed_costs", BUILD / "logs"
        found = in_process.run(module, str(rounds), url, database_url=database_url, logs=logs)
    return "\n".join(lines(found))


def lines(costs: Costs) -> Iterator[str]:
    """Yield the lines of the report: the table of stages, then the verdicts on the two bounds."""
    stages = [stage for stage in next(iter(costs.values())) if stage != TEXTBOOK]
    rows = [[LOGS_ONLY, *(f"{median(found[LOGS_ONLY]):.0f}" for found in costs.values())]]
    for before, stage in itertools.pairwise(stages):
        rows.append([f"+ {stage}", *(f"{added(found, before, stage):+.1f}" for found in costs.values())])
    yield from markdown_lines(Table("Observed", ("us of CPU", *costs), rows))
    yield ""
    for request, found in costs.items():
        more = added(found, LOGS_ONLY, SHIPPED)
        good = verdict(more <= MOST_ADDED)
        yield f"- {request}: timings and metrics add {more:.0f} us to logs only; at most {MOST_ADDED:.0f}: {good}"
    read = costs["read"]
    ratio = median(ours / theirs for ours, theirs in zip(read[SHIPPED], read[TEXTBOOK], strict=True))
    good = verdict(ratio <= MOST_OF_TEXTBOOK)
    yield f"- a read with all of it but traces: {ratio:.2f} of the textbook's; at most {MOST_OF_TEXTBOOK}: {good}"


def added(costs: Mapping[str, Sequence[float]], before: str, after: str) -> float:
    """Return the median over all rounds of the CPU time that a stage of observation adds to an earlier stage."""
    return median(more - less for less, more in zip(costs[before], costs[after], strict=True))


def verdict(good: bool) -> str:
    """Return the word that says whether a bound holds."""
    return "reached" if good else "MISSED"
