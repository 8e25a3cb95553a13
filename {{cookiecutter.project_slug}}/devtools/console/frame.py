"""The parts of a frame, which is the console's JSON about the service at one moment: gauges, settings, routes."""

import os
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from prometheus_client import REGISTRY
from pydantic import BaseModel, SecretStr
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from app.resources import Resources
from app.settings.environment import tidied
from app.settings.route_groups import RouteGroups
from app.settings.service import Settings

SET_BY_MAKE_RUN = "DEVTOOLS_SET"
"""The environment variable in which the development runner lists the settings that it chose."""

Rows = Iterator[list[str]]

BREAKER_STATES = ("closed", "half-open", "open")


def gauges(resources: Resources, lag: float, jobs: dict[str, float]) -> Iterator[dict[str, Any]]:
    """Yield the gauges that the console shows: event loop lag, connection pool, metrics except histograms, jobs.

    The argument `lag` is in seconds, the gauge in milliseconds.
    """
    stall = resources.loop_monitor.stall_seconds * 1000
    yield gauge("event loop lag, ms", round(lag * 1000, 1), stall, f"a stall from {stall:g} ms on")
    pool: Any = resources.engine.pool
    size = resources.plan.pool_size + resources.plan.database_max_overflow
    yield gauge("connection pool", pool.checkedout(), size, f"{pool.checkedin()} idle")
    for name, one in (metrics() | {"jobs": jobs}).items():
        note = ", ".join(f"{one[word]:g} {word}" for word in ("waiting", "rejected") if word in one)
        if "limit" in one:
            yield gauge(name, one["in_use" if "in_use" in one else "open"], one["limit"], note)
        elif "state" in one:
            yield gauge(name, one["state"], 2, note) | {"text": BREAKER_STATES[int(one["state"])]}
        else:
            yield from (gauge(f"{name} {word}".replace("_", " "), value) for word, value in one.items())


def metrics() -> dict[str, dict[str, float]]:
    """Return Prometheus metrics by parts of the name: `app_bulkhead_limit{name="x"}` is `["bulkhead x"]["limit"]`."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for metric in REGISTRY.collect():
        prefix, part, *words = metric.name.split("_")
        for sample in metric.samples if prefix in {"app", "http"} and metric.type != "histogram" else ():
            if part != "process" and not sample.name.endswith("_created"):
                found[" ".join((part, *sample.labels.values()))]["_".join(words)] = sample.value
    return found


def gauge(name: str, value: float, limit: float | None = None, note: str = "") -> dict[str, Any]:
    """Return a gauge of the console: name, value, limit, note, and a text with value and limit."""
    text = f"{value:g}" if limit is None else f"{value:g} / {limit:g}{' full' * (value >= limit)}"
    return {"name": name, "value": value, "limit": limit, "text": text, "note": note}


def sources_of(settings: Settings) -> dict[str, str]:
    """Return the source of each setting that is set, such as `.env`, by variable name in capitals."""
    sources: list[Any] = [tidied(source(type(settings))) for source in (EnvSettingsSource, DotEnvSettingsSource)]
    environment, file = ({name.upper(): text for name, text in one.env_vars.items()} for one in sources)
    chosen = os.environ.get(SET_BY_MAKE_RUN, "").split(",")
    of_runner = {name: ".env" if file.get(name) == environment.get(name) else "make run" for name in chosen}
    return dict.fromkeys(file, ".env") | dict.fromkeys(environment, "environment") | of_runner


def setting_rows(settings: BaseModel, sources: dict[str, str], prefix: str = "", source: str = "default") -> Rows:
    """Yield variable, value and source of each setting; a secret, such as a URL with a login, is hidden."""
    for name, value in settings:
        variable = f"{prefix}{name}".upper()
        origin = sources.get(variable, source)
        if isinstance(value, BaseModel):
            yield from setting_rows(value, sources, f"{variable}__", origin)
        else:
            shown = "hidden" if isinstance(value, SecretStr) else "unset" if value is None else str(value)
            yield [variable, shown, origin]


def route_rows(service: FastAPI, settings: Settings, resources: Resources) -> Rows:
    """Yield methods, path, route group, deadline, concurrent requests and largest body of each route."""
    groups = RouteGroups(settings.route_groups)
    for context in iter_route_contexts(service.routes):
        path = context.path or "/"
        name = groups.name_of(path)
        group, bulkhead = groups.by_name[name], resources.bulkheads[name]
        methods = getattr(context.original_route, "methods", None) or {"mount or WebSocket"}
        body = settings.max_body_bytes if group.max_body_bytes is None else group.max_body_bytes
        deadline = f"{group.deadline_seconds:g} s" if group.deadline_seconds else "none"
        limits = f"{bulkhead.max_concurrent} + {bulkhead.max_queue} waiting"
        yield [" ".join(sorted(methods)), path, name, deadline, limits, f"{body:,} bytes"]
