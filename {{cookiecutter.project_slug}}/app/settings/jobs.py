"""The settings of jobs and of the workers that run jobs, such as JOBS__MAX_CONCURRENT; a part of `CapacitySettings`."""

from pydantic import BaseModel, Field

QUEUE_CONNECTIONS = 3
"""Database connections of the job queue in one worker: 1 for LISTEN, and 2 for heartbeats and the states of jobs. They
are separate from the pool, so that the functions of jobs cannot delay a heartbeat."""


class JobsSettings(BaseModel, frozen=True, use_attribute_docstrings=True, extra="forbid"):
    """The limits and timeouts of the workers that run jobs."""

    workers: int = Field(default=1, ge=0)
    """The number of job workers of all replicas together. The capacity plan keeps 9 database connections for each by
    default: a pool of 5, 3 for the queue and 1 for the probe. During a rolling update twice as many job workers run, so
    the plan keeps 18. At 0 no job worker starts in production."""

    max_concurrent: int = Field(default=10, ge=2, le=200)
    """The most jobs that one worker runs at the same time."""

    pool_limit: int = Field(default=5, ge=1)
    """The size of a job worker's connection pool, for the functions of jobs; the queue has separate connections."""

    poll_seconds: float = Field(default=5.0, gt=0, le=60)
    """The interval at which a worker looks for jobs whose notification was lost."""

    heartbeat_seconds: float = Field(default=10.0, ge=1, le=3600)
    """How long a worker may send no heartbeat; then other workers take over its jobs, for example after a kill -9."""

    stop_seconds: float = Field(default=20.0, ge=0, le=3600)
    """How long running jobs may take to end after SIGTERM; unfinished jobs go back into the queue, and the interrupted
    attempt does not count."""

    late_seconds: float = Field(default=60.0, gt=0)
    """How long a due job may wait before a log line reports its kind, for example a kind whose code no worker has."""

    keep_seconds: int = Field(default=604_800, ge=1)
    """How long a finished job is kept; then the job `jobs.prune` deletes the row."""

    health_file: str | None = None
    """A file that a job worker touches every second while the database answers. A health probe reads the age of the
    file."""

    def connections(self, web_processes: int) -> int:
        """Return the number of database connections of jobs and streams; 0 without job workers.

        Each job worker has a pool, the connections of the queue and a probe, twice as many for a rolling update; each
        web process has a LISTEN connection for streams. The pools that serve requests are not counted here.
        """
        return self.workers and 2 * self.workers * (self.pool_limit + QUEUE_CONNECTIONS + 1) + web_processes
