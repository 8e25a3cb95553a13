"""Sampler: copies the load of this process into the metrics once a second, and the readiness of the process.

The bulkheads, breakers and other parts count by themselves and know no metrics. A gauge that calls a function would
show 0 in the process of the exporter, so the sampler sets each gauge.
"""

import asyncio
import gc
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from threading import Event, Thread
from time import perf_counter, time
from typing import Any

import structlog
from prometheus_client import REGISTRY, Counter, Gauge

from app.limits.bulkhead import Bulkhead
from app.observability import logs, metrics
from app.observability.exporter import serve
from app.resources import Resources
from app.settings.environment import metrics_folder
from app.settings.service import Settings

READINESS_SECONDS = 10.0
"""The oldest result of the readiness check that is reported, in seconds: without probes the sampler asks as often as
Kubernetes does by default."""

# {% if cookiecutter.http_client != "none" %}
BREAKER_STATES = {"closed": 0, "half-open": 1, "open": 2}

# {% endif %}
log = structlog.get_logger("sampler")


class Sampler:
    """Sets the gauges from the resources of this process, and adds what has been counted since the last sample."""

    def __init__(self, resources: Resources) -> None:
        """Let the parts that measure durations report these."""
        self._resources = resources
        self._counted: dict[Counter, float] = {}
        self._reasons: set[str] = set()
        self._pauses, self._began = deque[float](maxlen=1000), 0.0
        for name, bulkhead in self._bulkheads():
            bulkhead.observe_wait = partial(metrics.waited, name)
        # {% if cookiecutter.http_client != "none" %}
        for name, downstream in resources.downstreams.items():
            downstream.observe = partial(metrics.call_ended, name)
        # {% endif %}
        resources.loop_monitor.observe = metrics.loop_lag.observe
        resources.supervisor.observe = metrics.task_ended

    async def run(self) -> None:
        """Sample once a second, until it is cancelled."""
        gc.callbacks.append(self._collecting)
        try:
            while True:
                try:
                    self.sample(await self._resources.readiness.recent(READINESS_SECONDS))
                except Exception:
                    log.exception("load of the process not sampled")
                await asyncio.sleep(1)
        finally:
            gc.callbacks.remove(self._collecting)
            self.sample(("the process is stopping",))

    def sample(self, reasons: tuple[str, ...]) -> None:
        """Set all gauges and advance all counters; `reasons` say why the process must receive no traffic."""
        for metric, labels, value in self._values():
            child = metric.labels(*labels) if labels else metric
            if isinstance(child, Counter):
                child.inc(value - self._counted.get(child, 0))
                self._counted[child] = value
            else:
                child.set(value)
        while self._pauses:
            metrics.gc_pause.observe(self._pauses.popleft())
        self._reasons.update(current := {metrics.bounded(reason) for reason in reasons})
        for reason in self._reasons:
            metrics.not_ready.labels(reason).set(reason in current)
        metrics.sampled_at.set(time())

    def _values(self) -> Iterator[tuple[Gauge | Counter, tuple[str, ...], float]]:
        """Yield all gauges and counters with their labels and values now."""
        resources = self._resources
        for name, bulkhead in self._bulkheads():
            yield metrics.limit, (name,), bulkhead.max_concurrent
            yield metrics.in_use, (name,), bulkhead.in_use
            yield metrics.waiting, (name,), bulkhead.queued
            yield metrics.rejected, (name,), bulkhead.refused
        # {% if cookiecutter.http_client != "none" %}
        for name, downstream in resources.downstreams.items():
            yield metrics.breaker_state, (name,), BREAKER_STATES[downstream.breaker.state.value]
            yield metrics.breaker_transitions, (name,), downstream.breaker.transitions
            yield metrics.breaker_rejected, (name,), downstream.breaker.refused
            yield metrics.retries, (name, "sent"), downstream.retries.taken
            yield metrics.retries, (name, "refused"), downstream.retries.refused
            for result, number in downstream.cache.requests.items():
                yield metrics.cache_requests, (name, result), number
        # {% endif %}
        pool: Any = resources.engine.pool
        yield metrics.connections, ("used",), pool.checkedout()
        yield metrics.connections, ("idle",), pool.checkedin()
        yield metrics.active_requests, (), metrics.requests.active
        yield metrics.tasks, (), resources.supervisor.running
        yield metrics.loop_stalls, (), resources.loop_monitor.stalls
        yield metrics.log_dropped, (), logs.output.lost

    def _bulkheads(self) -> Iterator[tuple[str, Bulkhead]]:
        yield from self._resources.bulkheads.items()
        # {% if cookiecutter.http_client != "none" %}
        yield from ((f"downstreams.{name}", calls.bulkhead) for name, calls in self._resources.downstreams.items())
        # {% endif %}
        yield "offload.threads", self._resources.offload.threads
        # {% if cookiecutter.example == "showcases" %}
        yield "offload.processes", self._resources.processes.bulkhead
        # {% endif %}

    def _collecting(self, phase: str, _info: Mapping[str, int]) -> None:
        """Note a collection of garbage, which may interrupt a metric that holds its lock: so no metric counts here."""
        if phase == "start":
            self._began = perf_counter()
        else:
            self._pauses.append(perf_counter() - self._began)


@asynccontextmanager
async def sampled(settings: Settings, resources: Resources) -> AsyncGenerator[None]:
    """Sample the load of this process while the `async with` block runs.

    Without gunicorn, whose master starts the exporter, a thread of this process serves the management port.
    """
    if not settings.management_port:
        yield
        return
    stopped = Event()
    if not metrics_folder():
        arguments = (settings.management_host, settings.management_port), REGISTRY, stopped
        Thread(target=serve, args=arguments, name="exporter", daemon=True).start()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(Sampler(resources).run())
        yield
        running.cancel()
    stopped.set()
