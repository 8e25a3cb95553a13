"""The service under real gunicorn with two workers: its answers, its log, its end."""

import os
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from app.capacity.plan import plan_for
from app.downstreams.client import httpx
from tests.databases import cloned, make_settings
from tests.server.processes import NO_DEADLINES, Service, gunicorn

SHORT_DATABASE_LIMITS = {
    "DATABASE_LOCK_SECONDS": "0.5",
    "DATABASE_STATEMENT_SECONDS": "0.7",
    "DATABASE_COMMAND_SECONDS": "0.9",
}

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")


@pytest.fixture(scope="module")
def database_url(server_url: str, template: str) -> Iterator[str]:
    """A database for the processes of this file."""
    with cloned(server_url, template) as url:
        yield url


@pytest.fixture(scope="module")
def service(database_url: str) -> Iterator[Service]:
    """The service, started once for this file."""
    with gunicorn(database_url) as running:
        running.wait_until_started()
        yield running


def test_it_becomes_ready(service: Service) -> None:
    assert httpx.get(f"{service.url}/health/ready").json() == {"status": "ready", "reasons": []}


def test_every_worker_has_the_numbers_of_the_one_plan(service: Service) -> None:
    plan = plan_for(make_settings("postgresql://nobody@127.0.0.1:1/none", web_concurrency=2))

    started = service.wait_for("started", 2)

    assert [(line["workers"], line["pool_size"]) for line in started] == [(plan.workers, plan.pool_size)] * 2


def test_a_request_is_one_json_line_with_its_id_and_no_query(service: Service) -> None:
    answer = httpx.get(f"{service.url}/nowhere?token=canary", headers={"X-Request-ID": "caller-0002"})

    (line,) = service.wait_for("request", request_id="caller-0002")
    del line["milliseconds"], line["timestamp"]
    assert line == {
        "event": "request",
        "level": "info",
        "method": "GET",
        "path": "/nowhere",
        "status": 404,
        "bytes": len(answer.content),
        "request_id": "caller-0002",
    }
    assert "canary" not in service.log.read_text("utf-8")


def test_probes_are_quiet(service: Service) -> None:
    httpx.get(f"{service.url}/health/live", headers={"X-Request-ID": "quiet-0001"})
    httpx.get(f"{service.url}/nowhere", headers={"X-Request-ID": "loud-00001"})
    service.wait_for("request", request_id="loud-00001")

    assert [line for line in service.lines() if line.get("request_id") == "quiet-0001"] == []


def test_every_library_logs_in_the_same_format(service: Service) -> None:
    """`lines` parses each line as JSON: the master's, the workers' and uvicorn's are all in it."""
    events = {line["event"] for line in service.lines()}

    assert {"started", "Application startup complete."} <= events
    assert any(event.startswith("Listening at") for event in events)


def test_a_body_that_is_too_large_does_not_stop_the_next_request(service: Service) -> None:
    with httpx.Client(base_url=service.url) as client:
        refused = client.post("/nowhere", content=b"x" * 1_100_000)
        following = client.get("/health/live")

    assert (refused.status_code, refused.headers["content-type"]) == (413, "application/problem+json")
    assert following.status_code == 200


def test_sigterm_ends_both_workers_through_their_lifespan(database_url: str) -> None:
    with gunicorn(database_url) as service:
        service.wait_until_started()
        code = service.stop()
        stopped = service.lines("stopped")

    assert code == 0
    assert len(stopped) == 2


def test_sigterm_drains_and_does_not_wait_for_an_answer_that_never_ends(database_url: str) -> None:
    """The stock worker tells nobody, and waits without bound until gunicorn kills it: the lifespan never exits."""
    variables = {"WEB_CONCURRENCY": "1", "GRACEFUL_STOP_SECONDS": "3", "FAMILIES": NO_DEADLINES}
    with gunicorn(database_url, "tests.server.endless:app", **variables, **SHORT_DATABASE_LIMITS) as service:
        service.wait_until_started(workers=1)
        with httpx.stream("GET", f"{service.url}/endless") as answer:
            ticks = answer.iter_bytes()  # kept: when it is collected, the connection closes and the answer ends
            before = next(ticks)
            service.process.terminate()
            after = [next(ticks) for _ in range(10)][-1]
            code = service.process.wait(timeout=30)
        stopped = service.lines("stopped")

    assert (before, after) == (b"serving\n", b"draining\n")
    assert (code, len(stopped)) == (0, 1)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"PORT": "many"}, "PORT: Input should be a valid integer"),
        ({"WEB_CONCURRENCY": "90"}, "Lower WEB_CONCURRENCY or REPLICAS"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_message(variables: dict[str, str], message: str) -> None:
    with gunicorn("postgresql://nobody@127.0.0.1:1/none", **variables) as service:
        code = service.process.wait(timeout=20)
        output = service.log.read_text("utf-8")

    assert code == 1
    assert message in output
    assert "Traceback" not in output


def test_a_plan_that_the_server_has_no_room_for_stops_the_master_with_one_sentence(database_url: str) -> None:
    # One worker: when two fail in the same moment, gunicorn itself may trip over the second one.
    limits = {"DATABASE_MAX_CONNECTIONS": "1000", "DATABASE_POOL_LIMIT": "100", "WEB_CONCURRENCY": "1"}
    with gunicorn(database_url, **limits) as service:
        code = service.process.wait(timeout=20)
        errors = [line["event"] for line in service.lines() if line["level"] == "error"]
        output = service.log.read_text("utf-8")

    assert code == 3
    assert errors[0].startswith("The service cannot start: All copies together open up to 202 connections and leave 10")
    assert "Traceback" not in output


def test_a_start_without_a_database_is_live_but_not_ready() -> None:
    with gunicorn("postgresql://nobody@127.0.0.1:1/none", WEB_CONCURRENCY="1") as service:
        service.wait_until_started(workers=1)
        answer = httpx.get(f"{service.url}/health/ready")

    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["The database cannot be reached."]


def test_more_workers_than_the_plan_has_stop_the_start_with_one_sentence(database_url: str) -> None:
    with gunicorn(database_url, "--workers", "3") as refused:
        code = refused.process.wait(timeout=20)

        assert code == 1
        assert refused.log.read_text("utf-8") == (
            "The service cannot start: the plan has connections for 2 workers, not 3. "
            "Set WEB_CONCURRENCY instead of --workers.\n"
        )


def test_a_signal_for_one_more_worker_is_refused_with_a_line(service: Service) -> None:
    started = len(service.lines("started"))
    os.kill(service.process.pid, signal.SIGTTIN)
    service.wait_for(
        "No worker was added: the plan has connections for 2 workers, not 3. Set WEB_CONCURRENCY and restart."
    )
    time.sleep(0.5)  # what a start takes

    assert len(service.lines("started")) == started
