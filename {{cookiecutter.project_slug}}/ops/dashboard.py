# /// script
# requires-python = ">=3.11"
# dependencies = ["grafana-foundation-sdk==1769699998!10.1.0"]
# ///
"""The Grafana dashboard of a service: `uv run --script ops/dashboard.py > ops/dashboard.json` writes it anew."""

import sys

from grafana_foundation_sdk.builders import dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
JOB = '{job="$job"}'
SPAN, HEIGHT = 12, 8
"""The width of a panel, half of a row, and the height."""

REQUESTS, CALLS = "http_server_request_duration_seconds", "http_client_request_duration_seconds"
STATUS, STATE = "http_response_status_code", "db_client_connection_state"
TASKS, LAG = "app_background_task_duration_seconds", "app_eventloop_lag_seconds"

Described = tuple[str, str, str, tuple[str, ...]]
"""The title of a panel, the unit, the query, and the labels that name a curve."""


def rate(title: str, metric: str, *by: str, unit: str = "reqps") -> Described:
    """Describe a panel with the increase of a counter per second."""
    return title, unit, f"sum by ({', '.join(by)}) (rate({metric}{JOB}[$__rate_interval]))", by


def p99(title: str, metric: str, *by: str) -> Described:
    """Describe a panel with the seconds that 99 of 100 observations of a histogram stay below."""
    query = rate(title, f"{metric}_bucket", "le", *by)[2]
    return title, "s", f"histogram_quantile(0.99, {query})", by


def now(title: str, metric: str, *by: str, unit: str = "short", how: str = "sum") -> Described:
    """Describe a panel with the value of a gauge."""
    return title, unit, f"{how} by ({', '.join(by)}) ({metric}{JOB})", by


def ratio(title: str, part: str, whole: str, by: str) -> Described:
    """Describe a panel with the part of one gauge in another."""
    return title, "percentunit", f"sum by ({by}) ({part}{JOB}) / sum by ({by}) ({whole}{JOB})", (by,)


ROWS: dict[str, list[Described]] = {
    "Requests": [
        rate("Requests by route", f"{REQUESTS}_count", "http_route"),
        rate("Responses by status", f"{REQUESTS}_count", STATUS),
        p99("99 of 100 requests take less", REQUESTS, "http_route"),
        now("Requests in flight", "http_server_active_requests", "instance"),
    ],
    "Event loop and process": [
        p99("99 of 100 lags of the event loop are less", LAG, "instance"),
        rate("Share of time for collections of garbage", "app_gc_pause_seconds_total", "instance", unit="percentunit"),
        now("Reasons not to be ready", "app_process_not_ready", "instance", "reason", how="max"),
        rate("Log lines lost per second", "app_log_dropped_total", "instance", unit="short"),
    ],
    "Bulkheads and connections": [
        ratio("Use of each bulkhead", "app_bulkhead_in_use", "app_bulkhead_limit", "name"),
        now("Callers in a queue", "app_bulkhead_waiting", "name"),
        rate("Refused callers", "app_bulkhead_rejected_total", "name"),
        rate("Mean number of waiting callers", "app_bulkhead_wait_seconds_total", "name", unit="short"),
        now("Connections of clients", "app_server_connections", "instance"),
        now("Database connections", "db_client_connection_count", STATE),
    ],
    "Work in the background, jobs": [
        now("Background tasks that run", "app_background_tasks", "instance"),
        p99("99 of 100 background tasks take less", TASKS, "task"),
        now("Jobs that could run now", "app_job_queue_depth", "kind", how="max"),
        now("Wait of the oldest job", "app_job_oldest_age_seconds", "kind", unit="s", how="max"),
        p99("99 of 100 attempts of jobs take less", "app_job_duration_seconds", "kind"),
    ],
    "Downstreams": [
        rate("Calls by status", f"{CALLS}_count", "name", STATUS),
        p99("99 of 100 calls take less", CALLS, "name"),
        now("Circuit breakers: 0 closed, 1 half-open, 2 open", "app_breaker_state", "name", how="max"),
        rate("Retries, sent and refused", "app_retries_total", "name", "outcome"),
    ],
}


def panel(described: Described) -> timeseries.Panel:
    """Return a panel with a curve for each combination of the labels."""
    title, unit, query, by = described
    legend = " ".join(f"{{{{{label}}}}}" for label in by)
    target = prometheus.Dataquery().expr(query).legend_format(legend).ref_id("A")
    shown = timeseries.Panel().title(title).unit(unit).datasource(SOURCE).with_target(target)
    return shown.min(0).span(SPAN).height(HEIGHT)


def build() -> dashboard.Dashboard:
    """Return the dashboard, with a choice of the data source and of the job, the service's name in Prometheus."""
    jobs = dashboard.QueryVariable("job").query(f"label_values({REQUESTS}_count, job)").datasource(SOURCE)
    built = dashboard.Dashboard("Async service").uid("async-service").refresh("30s").time("now-1h", "now")
    built = built.with_variable(dashboard.DatasourceVariable("source").type("prometheus")).with_variable(jobs)
    for title, panels in ROWS.items():
        built = built.with_row(dashboard.Row(title))
        for described in panels:
            built = built.with_panel(panel(described))
    return built


if __name__ == "__main__":
    sys.stdout.write(JSONEncoder(sort_keys=True, indent=2).encode(build().build()) + "\n")
