"""Loop monitor: logs each stall of the event loop with the duration, the request and the stack.

    the event loop  calls `_beat` every 25 ms, and measures how late each call is: the lag
    a thread        samples the stack of the event loop's thread when a call of `_beat` is late by `stall_seconds`

C code that holds the GIL delays the sampling thread. But the thread gets the GIL as soon as the call in C returns,
while the stack still shows the line of that call. `faulthandler` needs no GIL and could sample sooner, but it reads the
stacks of running threads, which may crash the process.

The monitor logs a stall at its end, when the duration is known. A stall of more than a second may never end, and is
logged while it lasts too.
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import asdict
from time import monotonic
from typing import Self

import structlog

from app.observability.stacks import Sample, in_debugger, sample_of

BEATS = 4
"""The number of calls of `_beat`, which measures the event loop's lag, per `stall_seconds`. A stall that begins just
after a call is measured too short, by the time between two calls."""

POLL_SECONDS = 0.1
"""Seconds between two checks by the monitor thread while the event loop is blocked."""

LONG_STALL_SECONDS = 1.0
"""The seconds after which a stall of the event loop is logged while it lasts, as an error: the stall may never end."""

LINE_SECONDS = 1.0
"""The shortest time between two log lines about stalls, in seconds. Otherwise a route that blocks the event loop would
cause a line per request."""

MAX_BEAT_SECONDS = 0.05
"""The longest time, in seconds, between two measurements of the event loop's lag, for any `stall_seconds`. The measured
lag is too small by up to this time."""

log = structlog.get_logger("loop")


Report = Callable[[str, float, Sample | None], None]
"""The signature of a function that reports a stall: the log event, the duration in seconds, and the sampled stack."""

Pause = Callable[[float, float], None]


class Lines:
    """The default way to report stalls of the event loop: writes log lines, at most one per `LINE_SECONDS`."""

    def __init__(self) -> None:
        self._skipped = 0
        self._next_at = 0.0

    def __call__(self, event: str, seconds: float, sample: Sample | None) -> None:
        """Log a stall of the event loop; a short stall within LINE_SECONDS after a log line is only counted."""
        now = monotonic()
        if now < self._next_at and seconds < LONG_STALL_SECONDS:
            self._skipped += 1
            return
        self._next_at = now + LINE_SECONDS
        skipped, self._skipped = self._skipped, 0
        write = log.error if seconds >= LONG_STALL_SECONDS else log.warning
        write(event, seconds=round(seconds, 3), skipped=skipped, **(asdict(sample) if sample else {}))


class LoopMonitor:
    """A context manager that measures the lag of the running event loop and reports stalls."""

    def __init__(self, stall_seconds: float, report: Report | None = None, pause: Pause | None = None) -> None:
        """Prepare the monitor; a `stall_seconds` of 0 turns the monitor off.

        Args:
            stall_seconds: the least lag that is reported; the real stall may be a quarter longer than the measured lag.
            report: called for each stall; by default a log line is written.
            pause: called instead of `report` when a debugger has stopped the event loop, with the begin and the end on
                the monotonic clock; for development.
        """
        self.stall_seconds = stall_seconds
        self.report = report or Lines()
        self.observe: Callable[[float], object] = float
        """A hook that is called with each measured lag of the event loop, in seconds; metrics use the hook."""
        self._beat_seconds = min(stall_seconds / BEATS, MAX_BEAT_SECONDS)
        self._due = 0.0
        # the time at which a late call of `_beat` was due, and the event loop's stack, sampled while the call was late
        self._seen: tuple[float, Sample | None] | None = None
        self._stopped = threading.Event()
        self._pause = pause
        self._debugged: float | None = None  # when the last call of `_beat` was due that a debugger has delayed
        self._warned = False

    def __enter__(self) -> Self:
        if not self.stall_seconds:
            return self
        self._loop = asyncio.get_running_loop()
        self._watched = threading.get_ident()
        self._due = monotonic() + self._beat_seconds
        self._handle = self._loop.call_later(self._beat_seconds, self._beat)
        self._thread = threading.Thread(target=self._watch, name="loop monitor", daemon=True)
        self._thread.pydev_do_not_trace = True  # type: ignore[attr-defined] # else debugpy would stop this thread too
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if not self.stall_seconds:
            return
        self._beat()  # measure the lag once more, so that a stall which lasts until the exit is reported
        self._handle.cancel()
        self._stopped.set()
        self._thread.join()

    def _beat(self) -> None:
        now, due = monotonic(), self._due
        late = now - due
        self._handle.cancel()
        self._due = now + self._beat_seconds
        self._handle = self._loop.call_later(self._beat_seconds, self._beat)
        if self._pause and self._debugged == due:
            self._pause(due, now)
            return
        self.observe(max(0.0, late))
        if late >= self.stall_seconds:
            self.report("event loop was blocked", late, self._seen[1] if self._seen and self._seen[0] == due else None)

    def _watch(self) -> None:
        """Run in the monitor thread: when a call of `_beat` is late, sample the stack of the event loop's thread."""
        told_of, seconds = 0.0, self.stall_seconds
        while not self._stopped.wait(seconds):
            due = self._due
            late = monotonic() - due
            seconds = self.stall_seconds - late
            if seconds > 0:
                continue  # the due call of `_beat` is not late enough to count as a stall
            seconds = POLL_SECONDS
            if self._pause and self._in_debugger(due):
                continue
            if self._seen is None or self._seen[0] != due:
                self._seen = due, self._look()
            if late >= LONG_STALL_SECONDS and told_of != due:
                told_of = due
                self.report("event loop is blocked", late, self._seen[1])

    def _in_debugger(self, due: float) -> bool:
        """Tell whether a debugger has stopped the event loop and so delayed `_beat`; log a warning the first time."""
        if self._debugged != due and in_debugger(self._watched):
            self._debugged = due
            if not self._warned:
                log.warning("debugger stops the event loop", deadlines="wait until the event loop runs again")
            self._warned = True
        return self._debugged == due

    def _look(self) -> Sample | None:
        try:
            return sample_of(self._watched, self._loop)
        except Exception:
            log.exception("stack of the event loop could not be read")
            return None  # the monitor thread goes on: the next sample may succeed
