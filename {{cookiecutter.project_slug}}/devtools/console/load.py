"""Sends a bounded load to one route, which shows how the service behaves while a fault is switched on."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from threading import Thread
from typing import Any

from devtools.probe import probe, sign_in

REQUESTS, PER_SECOND, LOAD_SECONDS = 100, 20.0, 60.0
"""Number of requests in a load, requests per second, and the seconds until a load without responses counts as ended.

100 requests are as many as the console remembers, and 20 a second are few enough for a laptop.
"""


class Load:
    """Sends one bounded load at a time to the service, and keeps the response statuses."""

    def __init__(self) -> None:
        self._target, self._ends = "", 0.0
        self._statuses: list[int] = []
        self._signed: dict[str, str] = {}

    def summary(self) -> str:
        """Return how many requests of the last load were answered, and with which statuses; status 0 is no response."""
        counts = ", ".join(f"{number} x {status}" for status, number in sorted(Counter(self._statuses).items()))
        return f"{len(self._statuses)} of {REQUESTS} answers of {self._target}: {counts}" if self._target else ""

    def start(self, base: str, target: str, describe: Callable[[], dict[str, Any]]) -> None:
        """Start sending GET requests to `target`, a path with its query, below `base`, a URL without a last slash.

        The requests have an access token if the OpenAPI document, which `describe` returns, names the development
        issuer. The call waits for the issuer, so it belongs in a thread. While a fault of the issuer is switched on,
        the requests have the token of the last load.

        Raises:
            ValueError: a load is running, or the target is no path.
        """
        if len(self._statuses) < REQUESTS and time.monotonic() < self._ends:
            raise ValueError("A load is being sent: wait for its end.")
        if not target.startswith("/") or not target.isascii() or not target.isprintable() or " " in target:
            raise ValueError("Name a path of the service, such as /health/ready.")
        self._target, self._ends, self._statuses = target, time.monotonic() + LOAD_SECONDS, []
        self._signed = sign_in(describe()) or self._signed
        for number in range(REQUESTS):  # one thread for each request, so that no request waits for a response
            arguments = (number / PER_SECOND, base, target, self._signed, self._statuses)
            Thread(target=send_one, args=arguments, daemon=True).start()


def send_one(delay: float, base: str, target: str, headers: Mapping[str, str], statuses: list[int]) -> None:
    """Send a request after a delay, and add the response's status to the list."""
    time.sleep(delay)
    statuses.append(probe(base, target, headers=headers, seconds=30)[0])
