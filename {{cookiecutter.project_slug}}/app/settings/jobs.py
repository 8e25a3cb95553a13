"""Settings of the jobs and their workers, such as JOBS__MAX_CONCURRENT; part of the capacity settings."""

from pydantic import BaseModel, Field

QUEUE_CONNECTIONS = 3
"""Connections of the queue in one worker: one listens, and the heartbeats never wait for the functions of jobs."""


class JobsSettings(BaseModel, frozen=True, use_attribute_docstrings=True, extra="forbid"):
    """The limits and timeouts of the workers that run jobs."""

    workers: int = Field(default=1, ge=0)
    """Workers of all replicas together. The capacity plan keeps connections for each: a pool, 3 for the queue and a
    probe, twice while an update rolls out, which is 18 by default. At 0 no worker starts in production."""

    max_concurrent: int = Field(default=10, ge=2, le=200)
    """Jobs that one worker runs at the same time."""

    pool_limit: int = Field(default=5, ge=1)
    """Database connections of one worker for the work of the jobs; the queue has separate connections."""

    poll_seconds: float = Field(default=5.0, gt=0, le=60)
    """The interval at which a worker looks for jobs whose notification was lost."""

    heartbeat_seconds: float = Field(default=10.0, ge=1, le=3600)
    """How long a worker may be silent before the running jobs are taken over: the delay after a kill -9."""

    stop_seconds: float = Field(default=20.0, ge=0, le=3600)
    """The time of running jobs after SIGTERM; the rest is put back, and runs elsewhere without counting an attempt."""

    late_seconds: float = Field(default=60.0, gt=0)
    """How late a job may start before a log line names the kind, such as a kind that no worker knows."""

    keep_seconds: int = Field(default=604_800, ge=1)
    """How long a finished job is kept; then the job `jobs.prune` deletes the row."""

    health_file: str | None = None
    """A file that a worker touches every second while the database answers; a probe compares the age of the file."""

    def connections(self, web_processes: int) -> int:
        """Return the database connections beside the pools of requests, 0 without workers of jobs.

        Each worker has a pool, the connections of the queue and a probe, twice while an update rolls out; and each web
        process has a connection that listens.
        """
        return self.workers and 2 * self.workers * (self.pool_limit + QUEUE_CONNECTIONS + 1) + web_processes
