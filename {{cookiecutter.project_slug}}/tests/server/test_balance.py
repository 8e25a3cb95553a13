"""Connections are balanced over the workers: a worker leaves a new connection to a worker with fewer connections."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import mean, median
from urllib.parse import urlsplit

import pytest

from app.server.balance import HURRY_SECONDS, PATIENCE_SECONDS, ConnectionCounts
from tests.server.processes import START_SECONDS, Service, gunicorn
from tests.smoke.connections import client_ports

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the worker of a connection in /proc")

NOWHERE = "postgresql://app@127.0.0.1:1/none"


@contextmanager
def connected(service: Service, clients: int, before: int = 0) -> Iterator[list[int]]:
    """Open `clients` connections beside `before` earlier connections; yield the workers' sorted connection counts."""
    address = urlsplit(service.url)
    with ExitStack() as stack:
        for _ in range(clients):
            stack.enter_context(socket.create_connection((address.hostname, address.port)))
        yield wait_for(service, lambda counts: sum(counts) == before + clients)


def wait_for(service: Service, reached: Callable[[list[int]], bool]) -> list[int]:
    """Wait until `reached` is true for the workers' sorted connection counts, and return these counts."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        counts = sorted(len(client_ports(worker, service)) for worker in service.workers())
        if reached(counts):
            return counts
        time.sleep(0.01)
    raise AssertionError(f"connections of the workers: {counts}")


def test_a_burst_of_connections_is_spread_over_the_workers() -> None:
    busiest = []
    with gunicorn(NOWHERE) as service:
        service.wait_until_started()
        for _ in range(10):
            with connected(service, 16) as counts:
                busiest.append(counts[-1])
            wait_for(service, lambda counts: sum(counts) == 0)

    assert mean(busiest) <= 12  # of 16 connections, the busier worker gets 8 at best, and about 15 without balancing


def test_a_worker_that_replaces_a_killed_worker_gets_the_next_connections() -> None:
    with gunicorn(NOWHERE) as service:
        service.wait_until_started()
        with connected(service, 20):
            # the worker with fewer connections: on a busy machine, one worker may have accepted all
            os.kill(min(service.workers(), key=lambda worker: len(client_ports(worker, service))), signal.SIGKILL)
            service.wait_until_started(workers=3)
            (left,) = {count for count in wait_for(service, lambda counts: counts[0] == 0) if count}
            differences = []
            # the median of three: on a busy machine, a worker may accept too late, after the other worker's short wait
            for _ in range(3):
                with connected(service, 2 * left, before=left) as (fewest, most):
                    differences.append(most - fewest)
                wait_for(service, lambda counts: sum(counts) == left)

    assert median(differences) <= left / 2


def test_a_closed_connection_counts_no_more_for_the_other_worker() -> None:
    """A worker whose connections have all closed counts as empty for the other worker, even if stopped by SIGSTOP.

    A stopped worker no longer updates its count, so the closed connections must have been counted before. The other
    worker leaves a new connection to the stopped worker for PATIENCE_SECONDS; with a wrong count, it would accept the
    connection at once.
    """
    with gunicorn(NOWHERE) as service, ExitStack() as stack:
        service.wait_until_started()
        address = urlsplit(service.url)
        clients = [socket.create_connection((address.hostname, address.port)) for _ in range(20)]
        for client in clients:
            stack.callback(client.close)
        wait_for(service, lambda counts: sum(counts) == len(clients))
        left = client_ports(stopped := min(service.workers()), service)
        for client in clients:
            if client.getsockname()[1] in left:
                client.close()
        wait_for(service, lambda counts: counts[0] == 0)
        os.kill(stopped, signal.SIGSTOP)
        stack.callback(os.kill, stopped, signal.SIGCONT)
        time.sleep(PATIENCE_SECONDS + HURRY_SECONDS)  # soon after a burst, a worker may accept without waiting
        begin = time.monotonic()
        with socket.create_connection((address.hostname, address.port), START_SECONDS) as late:
            late.sendall(b"GET /health/live HTTP/1.1\r\nHost: service\r\n\r\n")
            answer = late.recv(len(b"HTTP/1.1 200"))

        assert (answer, time.monotonic() - begin > PATIENCE_SECONDS / 2) == (b"HTTP/1.1 200", True)


def test_a_worker_yields_to_fewer_connections_for_a_bounded_time() -> None:
    counts = ConnectionCounts(workers=1)
    busy, idle = counts.slot_for(1), counts.slot_for(2)
    busy.join()

    assert not busy.yields(100, now=0.0)  # the idle worker does not listen yet

    idle.join()
    assert not idle.yields(1, now=0.0)
    assert not busy.yields(2, now=0.0)
    assert busy.yields(3, now=1.0)
    assert busy.yields(3, now=1.0 + PATIENCE_SECONDS / 2)
    # the idle worker has accepted no connection for PATIENCE_SECONDS, so it counts as blocked
    assert not busy.yields(3, now=1.0 + PATIENCE_SECONDS)
    assert busy.yields(3, now=1.1 + PATIENCE_SECONDS + HURRY_SECONDS)

    busy.lost_race()
    # the busy worker lost a race for a connection, so the idle worker is not blocked
    assert busy.yields(3, now=1.1 + 2 * PATIENCE_SECONDS + HURRY_SECONDS)

    counts.release(2)
    assert not busy.yields(100, now=2.0)


def test_workers_beyond_the_slots_are_not_compared() -> None:
    counts = ConnectionCounts(workers=1)
    slots = [counts.slot_for(worker_id) for worker_id in (1, 2, 3)]
    for slot in slots:
        slot.join()

    assert not slots[2].yields(100, now=0.0)


def test_closed_connections_count_no_more_at_once() -> None:
    counts = ConnectionCounts(workers=1)
    left, other = counts.slot_for(1), counts.slot_for(2)
    left.join()
    other.join()
    left.publish(40)

    assert not other.yields(20, now=0.0)

    left.publish(0)
    assert other.yields(20, now=0.0)

    left.leave()
    left.publish(3)  # a draining worker closes connections too
    assert not other.yields(20, now=0.0)
