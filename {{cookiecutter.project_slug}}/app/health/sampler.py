"""The sampler: copies the load and the readiness of this process into the metrics once a second.

Bulkheads, circuit breakers and other parts have counters, and do not use the metrics library. A separate process, the
exporter, serves the metrics; a gauge that calls a function would show 0 there, so the sampler sets each gauge.
"""

import asyncio
import gc
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import cache, partial
from itertools import count
from time import monotonic, perf_counter, time
from typing import Any

import structlog
from prometheus_client import REGISTRY

# {% if cookiecutter.http_client != "none" %}
# isort: split
from app.downstreams.downstream import Downstream
from app.observability.metrics import call_ended

# {% endif %}
# isort: split
from app.limits.bulkhead import Bulkhead
from app.observability import logs
from app.observability.exporter import listen
from app.observability.gauges import GAUGES
from app.observability.metrics import bounded, loop_lag, show, tasks
from app.resources import Resources
from app.settings.environment import metrics_folder
from app.settings.service import Settings

READINESS_ROUNDS = 5
"""The sampler, which runs once a second, checks the readiness of the process in every fifth run."""

STOPPING = "the process is stopping"
"""The reason that a draining process gives for not being ready. Every process reports this reason in the end, so the
time series of the reason exists from the start."""

log = structlog.get_logger("sampler")

serve_once = cache(partial(listen, registry=REGISTRY))
"""Serves the management port in a thread; all calls after the first do nothing. A job worker calls this function again
whenever it reopens its resources after a lost database connection."""


@asynccontextmanager
async def sampled(settings: Settings, resources: Resources) -> AsyncGenerator[None]:
    """Sample the load of this process while the `async with` block runs.

    Without gunicorn, whose master starts the exporter, a thread of this process serves the management port.
    """
    if not settings.management_port:
        yield
        return
    if not metrics_folder():
        await asyncio.to_thread(serve_once, settings.management_host, settings.management_port)
    running = asyncio.get_running_loop().create_task(Sampler(resources).run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait({running})


def bulkheads_of(resources: Resources) -> Iterator[tuple[str, Bulkhead]]:
    """Yield each bulkhead of the process with its name in the metrics, except the bulkheads of downstreams."""
    yield from resources.bulkheads.items()
    yield "offload.threads", resources.offload.threads
    # {% if cookiecutter.example == "showcases" %}
    yield "offload.processes", resources.processes.bulkhead
    # {% endif %}
    pool: Any = resources.engine.pool
    yield from ((f"{name}.database", quota) for name, quota in pool.bulkhead.by_name.items())


class Sampler:
    """Copies the load of the resources into metrics, and connects each part that measures durations to a metric."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._reasons: dict[str, bool] = {STOPPING: False}
        self._paused_seconds = self._began = 0.0
        resources.loop_monitor.observe = loop_lag.observe
        resources.supervisor.observe = lambda name, seconds: tasks.labels(bounded(name)).observe(seconds)
        # {% if cookiecutter.http_client != "none" %}
        for name, downstream in resources.downstreams.items():
            downstream.observe = partial(call_ended, name)
        # {% endif %}

    async def run(self) -> None:
        """Copy the load and the readiness into metrics once a second, until this coroutine is cancelled."""
        gc.callbacks.append(self._collect)
        reasons: tuple[str, ...] = ()
        try:
            for number in count():
                try:
                    if number % READINESS_ROUNDS == 0 or self._resources.readiness.draining:
                        reasons = await self._resources.readiness.reasons()
                    self.sample(reasons)
                except Exception:
                    log.exception("sampling the load of the process failed")
                await asyncio.sleep(1)
        finally:
            gc.callbacks.remove(self._collect)
            self.sample((STOPPING,))

    def sample(self, reasons: tuple[str, ...]) -> None:
        """Set the metrics of the load, and of the `reasons` why this process must receive no traffic."""
        for name, bulkhead in bulkheads_of(self._resources):
            show_bulkhead(name, bulkhead)
        # {% if cookiecutter.http_client != "none" %}
        for name, downstream in self._resources.downstreams.items():
            show_downstream(name, downstream)
        # {% endif %}
        pool: Any = self._resources.engine.pool
        for state, number in (("used", pool.checkedout()), ("idle", pool.checkedin())):
            show("db_client_connection_count", "Connections of the pool.", number, db_client_connection_state=state)
        for name, (text, read) in GAUGES.items():
            show(name, text, read())
        show("app_background_tasks", "Background tasks that run.", self._resources.supervisor.running)
        show("app_gc_pause_seconds_total", "Seconds of all collections of garbage.", self._paused_seconds)
        show("app_log_dropped_total", "Log lines that were lost.", logs.output.lost)
        self._reasons = dict.fromkeys(self._reasons, False) | dict.fromkeys(map(bounded, reasons), True)
        for reason, holds in self._reasons.items():
            show("app_process_not_ready", "1 if not ready for this reason.", holds, "liveall", reason=reason)
        show("app_process_sampled_timestamp_seconds", "The time of the last sample.", time(), "liveall")
        show("app_process_sampled_monotonic_seconds", "The monotonic time of the last sample.", monotonic(), "liveall")

    def _collect(self, phase: str, _info: Mapping[str, int]) -> None:
        """Time a garbage collection, but set no metric: the collection may interrupt code that holds a metric lock."""
        now = perf_counter()
        self._paused_seconds += (now - self._began) * (phase == "stop")
        self._began = now


# {% if cookiecutter.http_client != "none" %}
BREAKER_STATES = {"closed": 0, "half-open": 1, "open": 2}


def show_downstream(name: str, downstream: Downstream) -> None:
    """Set the metrics of a downstream: bulkhead, circuit breaker, retries and response cache."""
    breaker, retries = downstream.breaker, downstream.retries
    show_bulkhead(f"downstreams.{name}", downstream.bulkhead)
    state = BREAKER_STATES[breaker.state.value]
    show("app_breaker_state", "0 closed, 1 half-open, 2 open.", state, "livemax", name=name)
    show("app_breaker_transitions_total", "Changes between open and closed.", breaker.transitions, name=name)
    show("app_breaker_rejected_total", "Calls that the breaker refused.", breaker.refused, name=name)
    show("app_retries_total", "Retries.", retries.taken, name=name, outcome="sent")
    show("app_retries_total", "Retries.", retries.refused, name=name, outcome="refused")
    for result, number in downstream.cache.requests.items():
        show("app_cache_requests_total", "Look-ups of the response cache.", number, name=name, result=result)


# {% endif %}
def show_bulkhead(name: str, bulkhead: Bulkhead) -> None:
    """Set the metrics of a bulkhead; the rate of the metric of wait seconds is the mean length of the queue."""
    show("app_bulkhead_limit", "The most callers inside.", bulkhead.max_concurrent, name=name)
    show("app_bulkhead_in_use", "Callers inside.", bulkhead.in_use, name=name)
    show("app_bulkhead_waiting", "Callers in the queue.", bulkhead.queued, name=name)
    show("app_bulkhead_rejected_total", "Callers that were refused.", bulkhead.refused, name=name)
    show("app_bulkhead_wait_seconds_total", "Seconds of all waits.", bulkhead.wait_seconds, name=name)
