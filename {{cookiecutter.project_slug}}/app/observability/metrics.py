"""Metrics: the histograms, gauges and counters of this process, named by OpenTelemetry's conventions for Prometheus.

A metric without a convention has the prefix `app_`. No label is an id, a path or a text of a client, so that the number
of time series is bounded. With PROMETHEUS_MULTIPROC_DIR in the environment each process writes the values into files,
which the exporter adds up; the modes of gauges say how.
"""

from collections.abc import Callable
from http import HTTPMethod, HTTPStatus

from prometheus_client import Counter, Gauge, Histogram

METHODS, STATUSES = frozenset(HTTPMethod), frozenset[int | None]({None, *HTTPStatus})
OTHER = "_OTHER"
"""The value of a label for an unknown method or status: a stranger may send any method."""

UNMATCHED = "unmatched"
"""The route of a request that no route serves, and of a request that is refused before the routing."""

SERVER_ERROR = 500
"""The lowest status of an error of the service."""

MAX_TEXTS = 50
"""The most texts that become values of a label, such as names of background tasks, which may differ in each task."""

HTTP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)  # as OpenTelemetry advises
WAIT_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
TASK_BUCKETS = (0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300)

METHOD, ROUTE, STATUS = "http_request_method", "http_route", "http_response_status_code"


def _live(name: str, text: str, *labels: str, mode: str = "livesum") -> Gauge:
    return Gauge(name, text, labels, multiprocess_mode=mode)  # type: ignore[arg-type] # a Literal of prometheus_client


def _durations(name: str, title: str, *labels: str, buckets: tuple[float, ...] = HTTP_BUCKETS) -> Histogram:
    return Histogram(name, title, labels, buckets=buckets)


request_duration = _durations("http_server_request_duration_seconds", "Requests", METHOD, ROUTE, STATUS)
errors = Counter(
    "app_http_server_errors", "Responses with a status from 500 on, in a series that exists from the start"
)
active_requests = _live("http_server_active_requests", "Requests in flight.")
connections = _live("db_client_connection_count", "Connections of the pool.", "db_client_connection_state")

limit = _live("app_bulkhead_limit", "The most callers inside.", "name")
in_use = _live("app_bulkhead_in_use", "Callers inside.", "name")
waiting = _live("app_bulkhead_waiting", "Callers in the queue.", "name")
rejected = Counter("app_bulkhead_rejected", "Callers that were refused.", ("name",))
wait_time = _durations("app_bulkhead_wait_time_seconds", "Waits for a bulkhead", "name", buckets=WAIT_BUCKETS)

# {% if cookiecutter.http_client != "none" %}
call_duration = _durations("http_client_request_duration_seconds", "Calls to downstreams", "downstream", STATUS)
breaker_state = _live("app_breaker_state", "0 closed, 1 half-open, 2 open.", "name", mode="livemax")
breaker_transitions = Counter("app_breaker_transitions", "Changes between open and closed.", ("name",))
breaker_rejected = Counter("app_breaker_rejected", "Calls that the breaker refused.", ("name",))
retries = Counter("app_retry", "Retries, by what the retry budget decided.", ("name", "outcome"))
cache_requests = Counter("app_cache_requests", "Look-ups of the response cache.", ("name", "result"))

# {% endif %}
loop_lag = _durations("app_eventloop_lag_seconds", "Lag of the event loop", buckets=WAIT_BUCKETS)
loop_stalls = Counter("app_eventloop_stalls", "Stalls of the event loop that were logged.")
gc_pause = _durations("app_gc_pause_seconds", "Pauses for the garbage collection", buckets=WAIT_BUCKETS)
task_duration = _durations("app_background_task_duration_seconds", "Background tasks", "task", buckets=TASK_BUCKETS)
tasks = _live("app_background_tasks", "Background tasks that run.")
log_dropped = Counter("app_log_dropped", "Log lines that were lost.")
not_ready = _live("app_process_not_ready", "1 for each reason to receive no traffic.", "reason", mode="liveall")
sampled_at = _live("app_process_sampled_timestamp_seconds", "The time of the last sample.", mode="liveall")


class Requests:
    """The requests of this process: the number in flight, and the durations of the ended requests."""

    def __init__(self) -> None:
        self.active = 0
        self._observers: dict[tuple[str, str | None, int | None], Callable[[float], None]] = {}

    def ended(self, method: str, route: str | None, status: int | None, seconds: float) -> None:
        """Count a request; `status` is None when no response has started."""
        key = (method if method in METHODS else OTHER, route, status)
        observe = self._observers.get(key)  # `labels` itself takes a lock and compares all labels
        if observe is None:
            observe = self._observers[key] = request_duration.labels(key[0], route or UNMATCHED, known(status)).observe
        observe(seconds)
        if status is not None and status >= SERVER_ERROR:
            errors.inc()


requests = Requests()
"""The requests of this process."""


def known(status: int | None) -> str:
    """Return a status as a label, empty for none; a downstream may answer with any number."""
    return str(status or "") if status in STATUSES else OTHER


def waited(name: str, seconds: float) -> None:
    """Count a wait in the queue of a bulkhead."""
    wait_time.labels(name).observe(seconds)


# {% if cookiecutter.http_client != "none" %}
def call_ended(name: str, status: int | None, seconds: float) -> None:
    """Count an attempt of a call to a downstream; `status` is None when no response has come."""
    call_duration.labels(name, known(status)).observe(seconds)


# {% endif %}
def task_ended(name: str, seconds: float) -> None:
    """Count a background task."""
    task_duration.labels(bounded(name)).observe(seconds)


def bounded(text: str) -> str:
    """Return a text as the value of a label, OTHER when there have been too many texts."""
    if len(_texts) < MAX_TEXTS:
        _texts.add(text)
    return text if text in _texts else OTHER


_texts: set[str] = set()
