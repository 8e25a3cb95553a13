"""Log writer: a thread writes the lines of the log, so that a slow log reader never blocks the event loop.

If log calls wrote to the pipe, a reader that has stopped would leave the pipe full after some hundred lines, and the
next call would freeze the event loop. Here a log call only appends to a bounded queue. A full queue drops lines, and a
later line reports their number. The price: a killed process (SIGKILL, `os._exit`) loses the lines of the last 20 ms.
"""

import atexit
import os
import select
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from types import FrameType

from app.observability.output_lock import locked

STANDARD_OUTPUT = 1

MAX_LINES = 10_000
"""The most log lines in the queue: about 2.5 MB, some seconds of full load. A log reader seldom pauses for so long."""

MAX_BYTES = 16 * 1024 * 1024
"""The most bytes in the queue, for long log lines such as tracebacks; a blocked write may hold as many bytes again."""

GATHER_SECONDS = 0.02
"""How many seconds the writing thread gathers log lines for one write; too short to be noticed on a terminal."""

RETRY_SECONDS = 0.01
"""Seconds between two checks whether the full pipe of the log has room again."""

CLOSE_SECONDS = 2.0
"""How long, in seconds, a log reader that has stopped may delay the exit of the process."""

# A pipe keeps writes up to this size whole: other programs' output does not mix with short lines. See `output_lock.py`.
WHOLE_BYTES = getattr(select, "PIPE_BUF", 4096)

NO_WAITER = Event()  # a queue entry that only wakes the writing thread: no caller waits for this event


class LineWriter:
    """A bounded queue of log lines with a writing thread, which starts with the first line.

    No method waits for a lock that an interrupted call may hold: signal handlers and destructors log too, even in the
    middle of a call of `put`. So a `SimpleQueue`, which is reentrant, wakes the thread, and not an `Event`.
    """

    def __init__(self, loss_line: Callable[[int], bytes], descriptor: int = STANDARD_OUTPUT) -> None:
        """Prepare the queue of log lines; the writing thread starts with the first line.

        Args:
            loss_line: returns the line that reports a number of lost lines.
            descriptor: the file descriptor of the log.
        """
        self.loss_line = loss_line
        self._descriptor = descriptor
        self._begin()
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):  # Windows has no fork
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """Start with an empty queue, also in a forked child process: the parent writes earlier lines."""
        self._lines: deque[bytes] = deque()
        self._bytes = self.lost = self._told = 0  # `_told` is the part of `lost` that a log line has reported
        self._awake = False
        self._wake: SimpleQueue[Event | None] = SimpleQueue()  # the entry None in the queue ends the writing thread
        self._thread: Thread | None = None
        self._started = Lock()
        self._writing = Lock()
        self._closed = False
        self._torn = b""

    def put(self, line: bytes) -> None:
        """Queue a log line, given without a newline; a full queue drops the line and counts the loss."""
        if len(self._lines) >= MAX_LINES or self._bytes >= MAX_BYTES:
            self.lost += 1
            return
        self._bytes += len(line)
        self._lines.append(line)
        if not self._awake:
            self._wake_up()

    def flush(self, seconds: float) -> bool:
        """Wait until the thread has written or lost all queued log lines; return False if `seconds` pass first."""
        if self._thread is None:
            return True
        done = Event()
        self._wake.put(done)
        return done.wait(seconds)

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write the queued log lines within `seconds` and end the writing thread; later, `put` itself writes lines."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._wake.put(None)
            thread.join(seconds)
        self._closed = True
        self._write_waiting()

    def close_at_signals(self) -> None:
        """Close the log writer at a SIGINT or SIGTERM that would end the process without exit handlers.

        uvicorn always ends its process this way: after the shutdown it raises again the signal that it had caught.
        """
        if threading.current_thread() is threading.main_thread():  # only the main thread may set signal handlers
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is signal.SIG_DFL:
                    signal.signal(number, self._end)

    def _end(self, number: int, _frame: FrameType | None) -> None:
        self.close()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    def _wake_up(self) -> None:
        self._awake = True
        self._wake.put(NO_WAITER)
        if self._closed:
            self._write_waiting()
        elif self._started.acquire(blocking=False):  # never released: only the first log line starts the thread
            self._start()

    def _start(self) -> None:
        thread = Thread(target=self._run, name="log-writer", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the container allows no more threads, so `put` writes each line itself
            self.close()
        else:
            self._thread = thread

    def _run(self) -> None:
        asked: Event | None = NO_WAITER
        while asked is not None:
            asked = self._wake.get()
            if asked is NO_WAITER:
                with suppress(Empty):  # gather more lines; `flush` and `close` end the wait early
                    asked = self._wake.get(timeout=GATHER_SECONDS)
            self._write_waiting()
            if asked is not None:
                asked.set()

    def _write_waiting(self) -> None:
        """Write the queued log lines until the queue is empty; do nothing if a different thread is writing."""
        self._awake = False  # reset before lines are taken, so that a line queued meanwhile wakes the thread again
        while self._lines and self._writing.acquire(blocking=False):
            try:
                self._write_batch()
            finally:
                self._writing.release()

    def _write_batch(self) -> None:
        self._bytes = 0
        lost = self.lost  # the loss is reported after the queued lines, which are older than the lost lines
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        for piece in _pieces(lines):
            if not self._write(b"\n".join(piece) + b"\n"):
                lost, self.lost = lost + len(piece), self.lost + len(piece)
        if lost > self._told and self._write(self.loss_line(lost - self._told) + b"\n"):
            self._told = lost

    def _write(self, data: bytes) -> bool:
        """Write data to the log and return True; return False when the log reader has stopped or the disk is full."""
        rest = data = self._torn + data
        with locked(self._descriptor, wait=not self._closed) as is_free:
            while rest and is_free:
                try:
                    if self._closed and not self._has_room():
                        break  # the caller of `put` must not wait for a full pipe
                    rest = rest[os.write(self._descriptor, rest) :]
                except BlockingIOError:
                    time.sleep(RETRY_SECONDS)
                except OSError:
                    break
        if len(rest) < len(data):  # a line may be half written: the next write then begins with a newline
            self._torn = b"\n" if rest else b""
        return not rest

    def _has_room(self) -> bool:
        return sys.platform == "win32" or bool(select.select([], [self._descriptor], [], RETRY_SECONDS)[1])


def _pieces(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Group log lines into writes that a pipe keeps whole; a longer line becomes a write by itself."""
    piece, size = list[bytes](), 0
    for line in lines:
        if piece and size + len(line) >= WHOLE_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(line)
        size += len(line) + 1
    if piece:
        yield piece
