"""Write the lines of the log from a thread of its own, so that whoever logs never waits for whoever reads.

Written straight out, a few hundred lines fill the pipe of a reader that has stopped, and the next one freezes the event
loop. Here a line is only put into a queue. A full queue loses lines and says later how many. A process that is killed
(SIGKILL, `os._exit`) loses what it wrote in its last 20 ms.
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

STANDARD_OUTPUT = 1

MAX_LINES = 10_000
"""About 2.5 MB of access lines, some seconds of them at full load: longer than a healthy reader ever pauses."""

MAX_BYTES = 16 * 1024 * 1024
"""The same for long lines, such as tracebacks; as much again may be in the write that hangs."""

GATHER_SECONDS = 0.02
"""How long lines are gathered for one write; a person who watches does not notice it."""

RETRY_SECONDS = 0.01
"""How long to wait for room at a time."""

CLOSE_SECONDS = 2.0
"""What a reader that has stopped may cost the end of a process."""

# A pipe never mixes writes up to this size; larger ones would cut into the lines of other workers in the same pipe.
WHOLE_BYTES = getattr(select, "PIPE_BUF", 4096)

NOBODY = Event()  # waits for lines that only wake the thread


class LineWriter:
    """A queue of lines and the thread that writes them; the thread starts with the first line.

    Nothing here waits for a lock that another call may hold: signal handlers and destructors log too, in the middle of
    a `put` that they interrupt. Hence a `SimpleQueue` wakes the thread, which allows that, and not an `Event`.
    """

    def __init__(self, loss_line: Callable[[int], bytes], descriptor: int = STANDARD_OUTPUT) -> None:
        """Prepare; nothing starts yet.

        Args:
            loss_line: returns the line which says that this many lines were lost.
            descriptor: the file that the lines go to.
        """
        self.loss_line = loss_line
        self._descriptor = descriptor
        self._begin()
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):  # Windows has none
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """Start from nothing; after a fork too, as the parent writes its own lines and its thread was not copied."""
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._lost = 0
        self._awake = False
        self._wake: SimpleQueue[Event | None] = SimpleQueue()  # None ends the thread
        self._thread: Thread | None = None
        self._started = Lock()
        self._writing = Lock()
        self._closed = False
        self._torn = b""

    def put(self, line: bytes) -> None:
        """Write a line, without its newline, soon; it is lost when too many wait already."""
        if len(self._lines) >= MAX_LINES or self._bytes >= MAX_BYTES:
            self._lost += 1
            return
        self._bytes += len(line)
        self._lines.append(line)
        if not self._awake:
            self._wake_up()

    def flush(self, seconds: float) -> bool:
        """Wait until all lines so far are written or lost; tell whether that took no longer than this."""
        if self._thread is None:
            return True
        done = Event()
        self._wake.put(done)
        return done.wait(seconds)

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write what waits, for at most this long. A later line is written by the caller of `put` itself."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._wake.put(None)
            thread.join(seconds)
        self._closed = True
        self._write_waiting()

    def close_at_signals(self) -> None:
        """Close where SIGINT or SIGTERM would end the process at once, without Python's orderly end.

        uvicorn always ends so: once it has stopped, it raises the signal again that stopped it.
        """
        if threading.current_thread() is threading.main_thread():  # others may not set handlers
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is signal.SIG_DFL:
                    signal.signal(number, self._end)

    def _end(self, number: int, _frame: FrameType | None) -> None:
        self.close()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    def _wake_up(self) -> None:
        self._awake = True
        self._wake.put(NOBODY)
        if self._closed:
            self._write_waiting()
        elif self._started.acquire(blocking=False):  # by the first line, and then never again
            self._start()

    def _start(self) -> None:
        thread = Thread(target=self._run, name="log-writer", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the container allows no more threads: the callers write
            self.close()
        else:
            self._thread = thread

    def _run(self) -> None:
        asked: Event | None = NOBODY
        while asked is not None:
            asked = self._wake.get()
            if asked is NOBODY:
                with suppress(Empty):  # more lines gather meanwhile; who flushes or closes ends it
                    asked = self._wake.get(timeout=GATHER_SECONDS)
            self._write_waiting()
            if asked is not None:
                asked.set()

    def _write_waiting(self) -> None:
        """Write until nothing waits; when another thread is at it, that one does."""
        self._awake = False  # before lines are taken: one that comes now wakes the thread again
        while self._lines and self._writing.acquire(blocking=False):
            try:
                self._write_batch()
            finally:
                self._writing.release()

    def _write_batch(self) -> None:
        self._bytes = 0
        lost, self._lost = self._lost, 0  # a full queue: all that wait are older than the lost ones
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        for piece in _pieces(lines):
            if not self._write(b"\n".join(piece) + b"\n"):
                lost += len(piece)
        if lost and not self._write(self.loss_line(lost) + b"\n"):
            self._lost += lost

    def _write(self, data: bytes) -> bool:
        """Write all of it; tell whether that went well. A reader that left or a full disk may come back."""
        rest = data = self._torn + data
        while rest:
            try:
                if self._closed and not self._has_room():
                    break  # now it is the caller of `put` who would wait
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                time.sleep(RETRY_SECONDS)
            except OSError:
                break
        if len(rest) < len(data):  # half a line may be there: the next one must not continue it
            self._torn = b"\n" if rest else b""
        return not rest

    def _has_room(self) -> bool:
        return sys.platform == "win32" or bool(select.select([], [self._descriptor], [], RETRY_SECONDS)[1])


def _pieces(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Group lines to writes that a pipe keeps whole; a line that is too long stands alone."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        if piece and size + len(line) >= WHOLE_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(line)
        size += len(line) + 1
    if piece:
        yield piece
