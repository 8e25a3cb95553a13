"""A pipe whose reader stops, leaves and comes back when the test says so."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread

from app.observability.writer import LineWriter

SECONDS = 20  # only what waits for ever must fail, however slow the machine is


@dataclass(frozen=True, slots=True)
class Pipe:
    """A pipe that is read on request, and a writer into it."""

    reading: int
    writing: int
    writer: LineWriter

    def read_until(self, end: bytes) -> list[bytes]:
        """Read whole lines until the last one starts with `end`."""
        text = bytearray()

        def read() -> None:
            while not (text.endswith(b"\n") and text.splitlines()[-1].startswith(end)):
                text.extend(os.read(self.reading, 65536))

        in_time(read)
        return bytes(text).splitlines()

    def lose_the_reader(self) -> None:
        """Close the end that is read."""
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, self.reading)
        os.close(nothing)

    def get_a_new_reader(self) -> None:
        """Put another pipe in the place of this one, once the writer has tried to write what it had."""
        assert self.writer.flush(SECONDS)
        for new, old in zip(os.pipe(), (self.reading, self.writing), strict=True):
            os.dup2(new, old)
            os.close(new)


def in_time(work: Callable[..., object], *arguments: object) -> None:
    """Do it in a thread, so that what waits for ever is a failure and not a test run without an end."""
    thread = Thread(target=work, args=arguments, daemon=True)
    thread.start()
    thread.join(SECONDS)

    assert not thread.is_alive()


def lost(lines: int) -> bytes:
    """Say it in a word."""
    return b"lost %d" % lines


@contextmanager
def open_pipe() -> Iterator[Pipe]:
    """Lend a pipe."""
    reading, writing = os.pipe()
    writer = LineWriter(lost, writing)
    try:
        yield Pipe(reading, writing, writer)
    finally:
        os.close(reading)  # whatever still waits for room ends now
        writer.close()
        os.close(writing)
