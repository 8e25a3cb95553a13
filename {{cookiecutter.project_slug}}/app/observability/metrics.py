"""Metrics of this process, named by OpenTelemetry's conventions for Prometheus, or with the prefix `app_`.

No label value is an id, a URL or a text of a client, so that the number of time series stays bounded. Under gunicorn
each worker writes its metrics into files, and the exporter combines the files of all workers. How the exporter combines
a gauge, for example as a sum, is the gauge's mode in prometheus_client.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from http import HTTPMethod, HTTPStatus

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

STATUSES: dict[int | None, str] = {None: ""} | {status: str(status.value) for status in HTTPStatus}
OTHER = "_OTHER"
"""The label value for an unknown HTTP method or status: a client may send any method, and a downstream any status."""

MAX_TEXTS = 50
"""The most different texts that `bounded` accepts as label values. Names of background tasks, for example, may contain
ids, and would create time series without end."""

SHORT = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
LONG = (0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300)
"""The histogram buckets, in seconds, for the lag of the event loop and for background work. All other histograms have
prometheus_client's default buckets, which OpenTelemetry advises for requests."""

STATUS = "http_response_status_code"

disable_created_metrics()  # without gunicorn, prometheus_client would add a time series with the time of creation

requests = Histogram("http_server_request_duration_seconds", "Requests", ("http_request_method", "http_route", STATUS))
loop_lag = Histogram("app_eventloop_lag_seconds", "Lag of the event loop", buckets=SHORT)
tasks = Histogram("app_background_task_duration_seconds", "Background tasks", ("task",), buckets=LONG)

_shown: dict[str, Counter | Gauge] = {}
_counted: dict[Counter, float] = {}
_texts: set[str] = set()


@lru_cache(maxsize=4096)
def requests_of(method: str, route: str | None, status: int | None) -> Callable[[float], None]:
    """Return the function that records the duration of a request; the cache saves the look-up of the label values.

    Args:
        method: any HTTP method.
        route: the template of the route, None for no route, and for a refusal before the routing.
        status: the HTTP status, None when no response has started.
    """
    known = method if method in HTTPMethod.__members__ else OTHER
    return requests.labels(known, route or "unmatched", STATUSES.get(status, OTHER)).observe


# {% if cookiecutter.http_client != "none" %}
call_duration = Histogram("http_client_request_duration_seconds", "Calls to downstreams", ("name", STATUS))


def call_ended(name: str, status: int | None, seconds: float) -> None:
    """Record the duration of one attempt of a call to a downstream; `status` is None if no response came."""
    call_duration.labels(name, STATUSES.get(status, OTHER)).observe(seconds)


# {% endif %}
def bounded(text: str) -> str:
    """Return a text for use as a label value; OTHER for a new text after MAX_TEXTS different texts."""
    if len(_texts) < MAX_TEXTS:
        _texts.add(text)
    return text if text in _texts else OTHER


def show(name: str, text: str, value: float, mode: str = "livesum", /, **labels: str) -> None:
    """Set the gauge with this name to a value; a name that ends in `_total` is a counter, which grows to the value."""
    if name not in _shown:
        kind = Counter if name.endswith("_total") else partial(Gauge, multiprocess_mode=mode)  # type: ignore[arg-type] # a Literal
        _shown[name] = kind(name, text, tuple(labels))
    child = _shown[name].labels(**labels) if labels else _shown[name]
    if isinstance(child, Gauge):
        child.set(value)
    else:
        # a resource that was opened again counts from 0 again, and a counter must not decrease
        child.inc(max(0, value - _counted.get(child, 0)))
        _counted[child] = value
