"""Send very many requests to our service and see whether its memory grows."""

from statistics import linear_regression

from benchmarks.build import BUILD
from benchmarks.load import send
from benchmarks.meters import resident_megabytes
from benchmarks.servers import Server, database, serving
from benchmarks.variants import OURS, VARIANTS
from benchmarks.workloads import WORKLOADS

STEP_SECONDS = 2
WARM_REQUESTS = 10_000
"""Caches fill during the first ones, and until every workload had its first turn; what they take is no growth."""


def run(requests: int) -> float:
    """Send the requests and return the growth in megabytes for each 100,000, of all workers together."""
    ours = next(variant for variant in VARIANTS if variant.name == OURS)
    logs = BUILD / "logs"
    with database(logs) as postgres, serving(ours, postgres.urls["measured"], logs) as server:
        points = soak(server, requests)
    warm = [(sent, size) for sent, size in points[len(WORKLOADS) - 1 :] if sent >= WARM_REQUESTS]
    slope = linear_regression(*zip(*warm, strict=True)).slope * 100_000
    print(f"after {warm[0][0]:,} requests {warm[0][1]:.1f} MB, after {warm[-1][0]:,} {warm[-1][1]:.1f} MB")
    print(f"the workers together grow by {slope:+.2f} MB for each 100,000 requests")
    return slope


def soak(server: Server, requests: int) -> list[tuple[int, float]]:
    """Return the memory of all workers after each step; the workloads take turns."""
    points: list[tuple[int, float]] = []
    sent = turn = 0
    while sent < requests or len(points) < 2 * len(WORKLOADS):  # two turns at least: a slope needs points
        workload = WORKLOADS[turn % len(WORKLOADS)]
        sent += send(server.url, workload, connections=16, seconds=STEP_SECONDS).requests
        turn += 1
        points.append((sent, sum(resident_megabytes(server.workers()))))
        print(f"{sent:,} of {requests:,} requests: {points[-1][1]:.1f} MB", flush=True)
    return points
