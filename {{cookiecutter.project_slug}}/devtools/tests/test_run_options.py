"""The options and variables of the development runner: host, port, worker count, and variables of the developer."""

from argparse import ArgumentTypeError

import pytest

from devtools import run
from devtools.child_processes import RunError
from devtools.probe import base_url


def test_port_and_host_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "23457")
    monkeypatch.setenv("HOST", "::")

    options = run.parse([])

    assert (options.host, options.port) == ("::", 23457)
    assert base_url("::", 1) == "http://[::1]:1"


@pytest.mark.parametrize("port", ["0", "65536", "-1", "web"])
def test_an_invalid_port_is_refused(port: str) -> None:
    with pytest.raises(ArgumentTypeError, match="from 1 to 65535"):
        run.port_number(port)


def test_production_on_windows_is_refused() -> None:
    with pytest.raises(RunError, match="does not run on Windows"):
        run.service_command("127.0.0.1", 8000, production=True, platform="win32")


def test_a_variable_that_the_developer_set_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_FORMAT", "json")

    assert run.environment("postgresql://x", 1, production=False)["LOG_FORMAT"] == "json"


@pytest.mark.parametrize(("production", "workers"), [(False, "1"), (True, "2")])
def test_the_number_of_workers_does_not_grow_with_the_machine(
    monkeypatch: pytest.MonkeyPatch, workers: str, *, production: bool
) -> None:
    """The worker count is fixed: a worker per CPU would exceed PostgreSQL's default of 100 connections at 23 CPUs."""
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)

    assert run.environment("postgresql://x", 1, production=production)["WEB_CONCURRENCY"] == workers


def test_an_error_in_the_lifespan_stops_the_development_server_too() -> None:
    command = run.service_command("127.0.0.1", 8000, production=False)

    assert command[command.index("--lifespan") + 1] == "on"
