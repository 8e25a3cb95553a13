"""A pipe for tests of the log writer; a test can stop, close and replace the reader of the pipe."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread

from app.observability.writer import LineWriter

SECONDS = 60
"""The timeout of each wait in tests of log output, in seconds: only a hanging test takes so long."""


@dataclass(frozen=True, slots=True)
class Pipe:
    """A pipe, and a LineWriter that writes into it; the test decides when the pipe is read."""

    reading: int
    writing: int
    writer: LineWriter

    def read_until(self, end: bytes) -> list[bytes]:
        """Read lines from the pipe until a line starts with `end`, and return all these lines."""
        text = bytearray()

        def read() -> None:
            while not (text.endswith(b"\n") and text.splitlines()[-1].startswith(end)):
                text.extend(os.read(self.reading, 65536))

        in_time(read)
        return bytes(text).splitlines()

    def lose_the_reader(self) -> None:
        """Close the reading end of the pipe, so that each write of the LineWriter fails."""
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, self.reading)
        os.close(nothing)

    def get_a_new_reader(self) -> None:
        """Replace the pipe by a new pipe, after the LineWriter has tried to write all queued lines."""
        assert self.writer.flush(SECONDS)
        for new, old in zip(os.pipe(), (self.reading, self.writing), strict=True):
            os.dup2(new, old)
            os.close(new)


def in_time(work: Callable[..., object], *arguments: object) -> None:
    """Call a function in a thread with a timeout, so that a call that never returns fails the test."""
    thread = Thread(target=work, args=arguments, daemon=True)
    thread.start()
    thread.join(SECONDS)

    assert not thread.is_alive()


def lost(lines: int) -> bytes:
    """Return the line that the log writer writes in place of this many lost lines."""
    return b"lost %d" % lines


@contextmanager
def open_pipe() -> Iterator[Pipe]:
    """Yield a pipe with a log writer, and close the pipe and the writer at the end."""
    reading, writing = os.pipe()
    writer = LineWriter(lost, writing)
    try:
        yield Pipe(reading, writing, writer)
    finally:
        os.close(reading)  # a write that waits for room in the full pipe now fails
        writer.close()
        os.close(writing)
