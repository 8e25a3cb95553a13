"""Cold starts: requests that a service refuses just after its start, and how workers share the first connections."""

import socket
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks.build import BUILD
from benchmarks.servers import Server, serving
from benchmarks.variants import SERVICE, VARIANTS
from benchmarks.workloads import WORKLOADS
from benchmarks.wrk import send

CLIENTS = (64, 128)
"""The numbers of clients that all send at once to a newly started service: 64 at the first start, 128 at the next."""

KEEP_ALIVE_CLIENTS = 16
PROBE = b"GET /health/live HTTP/1.1\r\nHost: service\r\n\r\n"


@dataclass(frozen=True, slots=True)
class ColdStarts:
    """The figures of several cold starts of the service: refused requests, and how workers share connections."""

    starts: int
    failed: int
    """The number of responses with an error status, of all cold starts together."""
    requests: int
    busiest: int
    """The most connections that a single worker accepted at any start, of KEEP_ALIVE_CLIENTS connections."""


def measure(database_url: str, starts: int) -> ColdStarts:
    """Start the service `starts` times, and send load from many clients at once just after each start."""
    variant = next(variant for variant in VARIANTS if variant.name == SERVICE)
    read = next(workload for workload in WORKLOADS if workload.name == "read")
    print(f"starting the service {starts} times, with many clients at once", flush=True)
    loads, busiest = [], 0
    for turn in range(starts):
        with serving(variant, database_url, BUILD / "logs") as server:
            busiest = max(busiest, busiest_worker(server))
            loads.append(send(server.url, read, CLIENTS[turn % len(CLIENTS)], seconds=1))
    return ColdStarts(starts, sum(load.failed for load in loads), sum(load.requests for load in loads), busiest)


def busiest_worker(server: Server) -> int:
    """Open KEEP_ALIVE_CLIENTS connections, and return how many of these the busiest worker has accepted."""
    address = urlsplit(server.url)
    with ExitStack() as stack:
        for _ in range(KEEP_ALIVE_CLIENTS):
            client = stack.enter_context(socket.create_connection((address.hostname, address.port)))
            client.sendall(PROBE)
            client.recv(1)  # a response has begun, so a worker has accepted the connection
        found = [worker.net_connections("tcp") for worker in server.workers()]
        return max(
            sum(one.status == "ESTABLISHED" and one.laddr.port == address.port for one in connections)
            for connections in found
        )
