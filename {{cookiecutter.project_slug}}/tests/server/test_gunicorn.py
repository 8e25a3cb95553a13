"""The service under real gunicorn with two workers: responses, log lines, shutdown and refused starts."""

import os
import signal
import sys
from collections.abc import Iterator

import pytest

from app.capacity.from_settings import plan_for
from tests.databases import cloned, make_settings
from tests.http_client import httpx
from tests.server.processes import NO_DEADLINES, START_SECONDS, Service, gunicorn

SHORT_DATABASE_LIMITS = {
    "DATABASE_LOCK_TIMEOUT_SECONDS": "0.5",
    "DATABASE_STATEMENT_TIMEOUT_SECONDS": "0.7",
    "DATABASE_COMMAND_TIMEOUT_SECONDS": "0.9",
}

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")


@pytest.fixture(scope="module")
def database_url(server_url: str, template: str) -> Iterator[str]:
    """The URL of a migrated database, which all services under gunicorn in this file use."""
    with cloned(server_url, template) as url:
        yield url


@pytest.fixture(scope="module")
def service(database_url: str) -> Iterator[Service]:
    """A service with two workers under gunicorn, started once for all tests that do not stop the service."""
    with gunicorn(database_url) as service:
        service.wait_until_started()
        yield service


def test_every_worker_has_the_numbers_of_the_capacity_plan(service: Service) -> None:
    plan = plan_for(make_settings("postgresql://app@127.0.0.1:1/none", web_concurrency=2))

    started = service.wait_for("application started", 2)
    (logged,) = service.lines("capacity plan")

    assert [(line["workers"], line["pool_size"]) for line in started] == [(plan.workers, plan.pool_size)] * 2
    assert (logged["max_concurrent"], logged["route_groups"]) == (plan.max_concurrent, plan.route_groups)


def test_a_request_is_one_json_log_line_with_the_request_id_and_without_the_query(service: Service) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"X-Request-ID": "caller-0002", "Traceparent": trace}
    answer = httpx.get(f"{service.url}/nowhere?token=canary", headers=headers)

    (line,) = service.wait_for("request", request_id="caller-0002")
    line = {name: value for name, value in line.items() if "milliseconds" not in name and name != "timestamp"}
    process = {"service": "{{ cookiecutter.project_slug }}", "version": "unknown", "level": "info"}
    asked = {"event": "request", "client": "127.0.0.1", "method": "GET", "path": "/nowhere", "route": None}
    answered = {"status": 404, "bytes": len(answer.content), "statements": 0}
    assert line == process | asked | answered | {"request_id": "caller-0002", "trace_id": trace.split("-")[1]}
    assert "canary" not in service.log.read_text("utf-8")


def test_a_health_probe_is_not_logged(service: Service) -> None:
    httpx.get(f"{service.url}/health/live", headers={"X-Request-ID": "quiet-0001"})
    httpx.get(f"{service.url}/nowhere", headers={"X-Request-ID": "loud-00001"})
    service.wait_for("request", request_id="loud-00001")

    assert [line for line in service.lines() if line.get("request_id") == "quiet-0001"] == []


def test_the_next_request_succeeds_after_a_body_that_is_too_large(service: Service) -> None:
    with httpx.Client(base_url=service.url) as client:
        refused = client.post("/nowhere", content=b"x" * 1_100_000)
        following = client.get("/health/live")

    assert (refused.status_code, refused.headers["content-type"]) == (413, "application/problem+json")
    assert following.status_code == 200


def test_sigterm_drains_and_does_not_wait_for_an_endless_response(database_url: str) -> None:
    """Uvicorn's own worker would wait for the endless response until gunicorn's SIGKILL, and never run the shutdown."""
    variables = {"WEB_CONCURRENCY": "1", "GRACEFUL_SHUTDOWN_SECONDS": "3", "ROUTE_GROUPS": NO_DEADLINES}
    with gunicorn(
        database_url, "tests.server.endless_response_app:app", **variables, **SHORT_DATABASE_LIMITS
    ) as service:
        service.wait_until_started(workers=1)
        with httpx.stream("GET", f"{service.url}/endless") as answer:
            ticks = answer.iter_bytes()  # kept in a variable: httpx closes the connection when the iterator is deleted
            before = next(ticks)
            service.process.terminate()
            drained = any(b"draining\n" in tick for tick in ticks)
            code = service.process.wait(timeout=START_SECONDS)
        stopped = service.lines("application stopped")

    assert (before, drained) == (b"serving\n", True)
    assert (code, len(stopped)) == (0, 1)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"PORT": "many"}, "PORT: Input should be a valid integer"),
        ({"WEB_CONCURRENCY": "90"}, "Lower WEB_CONCURRENCY or REPLICAS"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_message(variables: dict[str, str], message: str) -> None:
    with gunicorn("postgresql://app@127.0.0.1:1/none", **variables) as service:
        code = service.process.wait(timeout=START_SECONDS)
        output = service.log.read_text("utf-8")

    assert code == 1
    assert message in output
    assert "Traceback" not in output


def test_a_plan_beyond_the_connections_of_the_server_stops_the_master_with_one_sentence(database_url: str) -> None:
    # WEB_CONCURRENCY is 1, since gunicorn's master may crash when two workers refuse to start at the same moment.
    limits = {"DATABASE_MAX_CONNECTIONS": "1000", "DATABASE_POOL_LIMIT": "100", "WEB_CONCURRENCY": "1"}
    with gunicorn(database_url, **limits, JOBS__WORKERS="0") as service:
        code = service.process.wait(timeout=START_SECONDS)
        errors, output = service.errors(), service.log.read_text("utf-8")

    assert code == 3
    assert errors[0].startswith(
        "The service cannot start: All replicas together open up to 202 connections and leave 10"
    )
    assert "Traceback" not in output


def test_more_workers_than_in_the_plan_stop_the_start_with_one_sentence(database_url: str) -> None:
    with gunicorn(database_url, "--workers", "3") as service:
        code = service.process.wait(timeout=START_SECONDS)

        assert code == 1
        assert service.log.read_text("utf-8") == (
            "The service cannot start: the plan has connections for 2 workers, not 3. "
            "Set WEB_CONCURRENCY instead of --workers.\n"
        )


@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")
def test_the_signal_for_an_additional_worker_is_refused_with_a_log_line(service: Service) -> None:
    refusal = "No worker was added: the plan has connections for 2 workers, not 3. Set WEB_CONCURRENCY and restart."
    workers = service.workers()
    for count in (1, 2):  # the refusal of the second signal proves that the master has finished with the first signal
        os.kill(service.process.pid, signal.SIGTTIN)
        service.wait_for(refusal, count)

    assert len(workers) == 2
    assert service.workers() == workers
