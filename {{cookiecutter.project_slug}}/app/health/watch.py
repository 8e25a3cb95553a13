"""Connects the resources of a process to the timings of requests, the spans of traces, and the metrics.

The resources report through hooks, and know neither requests nor metrics nor traces, so that each resource can be used
alone.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.database.statements import Statements
from app.health.sampler import bulkheads_of, sampled
from app.observability.traces import Traces
from app.request import timings
from app.request.identity import request_scope
from app.resources import Resources
from app.settings.service import Settings
from app.web.access_log import route_of


@asynccontextmanager
async def watched(settings: Settings, traces: Traces | None, resources: Resources) -> AsyncGenerator[None]:
    """Record timings, spans and metrics of the resources while the `async with` block runs."""
    spans = None if traces is None else traces.statement
    statements = Statements(settings.database_slow_statement_seconds, current_route, spans)
    statements.watch(resources.engine, resources.reader)
    for _, bulkhead in bulkheads_of(resources):  # not the bulkheads of downstreams, whose calls are timed below
        bulkhead.observe_wait = timings.add_wait
    # {% if cookiecutter.http_client != "none" %}
    for downstream in resources.downstreams.values():
        downstream.timed = timings.downstream_time
        if traces is not None:
            downstream.client.instrument(traces.provider)
    # {% endif %}
    async with sampled(settings, resources):
        yield


def current_route() -> str | None:
    """Return the path template of the current request's route; None outside of a request, or if no route matches."""
    scope = request_scope.get()
    return None if scope is None else route_of(scope)
