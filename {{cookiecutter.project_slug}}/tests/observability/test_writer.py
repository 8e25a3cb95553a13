"""The log writer never makes its caller wait, and counts each lost line; tested on real pipes."""

import os
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from threading import Thread
from types import FrameType

import pytest

from app.observability.writer import MAX_BYTES, MAX_LINES, LineWriter
from tests.observability.pipes import SECONDS, Pipe, in_time, lost, open_pipe

if sys.platform == "linux":
    from fcntl import F_SETPIPE_SZ, fcntl


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe with a log writer; pipe and writer are closed after the test."""
    with open_pipe() as opened:
        yield opened


def put_all(writer: LineWriter, lines: Iterable[bytes]) -> None:
    for line in lines:
        writer.put(line)


def numbered(lines: int, length: int) -> list[bytes]:
    return [f"{number} ".encode().ljust(length, b".") for number in range(lines)]


@pytest.mark.parametrize(("lines", "length", "kept"), [(30_000, 100, MAX_LINES), (100, MAX_BYTES // 16, 16)])
def test_no_caller_waits_for_a_reader_that_stopped_and_lost_lines_are_counted(
    pipe: Pipe, lines: int, length: int, kept: int
) -> None:
    stuck = b"x" * 1_000_000  # a line longer than the buffer of the pipe, so that the write blocks
    sent = numbered(lines, length)

    in_time(pipe.writer.put, stuck)
    in_time(os.read, pipe.reading, 1)
    in_time(put_all, pipe.writer, sent)

    assert pipe.read_until(b"lost") == [stuck[1:], *sent[:kept], lost(lines - kept)]

    pipe.writer.put(b"after")

    assert pipe.read_until(b"after") == [b"after"]


def test_the_lines_of_each_thread_come_in_its_order(pipe: Pipe) -> None:
    sent = {name: [b"%s %d" % (name, number) for number in range(2000)] for name in (b"a", b"b", b"c")}

    threads = [Thread(target=put_all, args=(pipe.writer, lines), daemon=True) for lines in sent.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    pipe.writer.put(b"end")
    *received, _end = pipe.read_until(b"end")

    assert {name: [line for line in received if line.startswith(name)] for name in sent} == sent


@dataclass(slots=True)
class Interruption:
    """A trace function that writes the log line `inner` just before a chosen step of the traced code."""

    writer: LineWriter
    step: int
    steps: int = 0

    def __call__(self, _frame: FrameType, _event: str, _argument: object) -> "Interruption":
        """Count a step of the traced code, and write the line `inner` at the chosen step."""
        if self.steps == self.step:
            self.writer.put(b"inner")
        self.steps += 1
        return self


def test_a_line_in_the_middle_of_writing_a_line_does_not_wait(pipe: Pipe) -> None:
    """A signal handler or destructor may log while the same thread is in the writer's `put`, without a deadlock."""
    steps = count()

    def put_with_each_interruption() -> None:
        for step in steps:
            interruption = Interruption(pipe.writer, step)
            sys.settrace(interruption)
            pipe.writer.put(b"outer")
            sys.settrace(None)
            if not pipe.writer.flush(SECONDS) or interruption.steps <= step:
                return

    pipe.writer.put(b"first")
    assert pipe.writer.flush(SECONDS)
    in_time(put_with_each_interruption)
    pipe.writer.put(b"end")
    rounds = next(steps)

    assert rounds > 8
    assert Counter(pipe.read_until(b"end")) == {b"first": 1, b"outer": rounds, b"inner": rounds - 1, b"end": 1}


def test_a_line_that_comes_at_any_moment_of_the_writing_is_written() -> None:
    for step in count():
        with open_pipe() as pipe:
            interruption = Interruption(pipe.writer, step)
            threading.settrace(interruption)
            pipe.writer.put(b"outer")
            threading.settrace(None)
            assert pipe.writer.flush(SECONDS)
            pipe.writer.close()
            os.write(pipe.writing, b"end\n")
            lines = pipe.read_until(b"end")
        if interruption.steps <= step:
            break

        assert sorted(lines) == [b"end", b"inner", b"outer"]

    assert step > 20


@pytest.mark.skipif(sys.platform == "win32", reason="its pipes always block")
def test_an_output_that_does_not_block_loses_nothing(pipe: Pipe) -> None:
    os.set_blocking(pipe.writing, False)
    sent = numbered(5000, 200)

    in_time(put_all, pipe.writer, [*sent, b"end"])

    assert pipe.read_until(b"end") == [*sent, b"end"]


@pytest.mark.skipif(sys.platform != "linux", reason="a pipe must be made small, so that it is full all the time")
def test_the_lines_of_two_workers_do_not_mix_in_one_pipe(pipe: Pipe) -> None:
    fcntl(pipe.writing, F_SETPIPE_SZ, 4096)
    other = LineWriter(lost, pipe.writing)

    in_time(put_all, pipe.writer, [b"a" * 300] * 3000)
    in_time(put_all, other, [b"b" * 700] * 3000)
    received: list[bytes] = []
    while len(received) < 6000:
        received += pipe.read_until(b"")
    other.close()

    assert Counter(received) == {b"a" * 300: 3000, b"b" * 700: 3000}


def test_the_writer_outlives_a_reader_that_left(pipe: Pipe) -> None:
    pipe.writer.put(b"before")
    before = pipe.read_until(b"before")
    pipe.lose_the_reader()
    put_all(pipe.writer, [b"this line has no reader"] * 3)
    pipe.get_a_new_reader()
    pipe.writer.put(b"after")

    assert before == [b"before"]
    assert pipe.read_until(b"lost") == [b"after", lost(3)]


def test_half_a_line_is_not_continued_by_the_next(pipe: Pipe) -> None:
    in_time(pipe.writer.put, b"x" * 1_000_000)
    in_time(os.read, pipe.reading, 1)  # the write has begun, and the rest of the line does not fit into the pipe
    pipe.lose_the_reader()
    pipe.get_a_new_reader()
    pipe.writer.put(b"after")

    assert pipe.read_until(b"lost") == [b"", b"after", lost(1)]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell whether there is room")
@pytest.mark.parametrize("blocking", [True, False])
def test_a_line_after_the_end_does_not_wait_for_a_reader_that_stopped(pipe: Pipe, blocking: bool) -> None:
    pipe.writer.close()
    os.set_blocking(pipe.writing, False)
    for size in (1000, 1):
        with suppress(BlockingIOError):
            while True:
                os.write(pipe.writing, b"x" * size)
    os.set_blocking(pipe.writing, blocking)

    in_time(pipe.writer.put, b"after")
