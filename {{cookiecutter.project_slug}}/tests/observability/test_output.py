"""All log lines arrive, however a process ends, and a reader that stops reading cannot block the process."""

import json
import signal
import subprocess
import sys
from subprocess import PIPE
from typing import Any

import pytest

from tests.databases import ROOT
from tests.observability.pipes import SECONDS

LATE = """
import atexit
atexit.register(lambda: log.info("late"))  # registered first, so called last: after the writer was closed
"""

START = """
import asyncio, json, logging, os, signal, sys, threading
import structlog
from app.observability import logs

logs.configure(level="info", log_format={log_format!r})
log = structlog.get_logger()
"""

# Without this option, Python warns of a fork in a process with threads, such as the log writer's thread: a test shows
# that this fork is safe.
PYTHON = [sys.executable, "-W", "ignore::DeprecationWarning", "-c"]


def run(program: str) -> tuple[list[dict[str, Any]], int, str]:
    """Run a program that logs in a separate process; return the log lines, the exit code and the error output."""
    program = LATE + START.format(log_format="json") + program
    done = subprocess.run([*PYTHON, program], cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode, done.stderr


@pytest.mark.parametrize(
    ("end", "code", "complaint"),
    [
        ("", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("raise ValueError('broken')", 1, "ValueError: broken"),
    ],
)
def test_no_line_is_lost_when_a_process_ends_at_once(end: str, code: int, complaint: str) -> None:
    lines, returned, complained = run(f"for number in range(500): log.info('line', number=number)\n{end}")

    assert [line.get("number") for line in lines] == [*range(500), None]
    assert lines[-1]["event"] == "late"
    assert (returned, complaint in complained, bool(complaint)) == (code, True, bool(complained))


def test_no_line_is_lost_when_no_thread_can_start() -> None:
    lines, returned, complained = run("threading.stack_size(2**47)\nlog.info('alone')  # more than there are addresses")

    assert ([line["event"] for line in lines], returned, complained) == (["alone", "late"], 0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without a signal")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_no_line_is_lost_when_a_signal_ends_a_process(number: int) -> None:
    """Like uvicorn, the test's program ends by resetting the signal handler and raising the signal again."""
    default = f"signal.signal({number:d}, signal.SIG_DFL)"
    again = 'logs.configure(level="info", log_format="json")'
    lines, returned, complained = run(f"{default}\n{again}\nlog.info('last')\nsignal.raise_signal({number:d})")

    assert ([line["event"] for line in lines], returned, complained) == (["last"], -number, "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_after_a_fork_each_process_writes_its_own_lines_once() -> None:
    program = """
log.info("parent, waits in the queue at the fork")
child = os.fork()
log.info("parent" if child else "child")
if child:
    assert os.waitpid(child, 0)[1] == 0
    log.info("parent, after the child")
"""
    lines, returned, complained = run(program)

    assert (returned, complained) == (0, "")
    assert sorted(line["event"] for line in lines) == [
        "child",
        "late",
        "late",
        "parent",
        "parent, after the child",
        "parent, waits in the queue at the fork",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")
def test_gunicorns_master_writes_at_once_and_forks_without_a_thread() -> None:
    program = """
logging.config.dictConfig(logs.library_logging(level="info", log_format="json"))
logging.getLogger("gunicorn.error").info("from the master")
print(json.dumps({"event": "printed", "threads": threading.active_count()}), flush=True)
"""
    lines, returned, complained = run(program)

    assert [(line["event"], line.get("threads")) for line in lines] == [
        ("from the master", None),
        ("printed", 1),
        ("late", None),
    ]
    assert (returned, complained) == (0, "")


def test_a_reader_that_stopped_blocks_neither_the_event_loop_nor_the_end_of_the_process() -> None:
    program = """
async def serve():
    for _ in range(3000):
        log.info("line", text="." * 200)
        logging.getLogger("uvicorn.error").info("." * 200)
        await asyncio.sleep(0)

asyncio.run(serve())
print("the loop turned", file=sys.stderr)
"""
    json_lines, console = (
        subprocess.Popen([*PYTHON, START.format(log_format=log_format) + program], cwd=ROOT, stdout=PIPE, stderr=PIPE)
        for log_format in ("json", "console")
    )
    with json_lines, console:
        try:
            returned = json_lines.wait(SECONDS), console.wait(SECONDS)
        finally:
            json_lines.kill()
            console.kill()
        complaints = [process.stderr.read() for process in (json_lines, console) if process.stderr]

    assert (returned, complaints) == ((0, 0), [b"the loop turned\n"] * 2)
