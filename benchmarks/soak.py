"""Send very many requests to our service and see whether its memory grows."""

from collections.abc import Iterator

from benchmarks.build import BUILD
from benchmarks.growth import PER_REQUESTS, Growth
from benchmarks.load import send
from benchmarks.meters import resident_megabytes
from benchmarks.servers import WORKERS, Server, database, serving
from benchmarks.variants import OURS, VARIANTS
from benchmarks.workloads import WORKLOADS

REQUESTS = 200_000
STEP_SECONDS = 2
FILLING_SHARE = 0.25
"""Of the requests: until then every workload had its turns, and memory has filled its gaps between live objects."""


def run(requests: int) -> None:
    """Send the requests to a service of their own and say how it grew."""
    with database(BUILD / "logs") as postgres:
        print(sentence(grow(postgres.urls["measured"], requests)))


def grow(database_url: str, requests: int = REQUESTS) -> Growth:
    """Start the service, send the requests, and return all readings."""
    ours = next(variant for variant in VARIANTS if variant.name == OURS)
    print(f"sending {requests:,} requests to see whether memory grows", flush=True)
    with serving(ours, database_url, BUILD / "logs") as server:
        return Growth(list(readings(server, requests)), settled_after=round(requests * FILLING_SHARE))


def readings(server: Server, requests: int) -> Iterator[tuple[int, float]]:
    """Yield the memory of all workers after each step; the workloads take turns, whole turns only."""
    sent = turn = 0
    while sent < requests or turn < 2:  # noqa: PLR2004 - the first turn may be all that fills; a line needs points
        for workload in WORKLOADS:
            sent += send(server.url, workload, connections=16, seconds=STEP_SECONDS).requests
            yield sent, sum(resident_megabytes(server.workers()))
        turn += 1
        print(f"{sent:,} of {requests:,} requests", flush=True)


def sentence(growth: Growth) -> str:
    """Say what was found."""
    (first, before), (last, after) = growth.settled[0], growth.settled[-1]
    return (
        f"{WORKERS} workers together: {before:.1f} MB after {first:,} requests, {after:.1f} after {last:,}; "
        f"{growth.slope:+.2f} ± {growth.error:.2f} MB for each {PER_REQUESTS:,}"
    )
