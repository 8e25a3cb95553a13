"""The client of a load test: `python -m devtools.load.sender URL FILE SECONDS USERS RATE AUTHORIZATION`.

The client is a process of its own, since the library locust, which sends the requests, replaces parts of the standard
library when it is imported.

Closed loop (RATE 0): each of USERS users waits for the response before it sends the next request. A slow service gets
fewer requests.

Open loop: RATE requests a second are due, evenly spaced, and each starts at its due time, whether or not earlier
requests have ended. The latency of a late start counts from the due time; a request beyond the limit of requests in
flight is counted and not sent.
"""

import json
import random
import sys
import time
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar, TextIO

import gevent
from gevent.pool import Pool
from geventhttpclient.response import HTTPParseError
from locust import FastHttpUser, task
from locust.contrib.fasthttp import FastResponse
from locust.env import Environment
from locust.exception import StopUser

from devtools.load.calls import Mix
from devtools.load.report import CONNECTION, KINDS, MAX_IN_FLIGHT, NOT_STARTED, OK, Record

ANSWER_SECONDS = 10.0
"""The client's timeout for a response, in seconds: longer than every deadline of the service."""

ATTEMPTS = 2
"""The attempts of a request: a request that was refused with a Retry-After is sent once more."""

GRACE_SECONDS = 1.0
"""The seconds after the end of an open loop in which due requests may still start; later requests are dropped."""


class Recorder:
    """The clock of the load test, and its record file with a line for each request."""

    def __init__(self, out: TextIO, seconds: float) -> None:
        self.seconds, self.mix = seconds, Mix()
        self._out, self._start = out, time.perf_counter()

    @property
    def now(self) -> float:
        """The seconds since the start of the load test."""
        return time.perf_counter() - self._start

    def write(self, record: Record) -> None:
        """Write the record of a request as a line of JSON."""
        self._out.write(json.dumps(record) + "\n")

    def on_request(
        self, response_time: float, response: FastResponse, exception: object, context: dict[str, Any], **_: object
    ) -> None:
        """Record a finished request. A response that breaks off has both a status and an exception."""
        status = 0 if exception and response.ok else response.status_code
        kind = str(status) if str(status) in KINDS else f"HTTP {status}" if status else CONNECTION
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            kind = OK
            if not context["call"].is_stream:
                self.mix.learn(context["call"], response.content)
        late_ms, ms = context["late_ms"], response_time + context["late_ms"]
        self.write(Record(self.now - ms / 1000, context["call"].route, ms, late_ms, kind, context["attempt"]))


class Caller(FastHttpUser):
    """A locust user that sends requests, and waits for as long as a Retry-After demands."""

    abstract = True
    network_timeout = connection_timeout = ANSWER_SECONDS
    recorder: ClassVar[Recorder]
    rate: ClassVar[float]
    headers: ClassVar[dict[str, str]] = {}
    in_flight = 0

    def on_start(self) -> None:
        """Turn off redirects, which may lead to other hosts, and GET retries, which hide connection resets."""
        self.client.client.redirect_response_codes = frozenset()  # type: ignore[misc] # this HTTP client belongs to this user only
        self.client.client.clientpool.get_client(self.host or "")._connection_pool.size = -1  # noqa: SLF001 - no option turns off the HTTP client's retries

    def call(self, due: float | None = None) -> None:
        """Send a request, and again after a refusal with Retry-After; `due` is the planned time in an open loop."""
        call, path = self.recorder.mix.pick()
        for attempt in range(ATTEMPTS):
            late_ms = 0.0 if due is None or attempt else 1000 * max(0.0, self.recorder.now - due)
            context = {"call": call, "late_ms": late_ms, "attempt": attempt}
            request = partial(self.client.request, call.method, path, call.route, json=call.body, context=context)
            self.in_flight += 1
            response = request(stream=call.is_stream, headers=dict(self.headers))
            if call.is_stream:
                leave(response)
            self.in_flight -= 1
            pause = back_off(response)
            gevent.sleep(max(0.0, min(pause, self.recorder.seconds - self.recorder.now)))
            if not pause or self.recorder.now >= self.recorder.seconds:
                return


def leave(response: FastResponse) -> None:
    """Read a stream up to its first event, and close the connection: the HTTP client cannot read a part only."""
    if (stream := response._response) is None:  # noqa: SLF001 - the docstring has the reason for the private attribute
        return
    with suppress(HTTPParseError, OSError):
        while response.ok and (line := stream.readline(b"\n")) and not line.startswith(b"event:"):
            pass
    stream.release()


def back_off(response: FastResponse) -> float:
    """Return the pause after a refusal: the Retry-After plus up to 50 %, at random, to spread second attempts."""
    if response.status_code != HTTPStatus.SERVICE_UNAVAILABLE or not response.headers:
        return 0.0
    retry_after = str(response.headers.get("Retry-After", ""))
    return int(retry_after) * random.uniform(1, 1.5) if retry_after.isdecimal() else 0.0


class ClosedLoop(Caller):
    """A closed loop user, which waits for each response before it sends the next request."""

    @task
    def ask(self) -> None:
        """Send a request, or stop when the load test is over."""
        if self.recorder.now >= self.recorder.seconds:
            raise StopUser
        self.call()


class OpenLoop(Caller):
    """A single locust user that starts all requests of an open loop; locust's pacing would wait for each response."""

    max_concurrent = MAX_IN_FLIGHT

    @task
    def arrive(self) -> None:
        """Start each request at its due time, and record requests that cannot start."""
        callers = Pool(5 * MAX_IN_FLIGHT)  # room for refused requests, which wait here for a second attempt
        for number in range(int(self.recorder.seconds * self.rate)):
            due = number / self.rate
            gevent.sleep(max(0.0, due - self.recorder.now))
            over = self.recorder.now > self.recorder.seconds + GRACE_SECONDS
            if over or callers.full() or self.in_flight >= MAX_IN_FLIGHT:
                self.recorder.write(Record(due, "", 0, 0, NOT_STARTED, 0))
            else:
                callers.spawn(self.call, due)
        callers.join()
        raise StopUser


def run(url: str, recorder: Recorder, users: int, rate: float) -> None:
    """Send requests to `url` until the load test is over, and wait for the last response."""
    Caller.recorder, Caller.rate = recorder, rate
    environment = Environment(user_classes=[OpenLoop if rate else ClosedLoop], host=url, catch_exceptions=False)
    environment.events.request.add_listener(recorder.on_request)  # type: ignore[no-untyped-call] # locust's method has no type hints
    runner = environment.create_local_runner()
    runner.start(1 if rate else users, spawn_rate=users)
    gevent.wait([runner.spawning_greenlet])
    runner.user_greenlets.join(timeout=recorder.seconds + ANSWER_SECONDS + GRACE_SECONDS)
    runner.quit()


if __name__ == "__main__":
    target, file, seconds, users, rate, authorization = sys.argv[1:]
    Caller.headers = {"Authorization": authorization} if authorization else {}
    with Path(file).open("w", buffering=1, encoding="utf-8") as lines:
        run(target, Recorder(lines, float(seconds)), int(users), float(rate))
