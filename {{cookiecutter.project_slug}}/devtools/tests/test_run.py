"""The development runner starts PostgreSQL, migrations, stubs and service, and stops all processes at the end."""

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
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from devtools import run
from devtools.child_processes import ChildProcesses, RunError
from devtools.ports import FIRST_PORT, LAST_PORT, free_port, is_free, reserved
from devtools.probe import base_url, wait_until_ready
from devtools.run import CONSOLE
from devtools.tests.server_users import PROJECT, ask, marked, read_until
from devtools.tests.server_users import run as run_python

ELSEWHERE = ["--host", "::1"] if is_free(0, "::1") else []
"""The runner's option for a loopback address other than 127.0.0.1, if the machine has IPv6."""

on_linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")


@pytest.fixture
def database(server_url: str) -> str:
    """The URL of an empty database on the throwaway server: tests must not touch the development database."""
    name = f"run_{secrets.token_hex(4)}"
    ask(server_url, f"CREATE DATABASE {name}")
    return server_url.replace("/postgres", f"/{name}")


@contextmanager
def runner(database: str, mark: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Start the development runner as the leader of a new process group, as a shell does.

    The port is one that stubs of another runner may have: the runner must not give it to its own stubs.
    """
    port = free_port(LAST_PORT + 1 + os.getpid() % 100)
    with subprocess.Popen(
        [sys.executable, "-m", "devtools.run", "--port", str(port), *options],
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


def send(curl: str) -> int:
    """Send the request of a curl command, and return the response status."""
    words = shlex.split(curl)
    url, body = urlsplit(words[2]), words[words.index("-d") + 1] if "-d" in words else None
    headers = dict(value.split(": ", 1) for option, value in pairwise(words) if option == "-H")
    connection = http.client.HTTPConnection(url.netloc, timeout=60)
    connection.request("POST" if body else "GET", url.path, body, headers)
    status = connection.getresponse().status
    connection.close()
    return status


@on_linux
@pytest.mark.parametrize(("options", "number"), [([], signal.SIGINT), (["--production", *ELSEWHERE], signal.SIGTERM)])
def test_the_printed_commands_work_and_a_signal_leaves_no_process_running(
    database: str, options: list[str], number: signal.Signals
) -> None:
    mark = secrets.token_hex(8)
    with runner(database, mark, *options) as process:
        output = read_until(process, "Ctrl-C stops everything.")
        statuses = [send(curl) for curl in re.findall(r"try +(curl .*)", output)]
        pages = [send(f"curl -s {page}") for page in re.findall(r"status +(http.*)", output)]
        children = len(marked(mark)) - 1
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        rest = read_until(process, "stopped\n")
        code = process.wait(60)

    assert re.findall(r"^ *\d+\.\d s  (\w+)", output, re.MULTILINE) == ["starting", "migrating", "serving", "ready"]
    assert statuses in ([200], [201])
    assert pages == [200]
    assert [page in output for page in ("/docs", "/_console/")] == [not options, CONSOLE.exists() and not options]
    assert children >= 2
    assert (code, "Traceback" in rest) == (0, False)
    assert marked(mark) == []


def test_a_failed_migration_is_reported_in_a_sentence_and_prevents_the_start() -> None:
    done = run_python("-m", "devtools.run", DATABASE_URL="postgresql://app:app@127.0.0.1:1/app")

    assert done.returncode == 1
    assert done.stderr.endswith("The migrations failed with exit code 1: the lines above name the reason.\n")
    assert "serving" not in done.stdout


def test_a_wanted_port_that_is_in_use_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        done = run_python("-m", "devtools.run", "--port", port)

    assert done.returncode == 1
    assert done.stderr == f"Port {port} is in use on 127.0.0.1, or is for root only: name a different port by PORT.\n"


def test_a_host_that_is_no_address_of_this_machine_is_refused() -> None:
    """A HOST that is no address of this machine is refused: tcsh and conda's compilers set HOST for other purposes."""
    done = run_python("-m", "devtools.run", HOST="x86_64-conda-linux-gnu")

    assert done.stderr.startswith("Nothing on this machine can listen on x86_64-conda-linux-gnu: give HOST an address")
    assert run.parse(["--host", "[::1]"]).host == "::1"


def test_without_a_wanted_port_the_next_free_port_is_used() -> None:
    with reserved(None) as first, socket.create_server(("127.0.0.1", first)), reserved(None) as second:
        assert FIRST_PORT <= first < second


def test_two_runners_that_choose_before_either_listens_get_two_ports() -> None:
    with reserved(None) as first:
        done = run_python("-c", "from devtools.ports import reserved\nwith reserved(None) as port: print(port)")

    assert int(done.stdout) > first


def test_two_runners_that_choose_before_either_listens_get_two_status_pages() -> None:
    assert [run.management_port(port) for port in (8000, 8001, 8099, 9100)] == [9464, 9466, 9662, 9464]


def test_the_stubs_have_the_port_that_the_readme_names() -> None:
    assert [run.stubs_port_of(port) for port in (8000, 8001, 8099, 9100)] == [8100, 8101, 8199, 8100]


def test_readiness_believes_its_own_instance_only() -> None:
    """A ready server with a different instance id has the port: the runner must not mistake it for its service."""
    with ready_server("stranger") as port, pytest.raises(RunError, match=r'not ready after 0 s.*"stranger"'):
        wait_until_ready(base_url("127.0.0.1", port), "own", ChildProcesses(PROJECT), seconds=0.3)
    with ready_server("own") as port:
        wait_until_ready(base_url("0.0.0.0", port), "own", ChildProcesses(PROJECT), seconds=30)  # noqa: S104 - only makes a URL, binds no port


@contextmanager
def ready_server(instance: str) -> Iterator[int]:
    """Serve `{"instance": ...}` at every path, as a ready service does."""

    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"instance": instance}).encode())

        def log_message(self, *_arguments: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Ready) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_a_service_that_never_gets_ready_is_given_up() -> None:
    with pytest.raises(RunError, match=r"not ready after 0 s.*refused"):
        wait_until_ready(base_url("127.0.0.1", free_port()), "own", ChildProcesses(PROJECT), seconds=0.1)
