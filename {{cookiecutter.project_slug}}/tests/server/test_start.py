"""The start under gunicorn: listening addresses, trusted proxies, and a signal before the start is complete."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from devtools.ports import free_port
from tests.databases import ROOT
from tests.http_client import httpx
from tests.server.processes import START_SECONDS, gunicorn

NOWHERE = "postgresql://app@127.0.0.1:1/none"
APP = "tests.server.peer_app:app"
FORWARDED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="IPv6, unix sockets and /proc as on Linux")


@pytest.mark.parametrize("proxies", ["127.0.0.1", "10.0.0.0/8,127.0.0.0/8"])
def test_an_ipv6_socket_trusts_the_ipv4_proxies(proxies: str) -> None:
    with gunicorn(NOWHERE, APP, HOST="::", FORWARDED_ALLOW_IPS=proxies, WEB_CONCURRENCY="1") as service:
        service.wait_until_serving()
        answer = httpx.get(f"{service.url}/peer", headers=FORWARDED).json()

    assert answer == ["203.0.113.7", "https"]


def test_an_ipv6_socket_does_not_trust_the_rest() -> None:
    with gunicorn(NOWHERE, APP, HOST="::", FORWARDED_ALLOW_IPS="10.0.0.0/8", WEB_CONCURRENCY="1") as service:
        service.wait_until_serving()
        answer = httpx.get(f"{service.url}/peer", headers=FORWARDED).json()

    assert answer == ["::ffff:127.0.0.1", "http"]


def test_a_proxy_on_a_unix_socket_is_trusted(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with gunicorn(NOWHERE, APP, HOST=f"unix:{path}", FORWARDED_ALLOW_IPS="10.0.0.1", WEB_CONCURRENCY="1") as service:
        service.wait_until_started(workers=1)
        with httpx.Client(transport=httpx.HTTPTransport(uds=path), base_url="http://service") as client:
            answer = client.get("/peer", headers=FORWARDED | {"X-Forwarded-For": "192.0.2.1, 203.0.113.7"}).json()

    assert answer == ["203.0.113.7", "https"]  # the address that the proxy appended, not the client's claim


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("WEB_CONCURRENCY", "auto", "WEB_CONCURRENCY: Input should be a valid integer"),
        ("FORWARDED_ALLOW_IPS", "nginx", "FORWARDED_ALLOW_IPS: write IP addresses and networks"),
        ("PORT", "http", "PORT: Input should be a valid integer"),
        ("HOST", "nowhere.invalid", "HOST is no address of this machine"),
        ("HOST", "192.0.2.1", "HOST is no address of this machine"),
        ("HOST", "2001:db8::1", "HOST is no address of this machine"),
        ("HOST", f"{'a' * 64}.invalid", "HOST is no address of this machine"),
    ],
)
def test_gunicorn_is_not_reached_by_a_value_that_it_cannot_read(name: str, value: str, sentence: str) -> None:
    with gunicorn(NOWHERE, **{name: value}) as service:
        code = service.process.wait(timeout=START_SECONDS)
        output = service.log.read_text("utf-8")

    assert code == 1
    assert sentence in output
    assert "Traceback" not in output


def test_an_error_of_a_middleware_in_the_lifespan_stops_the_start() -> None:
    """An exception in the lifespan stops the start: uvicorn's `lifespan="auto"` would serve without a database."""
    with gunicorn(NOWHERE, "tests.server.peer_app:hasty", WEB_CONCURRENCY="1") as service:
        code = service.process.wait(timeout=START_SECONDS)
        output = service.log.read_text("utf-8")

    assert (code, "KeyError" in output) == (3, True)


@pytest.mark.parametrize("workers", ["", " 1\n", "1.0"])
def test_an_empty_value_and_spaces_do_not_stop_gunicorn(workers: str) -> None:
    with gunicorn(NOWHERE, WEB_CONCURRENCY=workers, FORWARDED_ALLOW_IPS="", DATABASE_POOL_LIMIT="") as service:
        service.wait_until_serving()


def test_a_full_collection_leaves_out_the_objects_of_the_start() -> None:
    """A garbage collection that visits the objects of the start-up would stop the event loop for some 90 ms."""
    with gunicorn(NOWHERE, APP, WEB_CONCURRENCY="1") as service:
        service.wait_until_serving()
        collected, frozen, *on = httpx.get(f"{service.url}/collected").json()

    assert frozen > 10 * collected
    # The collector is off during imports, and on while requests are served; the loop monitor sees no full collection.
    assert on == [False, True, False]


def test_the_heartbeat_of_a_worker_is_no_file_of_the_root_file_system() -> None:
    with gunicorn(NOWHERE, WEB_CONCURRENCY="1") as service:
        service.wait_until_started(workers=1)
        (worker,) = service.workers()
        open_files = [link.readlink() for link in Path(f"/proc/{worker}/fd").iterdir()]

    assert [str(file.parent) for file in open_files if "wgunicorn" in file.name] == ["/dev/shm"]  # noqa: S108 - a folder in memory


def new_process_1(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["unshare", "--fork", "--pid", "--kill-child", *command],  # noqa: S607 - starts process 1 of a new PID namespace
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": NOWHERE, "ENVIRONMENT": "development"}
        | {"PORT": str(free_port()), "DRAIN_SECONDS": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.fixture
def namespaces() -> None:
    """Skip a test if the user may not create a PID namespace."""
    with new_process_1("true") as process:
        if process.wait(START_SECONDS) != 0:
            pytest.skip("this user has no right on a PID namespace")


@pytest.mark.usefixtures("namespaces")
@pytest.mark.parametrize("command", [["-m", "app.server"], ["-m", "gunicorn"]])
def test_process_1_of_a_container_obeys_sigterm_before_gunicorn_has_started(command: list[str]) -> None:
    with new_process_1(sys.executable, *command) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(ValueError, FileNotFoundError):
                master = int(children.read_text("ascii"))
                if handles_sigterm(master):
                    os.kill(master, signal.SIGTERM)
                    break
            time.sleep(0.001)
        output, _ = process.communicate(timeout=START_SECONDS)

    assert (process.returncode, output) == (0, "")


def test_a_stop_after_a_reload_lets_the_workers_drain() -> None:
    """A reload runs gunicorn.conf.py again: the signal handlers for the start must not replace gunicorn's own."""
    with gunicorn(NOWHERE, APP, WEB_CONCURRENCY="1") as service:
        service.wait_until_started(workers=1)
        service.process.send_signal(signal.SIGHUP)
        service.wait_until_started(workers=2)
        service.process.terminate()
        code = service.process.wait(START_SECONDS)
        handled = service.lines("Handling signal: term")

    assert (code, len(handled)) == (0, 1)


def handles_sigterm(pid: int) -> bool:
    """Tell whether a process handles SIGTERM: the kernel drops a signal to process 1 without a handler."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    (caught,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)
