"""Two workers write long log lines into one pipe with a slow reader: the reader gets each line whole."""

import asyncio
import json
import os
import sys
from pathlib import Path
from threading import Thread

import pytest

from tests.faults.clients import Answers, Client, for_a_while
from tests.server.processes import gunicorn_writing_to
from tests.smoke.raw_http import asked, head

if sys.platform == "linux":
    from fcntl import F_SETPIPE_SZ, fcntl

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a pipe must be made small, so that it is full often")

SECONDS = 3.0
"""How long the clients send requests, in seconds."""

LONG_PATH = "/" + "%01" * 2_000
"""A request path that makes a long log line: 2,000 control characters, each of which JSON escapes as six characters."""


class SlowReader(Thread):
    """A reader of the log pipe that takes at most 1,000 bytes at a time, so that the pipe is mostly full."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True)
        self.descriptor = descriptor
        self.read = bytearray()

    def run(self) -> None:
        """Read until all writers have closed the pipe."""
        while part := os.read(self.descriptor, 1_000):
            self.read += part


async def fail(client: Client) -> None:
    await client.ask("/fail")
    await client.ask(LONG_PATH)


async def until_serving(url: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await asked(url, [head("GET", "/health/live")])
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return


async def failures(url: str) -> Answers:
    await until_serving(url)
    return await for_a_while(url, 8, SECONDS, fail)


async def test_no_line_is_torn(committed_url: str, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    fcntl(writing, F_SETPIPE_SZ, 4096)
    reader = SlowReader(reading)
    reader.start()
    with os.fdopen(writing, "wb") as output:
        service = gunicorn_writing_to(
            output, tmp_path / "none", committed_url, "--pythonpath=tests/faults", "strict_app:app"
        )
        with service as running:
            answers = await failures(running.url)
            running.stop()
    reader.join(60)
    lines = [json.loads(line) for line in bytes(reader.read).splitlines()]

    assert set(answers.seconds) == {404, 500}
    tracebacks = [line for line in lines if line["event"] == "request failed on an unexpected exception"]
    assert len(tracebacks) == len(answers.of(500)) > 0
    assert all(len(line["exception"]) > 4096 for line in tracebacks)
    paths = [line["path"] for line in lines if line["event"] == "request" and line["status"] == 404]
    assert (len(paths), {len(path) for path in paths}) == (len(answers.of(404)), {256})
