"""The defences of the service, and how it is composed without one of them: a part replaced by one that does nothing."""

import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from typing import Any

from pydantic import BaseModel, create_model
from uvicorn.server import Server


async def let_through(middleware: Any, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - any middleware
    """Do nothing in its place."""
    await middleware.app(scope, receive, send)


async def ignore(*_arguments: object, **_options: object) -> None:
    """Do nothing."""


def unset(name: str) -> Callable[..., dict[str, str]]:
    """Return what asks the server for all settings but this one."""
    original = import_module("app.connection").enforced
    return lambda limits: {**original(limits), name: "0"}


def lenient(**defaults: Any) -> Callable[[], type[BaseModel]]:  # noqa: ANN401 - of any setting
    """Return what makes the settings of a downstream with other defaults, which nobody checks."""

    def make() -> type[BaseModel]:
        original = import_module("app.downstreams.settings").DownstreamSettings
        fields: Any = {name: (original.model_fields[name].rebuild_annotation(), own) for name, own in defaults.items()}
        return create_model(original.__name__, __base__=original, **fields)

    return make


async def read_all(_client: object, response: Any) -> bytes:  # noqa: ANN401 - of the HTTP library
    """Read an answer, however large it is."""
    body: bytes = await response.aread()
    return body


@dataclass(frozen=True, slots=True)
class Defence:
    """One of them."""

    what: str
    part: str  # `module:name`, or a setting of gunicorn.conf.py
    make: Callable[[], Any]  # what stands there instead
    test: str  # that holds it, in the folder above


LOCKED, SIZES, SIGTERM = "test_changed_tables.py", "test_sizes.py", "test_sigterm.py"
NEIGHBOUR = "test_neighbours.py::test_a_bad_neighbour_costs_its_own_callers_and_nobody_else"
RETRIES = "test_neighbours.py::test_retries_add_a_tenth_to_its_calls_at_most"
DOWNSTREAM = "app.downstreams.settings:DownstreamSettings"

DEFENCES: Mapping[str, Defence] = {
    "drain": Defence(
        "a worker that is told to stop serves on for a while",
        "app.server.drain:DrainingServer.on_tick",
        lambda: Server.on_tick,
        f"{SIGTERM}::test_nobody_notices_a_stop_behind_a_balancer_that_is_a_second_late",
    ),
    "not ready": Defence(
        "it says at once that it is not ready any more",
        "app.server.worker:begin_drain",
        lambda: lambda *_: None,
        f"{SIGTERM}::test_nobody_notices_a_stop_behind_a_balancer_that_is_a_second_late",
    ),
    "reload": Defence(
        "the same, while new workers take over",
        "app.server.drain:LastAnswers.__call__",
        lambda: let_through,
        "test_reload.py",
    ),
    "last answers": Defence(
        "clients of a worker that stops are asked to reconnect",
        "app.server.drain:LastAnswers.__call__",
        lambda: let_through,
        f"{SIGTERM}::test_who_connected_before_the_last_moment_is_answered_and_told_to_reconnect",
    ),
    "late connections": Defence(
        "what was accepted in the last moment is answered",
        "app.server.drain:DrainingServer.late_seconds",
        lambda: 0.0,
        f"{SIGTERM}::test_who_connected_before_the_last_moment_is_answered_and_told_to_reconnect",
    ),
    "time for a head": Defence(
        "connections that say nothing are ended",
        "app.server.protocol:BoundedProtocol._begin_head",
        lambda: lambda *_: None,
        "test_slow_clients.py",
    ),
    "size of a head": Defence(
        "headers have a bound",
        "app.server.protocol:MAX_HEAD_BYTES",
        lambda: 10**12,
        f"{SIZES}::test_headers_that_are_too_large_are_431",
    ),
    "length of a URL": Defence(
        "URLs have a bound",
        "app.server.protocol:MAX_URL_BYTES",
        lambda: 10**12,
        f"{SIZES}::test_an_address_that_is_too_long_is_414",
    ),
    "size of a body": Defence(
        "bodies have a bound",
        "app.middleware.body_limit:BodyLimit.__call__",
        lambda: let_through,
        f"{SIZES}::test_a_hundred_megabytes_are_answered_so_that_the_client_can_read_it",
    ),
    "packed bodies": Defence(
        "compressed bodies are refused",
        "app.middleware.body_limit:BodyLimit.__call__",
        lambda: let_through,
        f"{SIZES}::test_a_compressed_body_is_415_and_stays_packed",
    ),
    "linger": Defence(
        "who still sends can read the refusal",
        "app.middleware.linger:Linger.__call__",
        lambda: let_through,
        f"{SIZES}::test_a_hundred_megabytes_are_answered_so_that_the_client_can_read_it",
    ),
    "deadline": Defence(
        "every request is answered in time",
        "app.middleware.deadline:Deadline.__call__",
        lambda: let_through,
        "test_slow_clients.py",
    ),
    "admission": Defence(
        "more requests than can be served are refused at once",
        "app.middleware.admission:Admission.__call__",
        lambda: let_through,
        "test_overload.py",
    ),
    "shares": Defence(
        "one family cannot take all connections",
        "app.middleware.admission:share",
        lambda: ContextVar("nobody reads it", default=None),
        f"{LOCKED}::test_a_locked_table_costs_its_own_callers_and_nobody_else",
    ),
    "lock timeout": Defence(
        "nobody waits long for a lock",
        "app.connection:enforced",
        lambda: unset("lock_timeout"),
        f"{LOCKED}::test_a_locked_table_costs_its_own_callers_and_nobody_else",
    ),
    "statement timeout": Defence(
        "the server ends what nobody waits for",
        "app.connection:enforced",
        lambda: unset("statement_timeout"),
        "test_killed_worker.py::test_its_queries_end_at_the_limit_of_the_server",
    ),
    "queue of the pool": Defence(
        "who waits for a connection waits in a fair and bounded queue",
        "app.pool:_pass",
        lambda: lambda *_: None,
        "test_overload.py",
    ),
    "look at idle connections": Defence(
        "a connection that ended is replaced before it is used",
        "app.pool:FairPool._drop_if_dead",
        lambda: lambda *_: None,
        "test_restarted_database.py::test_while_idle_it_costs_nobody_anything",
    ),
    "reads run again": Defence(
        "a read that met an older schema, or a connection that ended, runs once more",
        "app.reader:is_stale",
        lambda: lambda *_: False,
        f"{LOCKED}::test_reads_survive_that_a_column_gets_another_type",
    ),
    "names for refusals": Defence(
        "what the database refuses is an answer of its class",
        "app.problems:SQLSTATE_CLASSES",
        dict,
        "test_transactions.py",
    ),
    "catch-all": Defence(
        "a bug answers, and its connection stays",
        "app.middleware.catch_all:CatchAll.__call__",
        lambda: let_through,
        "test_unhandled.py",
    ),
    "size of an answer": Defence(
        "another service's answers have a bound",
        "app.downstreams.client:Client._read",
        lambda: read_all,
        f"{NEIGHBOUR}[flood]",
    ),
    "time of a call": Defence(
        "another service has a total time to answer in, however it spends it",
        DOWNSTREAM,
        lenient(total_seconds=3600.0),
        f"{NEIGHBOUR}[trickle]",
    ),
    "calls at once": Defence(
        "another service gets so many calls at once",
        DOWNSTREAM,
        lenient(concurrency=10_000),
        f"{NEIGHBOUR}[never]",
    ),
    "breaker": Defence(
        "another service that fails is left alone for a while",
        "app.downstreams.breaker:Breaker.enter",
        lambda: lambda _breaker: 0,
        f"{NEIGHBOUR}[fail]",
    ),
    "share of retries": Defence(
        "retries are a small share of the calls",
        "app.downstreams.retry:RetryBudget.take",
        lambda: lambda _budget: True,
        RETRIES,
    ),
    "idempotency": Defence(
        "a write that is repeated with its key happens once",
        "app.idempotency.once:Once.answered",
        lambda: ignore,
        "test_left_writers.py",
    ),
    "readiness of the schema": Defence(
        "a worker whose database has no schema is not ready",
        "app.health.revisions:Revisions.missing",
        lambda: lambda *_: (),
        "test_started_early.py",
    ),
    "bounded log": Defence(
        "lines that nobody reads are dropped and counted",
        "app.observability.writer:MAX_BYTES",
        lambda: 10**12,
        "test_logs.py",
    ),
    "believed proxies": Defence(
        "X-Forwarded-For counts from the proxy only",
        "gunicorn.conf:FORWARDED_ALLOW_IPS",
        lambda: "*",
        "test_spoofing.py::test_forwarded_headers_of_a_stranger_are_ignored",
    ),
}


def leave_out(name: str) -> None:
    """Put what does nothing in the place of a defence."""
    defence = DEFENCES[name]
    module, _, path = defence.part.partition(":")
    if module == "gunicorn.conf":
        os.environ[path] = defence.make()
        return
    *owners, last = path.split(".")
    owner = reduce(getattr, owners, import_module(module))
    getattr(owner, last)  # raises when there is no such part any more
    setattr(owner, last, defence.make())
