"""The settings that the capacity plan is made from; `settings.py` takes them in and reads them like all others."""

from typing import Literal

from pydantic import BaseModel, Field

CapacityPolicy = Literal["refuse", "warn", "off"]


class CapacitySettings(BaseModel, use_attribute_docstrings=True):
    """How many of everything: what the platform gives, and what the database has."""

    web_concurrency: int | None = Field(default=None, ge=1)
    """Worker processes of one copy; when unset, one per CPU that the container may use."""

    replicas: int = Field(default=1, ge=1)
    """Copies of this service that share the database, at most: with an autoscaler its greatest number."""

    # Not 25%, the default of Kubernetes: it does not count pods that are stopping, and they still hold connections.
    replicas_surge: str = Field(default="100%", pattern=r"^\d{1,4}%?$", coerce_numbers_to_str=True)
    """Copies more while an update rolls out, as in Kubernetes' maxSurge: a share such as 25%, or a number such as 1."""

    database_max_connections: int = Field(default=100, ge=1)
    """The server's max_connections, or this service's part of them; PostgreSQL ships with 100."""

    database_reserved_connections: int = Field(default=10, ge=0)
    """Kept free for the superuser (PostgreSQL keeps 3), migrations, job workers, people and their tools."""

    database_pool_limit: int = Field(default=10, ge=1)
    """The largest pool of one worker: a worker is one CPU, and more connections only move the queue into the server."""

    database_max_overflow: int = Field(default=0, ge=0)
    """Connections of a worker beyond its pool, closed after use. Each new one costs a handshake in the worst moment."""

    database_pgbouncer_connections: int | None = Field(default=None, ge=1)
    """Connections that PgBouncer may open to this database (default_pool_size); unset, there is no PgBouncer."""

    database_pgbouncer_max_client_conn: int = Field(default=100, ge=1)
    """PgBouncer's max_client_conn, which the workers then share instead; PgBouncer ships with 100."""

    database_capacity_check: CapacityPolicy = "refuse"
    """When the real server has fewer connections than the plan needs: do not start, say so and start, or do not ask."""

    thread_tokens: int = Field(default=40, ge=1)
    """Threads for sync routes and what Starlette itself hands off; Starlette's own default."""

    offload_threads: int = Field(default=10, ge=1)
    """Threads for blocking calls that routes hand off themselves; stuck ones cannot take those of everybody else."""

    background_tasks: int = Field(default=100, ge=0)
    """Tasks of the supervisor at once in one worker; one more is refused."""
