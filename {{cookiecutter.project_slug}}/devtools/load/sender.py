"""Sends the requests, as users of locust: `python -m devtools.load.sender URL FILE SECONDS USERS RATE`.

A process of its own, since locust replaces parts of the standard library when it is imported. RATE 0: closed loop.

Closed loop: USERS users, each waits for its answer before it sends the next request. A slow service is asked less.
Open loop: RATE requests a second are due, evenly spaced, and each starts when it is due, whatever became of those
before. One that starts late counts from when it was due; one that finds all places taken is counted and not sent.
"""

import json
import random
import sys
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar, TextIO

import gevent
from gevent.pool import Pool
from locust import FastHttpUser, task
from locust.contrib.fasthttp import FastResponse
from locust.env import Environment
from locust.exception import StopUser

from devtools.load.calls import Mix
from devtools.load.report import CONNECTION, KINDS, MAX_IN_FLIGHT, NOT_STARTED, OK, Record

ANSWER_SECONDS = 10.0
"""More than the longest deadline of the service: what takes longer is lost."""

ATTEMPTS = 2
"""A call that is refused with a Retry-After comes back once."""

GRACE_SECONDS = 1.0
"""What an open loop has not started by then, after its end, is given up."""


class Book:
    """The clock of the test, and a line for each request."""

    def __init__(self, out: TextIO, seconds: float) -> None:
        self.seconds, self.mix = seconds, Mix()
        self._out, self._start = out, time.perf_counter()

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._start

    def write(self, record: Record) -> None:
        """Add a line."""
        self._out.write(json.dumps(record) + "\n")

    def on_request(
        self, response_time: float, response: FastResponse, exception: object, context: dict[str, Any], **_: object
    ) -> None:
        """Add the line of a request that has ended. An answer that breaks off has a status, and an exception."""
        status = 0 if exception and response.ok else response.status_code
        kind = str(status) if str(status) in KINDS else f"HTTP {status}" if status else CONNECTION
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            kind = OK
            self.mix.learn(context["call"], response.content)
        late_ms, ms = context["late_ms"], response_time + context["late_ms"]
        self.write(Record(self.now - ms / 1000, context["call"].route, ms, late_ms, kind, context["attempt"]))


class Caller(FastHttpUser):
    """Sends calls, and backs off when it is told to."""

    abstract = True
    network_timeout = connection_timeout = ANSWER_SECONDS
    book: ClassVar[Book]
    rate: ClassVar[float]
    in_flight = 0

    def on_start(self) -> None:
        """Follow no redirect, it may lead elsewhere; hide no reset by sending a GET again, up to `size` + 1 times."""
        self.client.client.redirect_response_codes = frozenset()  # type: ignore[misc] # the instance is this user's
        self.client.client.clientpool.get_client(self.host or "")._connection_pool.size = -1  # noqa: SLF001 - no option

    def call(self, due: float | None = None) -> None:
        """Send one call, and once more if it is refused; `due` is when it should have started."""
        call, path = self.book.mix.pick()
        for attempt in range(ATTEMPTS):
            late_ms = 0.0 if due is None or attempt else 1000 * max(0.0, self.book.now - due)
            context = {"call": call, "late_ms": late_ms, "attempt": attempt}
            self.in_flight += 1
            response = self.client.request(call.method, path, name=call.route, json=call.body, context=context)
            self.in_flight -= 1
            pause = back_off(response)
            gevent.sleep(max(0.0, min(pause, self.book.seconds - self.book.now)))
            if not pause or self.book.now >= self.book.seconds:
                return


def back_off(response: FastResponse) -> float:
    """Return for how long a refused caller stays away: as told, and up to half as long again lest all come at once."""
    if response.status_code != HTTPStatus.SERVICE_UNAVAILABLE or not response.headers:
        return 0.0
    told = str(response.headers.get("Retry-After", ""))
    return int(told) * random.uniform(1, 1.5) if told.isdecimal() else 0.0


class ClosedLoop(Caller):
    """A user who waits for each answer."""

    @task
    def ask(self) -> None:
        """Send one call after the other."""
        if self.book.now >= self.book.seconds:
            raise StopUser
        self.call()


class OpenLoop(Caller):
    """All arrivals: locust's own pacing is for each user, who would wait for the answer first."""

    concurrency = MAX_IN_FLIGHT

    @task
    def arrive(self) -> None:
        """Start each call when it is due."""
        callers = Pool(5 * MAX_IN_FLIGHT)  # in flight, or about to come back
        for number in range(int(self.book.seconds * self.rate)):
            due = number / self.rate
            gevent.sleep(max(0.0, due - self.book.now))
            over = self.book.now > self.book.seconds + GRACE_SECONDS
            if over or callers.full() or self.in_flight >= MAX_IN_FLIGHT:
                self.book.write(Record(due, "", 0, 0, NOT_STARTED, 0))
            else:
                callers.spawn(self.call, due)
        callers.join()
        raise StopUser


def run(url: str, book: Book, users: int, rate: float) -> None:
    """Send until the time is over and the last answer is there."""
    Caller.book, Caller.rate = book, rate
    environment = Environment(user_classes=[OpenLoop if rate else ClosedLoop], host=url, catch_exceptions=False)
    environment.events.request.add_listener(book.on_request)  # type: ignore[no-untyped-call] # locust says no more
    runner = environment.create_local_runner()
    runner.start(1 if rate else users, spawn_rate=users)
    gevent.wait([runner.spawning_greenlet])
    runner.user_greenlets.join(timeout=book.seconds + ANSWER_SECONDS + GRACE_SECONDS)
    runner.quit()


if __name__ == "__main__":
    target, file, seconds, users, rate = sys.argv[1:]
    with Path(file).open("w", buffering=1, encoding="utf-8") as lines:
        run(target, Book(lines, float(seconds)), int(users), float(rate))
