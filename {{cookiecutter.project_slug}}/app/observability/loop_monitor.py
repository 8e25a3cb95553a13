"""Tells when something blocks the event loop: for how long, in which request, and where in the code.

    the event loop  beats every 25 ms, and notes by how much a beat came late: its lag
    a thread        looks when a beat is overdue, and takes down what the loop's thread is doing

C code that holds the interpreter's lock keeps the thread from looking, but not from being next: the lock changes hands
as soon as the call returns, and the stack still stands at its line. `faulthandler` needs no lock and could look sooner,
but it also reads the stacks of threads that run, at the risk of the process.

The line is written when the loop goes on, as only then its duration is known; after a second also while it does not.
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import asdict
from time import monotonic
from typing import Self

import structlog

from app.observability.stacks import Sample, sample_of

BEATS = 4
"""In the time that is worth a line: a stall that begins just after a beat is seen as shorter by one of these."""

LOOK_SECONDS = 0.1
STILL_SECONDS = 1.0
"""A loop that is blocked for so long may never go on, and then nobody would write the line."""

LINE_SECONDS = 1.0
"""At most one line in this time: whatever blocks the loop once does so for each of many requests."""

WINDOW_SECONDS = 10.0
"""The lag is the largest of the last one to two of these."""

log = structlog.get_logger("loop")


Tell = Callable[[str, float, Sample | None], None]
"""Takes what happened to the loop, for how many seconds, and where it was seen."""


class Lines:
    """Writes what the monitor tells to the log, not too often."""

    def __init__(self) -> None:
        self._skipped = 0
        self._next_at = 0.0

    def __call__(self, event: str, seconds: float, sample: Sample | None) -> None:
        """Write a line."""
        now = monotonic()
        if now < self._next_at and seconds < STILL_SECONDS:
            self._skipped += 1
            return
        self._next_at = now + LINE_SECONDS
        skipped, self._skipped = self._skipped, 0
        write = log.error if seconds >= STILL_SECONDS else log.warning
        write(event, seconds=round(seconds, 3), skipped=skipped, **(asdict(sample) if sample else {}))


class LoopMonitor:
    """Watches the loop that it is entered in, until it is left."""

    def __init__(self, stall_seconds: float, tell: Tell | None = None) -> None:
        """Prepare; 0 watches nothing.

        Args:
            stall_seconds: how late a beat must be to be worth telling; a stall may be a quarter of this longer.
            tell: whom; by default a line is written.
        """
        self.stall_seconds = stall_seconds
        self.stalls = 0
        self._tell = tell or Lines()
        self._lags = [0.0, 0.0]  # the largest of this window and of the one before
        self._window_ends = 0.0
        self._beat_seconds = stall_seconds / BEATS
        self._due = 0.0
        self._seen: tuple[float, Sample | None] | None = None  # of which beat, and what was seen when it was overdue
        self._stopped = threading.Event()

    @property
    def lag_seconds(self) -> float:
        """By how much the loop was late at worst, lately."""
        return max(*self._lags, monotonic() - self._due if self._due else 0.0)

    def __enter__(self) -> Self:
        if not self.stall_seconds:
            return self
        self._loop = asyncio.get_running_loop()
        self._watched = threading.get_ident()
        self._due = monotonic() + self._beat_seconds
        self._handle = self._loop.call_later(self._beat_seconds, self._beat)
        self._thread = threading.Thread(target=self._watch, name="loop monitor", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if not self.stall_seconds:
            return
        self._beat()  # or a stall just before the end would go unnoticed
        self._handle.cancel()
        self._stopped.set()
        self._thread.join()

    def _beat(self) -> None:
        now, due = monotonic(), self._due
        late = now - due
        self._handle.cancel()
        self._due = now + self._beat_seconds
        self._handle = self._loop.call_later(self._beat_seconds, self._beat)
        if now > self._window_ends:
            self._lags, self._window_ends = [0.0, self._lags[0]], now + WINDOW_SECONDS
        self._lags[0] = max(self._lags[0], late)
        if late >= self.stall_seconds:
            self.stalls += 1
            self._tell("event loop was blocked", late, self._seen[1] if self._seen and self._seen[0] == due else None)

    def _watch(self) -> None:
        """Look at the loop from the thread."""
        told_of, seconds = 0.0, self.stall_seconds
        while not self._stopped.wait(seconds):
            due = self._due
            late = monotonic() - due
            seconds = self.stall_seconds - late
            if seconds > 0:
                continue  # until the moment in which this beat would be worth telling
            if self._seen is None or self._seen[0] != due:
                self._seen = due, self._look()
            if late >= STILL_SECONDS and told_of != due:
                told_of = due
                self._tell("event loop is blocked", late, self._seen[1])
            seconds = LOOK_SECONDS

    def _look(self) -> Sample | None:
        try:
            return sample_of(self._watched, self._loop)
        except Exception:
            log.exception("stack could not be read")  # and the next one may be: the thread goes on
            return None
