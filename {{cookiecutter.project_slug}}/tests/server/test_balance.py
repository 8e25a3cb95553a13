"""Connections are spread over the workers: a worker leaves a connection to a worker with fewer connections."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import mean
from urllib.parse import urlsplit

import pytest

from app.server.balance import HURRY_SECONDS, PATIENCE_SECONDS, ConnectionCounts
from tests.server.processes import START_SECONDS, Service, gunicorn
from tests.smoke.connections import client_ports

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the worker of a connection in /proc")

NOWHERE = "postgresql://app@127.0.0.1:1/none"


@contextmanager
def connected(service: Service, clients: int, before: int = 0) -> Iterator[list[int]]:
    """Open connections at once beside those of before, and yield the number of connections of each worker, in order."""
    address = urlsplit(service.url)
    with ExitStack() as stack:
        for _ in range(clients):
            stack.enter_context(socket.create_connection((address.hostname, address.port)))
        yield wait_for(service, lambda counts: sum(counts) == before + clients)


def wait_for(service: Service, reached: Callable[[list[int]], bool]) -> list[int]:
    """Wait until the connections of the workers are as they should be, and return their numbers, in order."""
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

    assert mean(busiest) <= 12  # 8 at best, 15 without the balance


def test_a_worker_that_replaces_a_killed_worker_gets_the_next_connections() -> None:
    with gunicorn(NOWHERE) as service:
        service.wait_until_started()
        with connected(service, 20):
            os.kill(min(service.workers()), signal.SIGKILL)
            service.wait_until_started(workers=3)
            (left,) = {count for count in wait_for(service, lambda counts: counts[0] == 0) if count}
            with connected(service, 2 * left, before=left) as (fewest, most):
                assert most - fewest <= left / 2


def test_a_worker_yields_to_fewer_connections_for_a_bounded_time() -> None:
    counts = ConnectionCounts(workers=1)
    busy, idle = counts.slot_for(1), counts.slot_for(2)
    busy.join()

    assert not busy.yields(100, now=0.0)  # the other worker does not listen yet

    idle.join()
    assert not idle.yields(1, now=0.0)
    assert not busy.yields(2, now=0.0)
    assert busy.yields(3, now=1.0)
    assert busy.yields(3, now=1.0 + PATIENCE_SECONDS / 2)
    assert not busy.yields(3, now=1.0 + PATIENCE_SECONDS)  # the other worker is blocked
    assert busy.yields(3, now=1.1 + PATIENCE_SECONDS + HURRY_SECONDS)

    busy.lost_race()
    assert busy.yields(3, now=1.1 + 2 * PATIENCE_SECONDS + HURRY_SECONDS)  # it was not blocked

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
    left.publish(3)  # a worker that drains closes connections, too
    assert not other.yields(20, now=0.0)
