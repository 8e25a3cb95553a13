# /// script
# requires-python = ">=3.11"
# dependencies = ["grafana-foundation-sdk==1769699998!10.1.0"]
# ///
"""Generates the Grafana dashboard of the service: `uv run --script ops/dashboard.py > ops/dashboard.json`."""

import sys

from grafana_foundation_sdk.builders import dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")
JOB = '{job="$job"}'
SPAN, HEIGHT = 12, 8
"""The width and the height of a panel, in units of Grafana's grid; two panels fill a row."""

REQUESTS, CALLS = "http_server_request_duration_seconds", "http_client_request_duration_seconds"
STATUS, STATE = "http_response_status_code", "db_client_connection_state"
TASKS, LAG = "app_background_task_duration_seconds", "app_eventloop_lag_seconds"

Described = tuple[str, str, str, tuple[str, ...]]
"""The description of a Grafana panel: title, unit, Prometheus query, and the labels that name each curve."""


def rate(title: str, metric: str, *by: str, unit: str = "reqps") -> Described:
    """Describe a Grafana panel with the increase of a counter per second, for each combination of the labels `by`."""
    return title, unit, f"sum by ({', '.join(by)}) (rate({metric}{JOB}[$__rate_interval]))", by


def p99(title: str, metric: str, *by: str) -> Described:
    """Describe a Grafana panel with the 99th percentile of a histogram, in seconds, for each combination of `by`."""
    query = rate(title, f"{metric}_bucket", "le", *by)[2]
    return title, "s", f"histogram_quantile(0.99, {query})", by


def now(title: str, metric: str, *by: str, unit: str = "short", how: str = "sum") -> Described:
    """Describe a Grafana panel with the value of a gauge, combined by `how` for each combination of the labels `by`."""
    return title, unit, f"{how} by ({', '.join(by)}) ({metric}{JOB})", by


def ratio(title: str, part: str, whole: str, by: str) -> Described:
    """Describe a Grafana panel with the gauge `part` divided by the gauge `whole`, for each value of the label `by`."""
    return title, "percentunit", f"sum by ({by}) ({part}{JOB}) / sum by ({by}) ({whole}{JOB})", (by,)


ROWS: dict[str, list[Described]] = {
    "Requests": [
        rate("Requests by route", f"{REQUESTS}_count", "http_route"),
        rate("Responses by status", f"{REQUESTS}_count", STATUS),
        p99("Duration of requests, p99", REQUESTS, "http_route"),
        now("Requests in flight", "http_server_active_requests", "instance"),
    ],
    "Event loop and process": [
        p99("Lag of the event loop, p99", LAG, "instance"),
        rate("Part of the time in garbage collection", "app_gc_pause_seconds_total", "instance", unit="percentunit"),
        now("Reasons why a process is not ready", "app_process_not_ready", "instance", "reason", how="max"),
        rate("Log lines lost per second", "app_log_dropped_total", "instance", unit="short"),
    ],
    "Bulkheads and connections": [
        ratio("Use of each bulkhead", "app_bulkhead_in_use", "app_bulkhead_limit", "name"),
        now("Callers in the queue of each bulkhead", "app_bulkhead_waiting", "name"),
        rate("Callers refused by each bulkhead", "app_bulkhead_rejected_total", "name"),
        rate("Mean callers waiting at each bulkhead", "app_bulkhead_wait_seconds_total", "name", unit="short"),
        now("Open connections of clients", "app_server_connections", "instance"),
        now("Database connections by state", "db_client_connection_count", STATE),
    ],
    "Background tasks and jobs": [
        now("Running background tasks", "app_background_tasks", "instance"),
        p99("Duration of background tasks, p99", TASKS, "task"),
        now("Jobs that wait for a worker", "app_job_queue_depth", "kind", how="max"),
        now("Wait of the oldest job of each kind", "app_job_oldest_age_seconds", "kind", unit="s", how="max"),
        p99("Duration of attempts of jobs, p99", "app_job_duration_seconds", "kind"),
    ],
    "Downstreams": [
        rate("Calls to downstreams by status", f"{CALLS}_count", "name", STATUS),
        p99("Duration of calls to downstreams, p99", CALLS, "name"),
        now("Circuit breakers: 0 closed, 1 half-open, 2 open", "app_breaker_state", "name", how="max"),
        rate("Retries of calls, sent and refused", "app_retries_total", "name", "outcome"),
    ],
}


def panel(described: Described) -> timeseries.Panel:
    """Return the Grafana panel of a description, with a curve for each combination of the labels."""
    title, unit, query, by = described
    legend = " ".join(f"{{{{{label}}}}}" for label in by)
    target = prometheus.Dataquery().expr(query).legend_format(legend).ref_id("A")
    shown = timeseries.Panel().title(title).unit(unit).datasource(SOURCE).with_target(target)
    return shown.min(0).span(SPAN).height(HEIGHT)


def build() -> dashboard.Dashboard:
    """Return the dashboard, with menus for the data source and for the job, the name of the service in Prometheus."""
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
