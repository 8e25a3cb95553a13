"""The development runner: everything comes up, and everything goes away again."""

import http.client
import os
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from devtools import run
from devtools.children import Children
from devtools.ports import free_port
from devtools.run import RunError
from devtools.tests.users import PROJECT, ask, marked, read_until
from devtools.tests.users import run as run_python

on_linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes by /proc")


@pytest.fixture
def database(server_url: str) -> str:
    """An empty database of the throwaway server, named as a person names his own: the development data stays alone."""
    name = f"run_{secrets.token_hex(4)}"
    ask(server_url, f"CREATE DATABASE {name}")
    return server_url.replace("/postgres", f"/{name}")


@contextmanager
def runner(database: str, mark: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Start the runner as the leader of its process group, as a shell does."""
    with subprocess.Popen(
        [sys.executable, "-m", "devtools.run", "--port", str(free_port()), *options],
        cwd=PROJECT,
        env=os.environ | {"DATABASE_URL": database, "MARK": mark, "WEB_CONCURRENCY": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


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
    assert options or "/docs" in said
    assert children >= 2
    assert (code, "Traceback" in rest) == (0, False)
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
    with pytest.raises(ArgumentTypeError, match="from 1 to 65535"):
        run.port_number(port)


def test_production_on_windows_is_refused() -> None:
    with pytest.raises(RunError, match="does not run on Windows"):
        run.service_command(8000, production=True, platform="win32")


def test_a_service_that_never_gets_ready_is_given_up() -> None:
    with pytest.raises(RunError, match=r"not ready after 0 s.*refused"):
        run.wait_until_ready(free_port(), Children(PROJECT), seconds=0.1)


def test_a_variable_that_the_person_set_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_FORMAT", "json")

    assert run.environment("postgresql://x", 1, production=False)["LOG_FORMAT"] == "json"


@pytest.mark.parametrize(("production", "workers"), [(False, "1"), (True, "2")])
def test_a_large_machine_does_not_need_a_large_database(
    monkeypatch: pytest.MonkeyPatch, workers: str, *, production: bool
) -> None:
    """Unset, there would be a worker per CPU, and from 23 on no plan fits the 100 connections of a new server."""
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)

    assert run.environment("postgresql://x", 1, production=production)["WEB_CONCURRENCY"] == workers
