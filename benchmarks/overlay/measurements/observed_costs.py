"""Measures the CPU of a request with more and more observation: logs, timings, metrics, traces; JSON goes into a file.

Requests need no network. Arguments: the file, the number of rounds, and the URL of a trace collector. The log goes to
standard output and the metrics go into files, as under gunicorn.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

# prometheus_client reads the variable when it is imported
os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="metrics-")

# isort: split
import uvloop
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import main as composition_root
from app.observability import logs
from app.settings.load import load_settings
from app.settings.service import Settings
from app.web import access_log
from baselines.textbook import app as textbook
from measurements.asgi_client import Request, cpu_microseconds

REQUESTS, WARM_UP = 60, 100
STRANGER, TRUSTED = "192.0.2.7", "127.0.0.1"
TARGETS = {"no database": "/api/v1/item-kinds", "read": "/api/v1/items/7"}


class LogsOnly:
    """ASGI middleware instead of the service's access log: writes a log line without timings, and counts no metrics."""

    def __init__(self, app: ASGIApp, **_options: object) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and write a log line about the request."""
        begin, line = perf_counter(), {"method": scope["method"], "path": scope["path"], "status": None, "bytes": 0}

        async def send_and_note(message: Message) -> None:
            line["status"] = message.get("status", line["status"])
            line["bytes"] += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        finally:
            took, client = round((perf_counter() - begin) * 1000, 2), scope["client"][0]
            logs.write({**line, "milliseconds": took, "route": access_log.route_of(scope), "client": client})


@asynccontextmanager
async def not_watched(*_: object) -> Any:  # noqa: ANN401 - a lifespan
    """Do nothing instead of observing the pools and other resources of the service."""
    yield


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of observation: an application that a client calls, and module attributes to replace during the calls."""

    name: str
    app: ASGIApp
    client: str
    replaced: Mapping[tuple[Any, str], object] = field(default_factory=dict)

    async def cost(self, target: str, requests: int) -> float:
        """Return the CPU microseconds per request of this stage."""
        kept = replace(self.replaced)
        try:
            return await cpu_microseconds(self.app, Request("GET", target, client=self.client), requests)
        finally:
            replace(kept)


def replace(wanted: Mapping[tuple[Any, str], object]) -> dict[tuple[Any, str], object]:
    """Replace attributes of modules, and return the old values; a missing attribute raises an error."""
    kept = {(owner, name): getattr(owner, name) for owner, name in wanted}
    for (owner, name), value in wanted.items():
        setattr(owner, name, value)
    return kept


def without_observers(settings: Settings) -> FastAPI:
    """Build the service without logs, timings, metrics and traces, except for a simple access log."""
    kept = replace({(composition_root, "AccessLog"): LogsOnly, (composition_root, "watched"): not_watched})
    try:
        return composition_root.create_app(settings)
    finally:
        replace(kept)


def stages(collector: str) -> list[Stage]:
    """Return all stages, each with one more kind of observation than the stage before, and the textbook baseline."""
    settings = load_settings()
    metrics = {(access_log, "requests_of"): lambda *_: lambda _seconds: None}
    traced = [
        composition_root.create_app(
            settings.model_copy(update={"otel_exporter_otlp_endpoint": collector, "otel_traces_sampler_arg": recorded})
        )
        for recorded in (0.0, 1.0)
    ]
    return [
        Stage("logs only", without_observers(settings), STRANGER),
        Stage("timings", composition_root.app, STRANGER, metrics),
        Stage("metrics", composition_root.app, STRANGER),
        Stage("Server-Timing", composition_root.app, TRUSTED),
        Stage("traces, none recorded", traced[0], TRUSTED),
        Stage("traces, all recorded", traced[1], TRUSTED),
        Stage("textbook", textbook, TRUSTED),
    ]


async def measure(found: list[Stage], target: str, rounds: int) -> dict[str, list[float]]:
    """Return the costs of each stage in each round; the stages take turns, forwards and backwards."""
    for stage in found:
        await stage.cost(target, WARM_UP)
    costs: dict[str, list[float]] = {stage.name: [] for stage in found}
    for number in range(rounds):
        for stage in found if number % 2 else reversed(found):
            costs[stage.name].append(await stage.cost(target, REQUESTS))
    return costs


async def main(rounds: int, collector: str) -> dict[str, Any]:
    """Start all applications, and return each stage's CPU microseconds in each round, by kind of request."""
    found = stages(collector)
    result = {}
    async with AsyncExitStack() as stack:
        for app in {stage.app: stage.name for stage in found if isinstance(stage.app, FastAPI)}:
            await stack.enter_async_context(app.router.lifespan_context(app))
        for name, target in TARGETS.items():
            own = [stage for stage in found if stage.name != "textbook" or name == "read"]
            result[name] = await measure(own, target, rounds)
    return result


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(uvloop.run(main(int(sys.argv[2]), sys.argv[3]))), "utf-8")
