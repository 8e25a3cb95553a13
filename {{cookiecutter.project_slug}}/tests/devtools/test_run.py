"""The development runner: everything comes up, and everything goes away again."""

import http.client
import json
import os
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from devtools import postgres, run
from devtools.children import Children
from devtools.cluster import free_port
from devtools.run import RunError
from tests.devtools.users import PROJECT, ask
from tests.devtools.users import run as run_python

on_linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes by /proc")


@pytest.fixture
def database() -> Iterator[str]:
    """An empty database of the throwaway server, named as a person names his own: the development data stays alone."""
    with postgres.test_server() as server:
        name = f"run_{secrets.token_hex(4)}"
        ask(server, f"CREATE DATABASE {name}")
        yield server.replace("/postgres", f"/{name}")


def marked(mark: str) -> list[int]:
    """Return the processes that inherited this mark in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:  # ended meanwhile, or somebody else's
            continue
    return found


@contextmanager
def runner(database: str, mark: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Start the runner as the leader of its process group, as a shell does."""
    with subprocess.Popen(
        [sys.executable, "-m", "devtools.run", "--port", str(free_port()), *options],
        cwd=PROJECT,
        env=os.environ | {"DATABASE_URL": database, "MARK": mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], end: str) -> str:
    """Return the output up to a line."""
    assert process.stdout

    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if end in line:
            break
    return "".join(lines)


def do(curl: str) -> int:
    """Send what a curl line sends, and return the status."""
    words = shlex.split(curl)
    url, body = urlsplit(words[2]), words[words.index("-d") + 1] if "-d" in words else None
    connection = http.client.HTTPConnection(url.netloc, timeout=5)
    connection.request("POST" if body else "GET", url.path, body, {"Content-Type": "application/json"} if body else {})
    status = connection.getresponse().status
    connection.close()
    return status


@on_linux
@pytest.mark.parametrize(("options", "number"), [([], signal.SIGINT), (["--production"], signal.SIGTERM)])
def test_all_is_served_as_printed_and_a_signal_leaves_nothing_running(
    database: str, options: list[str], number: signal.Signals
) -> None:
    mark = secrets.token_hex(8)
    with runner(database, mark, *options) as process:
        said = read_until(process, "Ctrl-C stops everything.")
        statuses = [do(curl) for curl in re.findall(r"try +(curl .*)", said)]
        children = len(marked(mark)) - 1
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        rest = read_until(process, "stopped\n")
        code = process.wait(15)

    assert [line for line in said.splitlines() if line.endswith(" ...")][:2] == [
        "starting PostgreSQL ...",
        "migrating ...",
    ]
    assert statuses in ([200], [201])
    assert ("/docs" in said) == (not options)
    assert children >= 2
    assert (code, "Traceback" in rest) == (0, False)
    assert marked(mark) == []


CHILDREN = """
import sys
from pathlib import Path
from devtools.children import *
stubborn = "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + (
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); print('up', flush=True); time.sleep(60)")
quitter = "import time; time.sleep(0.3); raise SystemExit(3)"
environment = dict(os.environ)
with Children(Path("."), stop_seconds=0.1) as children:
    children.start("the stubborn", [sys.executable, "-c", stubborn], environment)
    children.start("the quitter", [sys.executable, "-c", quitter], environment)
    try:
        while True:
            children.pause()
    except ChildEnded as ended:
        print(ended)
"""


@on_linux
def test_a_child_that_ends_is_named_and_the_others_are_ended_with_their_children() -> None:
    mark = secrets.token_hex(8)
    done = run_python("-c", CHILDREN, MARK=mark)

    assert done.stdout.splitlines() == ["up", "the quitter ended by itself, with exit code 3"]
    assert marked(mark) == []


def test_a_failed_migration_is_one_sentence_and_nothing_is_served() -> None:
    done = run_python("-m", "devtools.run", DATABASE_URL="postgresql://app:app@127.0.0.1:1/app")

    assert done.returncode == 1
    assert done.stderr.endswith("The migrations failed with exit code 1: the reason is above.\n")
    assert "serving" not in done.stdout


def test_a_busy_port_that_was_asked_for_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        done = run_python("-m", "devtools.run", "--port", port)

    assert done.returncode == 1
    assert done.stderr == f"Port {port} is in use: stop what listens there, or leave out --port to get a free one.\n"


def test_without_a_wish_the_next_free_port_is_taken() -> None:
    first = run.pick_port(None)
    with socket.create_server(("127.0.0.1", first)):
        second = run.pick_port(None)

    assert run.FIRST_PORT <= first < second


@pytest.mark.parametrize("port", ["0", "65536", "-1", "web"])
def test_an_impossible_port_is_refused(port: str) -> None:
    done = run_python("-m", "devtools.run", "--port", port)

    assert done.returncode == 2
    assert done.stderr.endswith("a port is a number from 1 to 65535\n")


def test_production_on_windows_is_refused() -> None:
    with pytest.raises(RunError, match="does not run on Windows"):
        run.service_command(8000, production=True, platform="win32")


def test_a_service_that_never_gets_ready_is_given_up() -> None:
    with pytest.raises(RunError, match=r"not ready after 0 s.*refused"):
        run.wait_until_ready(free_port(), Children(PROJECT), seconds=0.1)


def test_a_variable_that_the_person_set_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_FORMAT", "json")

    assert run.environment("postgresql://x", 1, production=False)["LOG_FORMAT"] == "json"


def test_the_example_order_is_what_the_hint_sends() -> None:
    """Only with the example; the folder is asked, as the runner does."""
    said = run.hints(free_port())

    assert ("/api/v1/orders" in said) == (PROJECT / "app" / "orders").is_dir()
    assert json.dumps(run.EXAMPLE_ORDER, separators=(",", ":")) in said or "/api/v1/orders" not in said
