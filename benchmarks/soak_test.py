"""The soak test: sends very many requests to the service and measures its memory growth."""

from collections.abc import Iterator

from benchmarks.build import BUILD
from benchmarks.memory_growth import PER_REQUESTS, MemoryGrowth
from benchmarks.process_usage import resident_megabytes
from benchmarks.servers import WORKERS, Server, database, serving
from benchmarks.variants import SERVICE, VARIANTS
from benchmarks.workloads import WORKLOADS
from benchmarks.wrk import send

REQUESTS = 200_000
STEP_SECONDS = 2
FILLING_SHARE = 0.25
"""The fraction of the requests that fills memory: caches, and the gaps between live objects. Each workload has had its
turns by then."""


def run(requests: int) -> None:
    """Run the soak test alone, and print the memory growth."""
    with database(BUILD / "logs") as postgres:
        print(sentence(measure_growth(postgres.urls["measured"], requests)))


def measure_growth(database_url: str, requests: int = REQUESTS) -> MemoryGrowth:
    """Start the service, send the requests, and return all readings of the memory."""
    service = next(variant for variant in VARIANTS if variant.name == SERVICE)
    print(f"sending {requests:,} requests to see whether memory grows", flush=True)
    with serving(service, database_url, BUILD / "logs") as server:
        return MemoryGrowth(list(readings(server, requests)), settled_after=round(requests * FILLING_SHARE))


def readings(server: Server, requests: int) -> Iterator[tuple[int, float]]:
    """Yield the memory of all workers after each step; the workloads alternate, in complete turns."""
    sent = turn = 0
    while sent < requests or turn < 2:  # noqa: PLR2004 - the first turn may be the only one that fills memory, and a line needs points
        for workload in WORKLOADS:
            sent += send(server.url, workload, connections=16, seconds=STEP_SECONDS).requests
            yield sent, sum(resident_megabytes(server.workers()))
        turn += 1
        print(f"{sent:,} of {requests:,} requests", flush=True)


def sentence(growth: MemoryGrowth) -> str:
    """Return the growth as a sentence for the report."""
    (first, before), (last, after) = growth.settled[0], growth.settled[-1]
    return (
        f"{WORKERS} workers together: {before:.1f} MB after {first:,} requests, {after:.1f} after {last:,}; "
        f"{growth.slope:+.2f} ± {growth.error:.2f} MB for each {PER_REQUESTS:,}"
    )
