"""The metrics of jobs: the waiting jobs of all workers, and the attempts that this worker ran."""

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import Histogram

from app.jobs.registry import KINDS
from app.observability.metrics import LONG, bounded, show

attempts = Histogram("app_job_duration_seconds", "Attempts of jobs", ("kind", "state"), buckets=LONG)

_kinds: set[str] = set()


def show_queue(waiting: Iterable[Mapping[str, Any]]) -> None:
    """Set the gauges of each kind of job: the number of jobs that could run now, and the wait of the oldest job."""
    rows = {bounded(row["kind"]): row for row in waiting}
    _kinds.update(rows, KINDS)
    for kind in _kinds:
        jobs, seconds = (rows[kind]["jobs"], rows[kind]["seconds"]) if kind in rows else (0, 0)
        show("app_job_queue_depth", "Jobs that could run now.", jobs, kind=kind)
        show("app_job_oldest_age_seconds", "The wait of the oldest job that could run now.", seconds, kind=kind)
