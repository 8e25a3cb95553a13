"""Settings of the capacity plan: workers, replicas, database connections, threads; `Settings` inherits them all."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app.settings.environment import ANY_CASE  # {%- if cookiecutter.jobs == "yes" +%}
from app.settings.jobs import JobsSettings
from app.settings.streams import StreamsSettings  # {%- endif %}# {%- if cookiecutter.auth == "jwt" +%}
from app.settings.tokens import TokenSettings
from app.settings.valkey_url import RedisUrl  # {%- endif +%}

CapacityPolicy = Literal["refuse", "warn", "off"]


class CapacitySettings(BaseModel, use_attribute_docstrings=True):
    """The settings from which the capacity plan is computed: processes, replicas, database connections and threads."""

    web_concurrency: int | None = Field(default=None, ge=1)
    """Worker processes of one replica; when unset, one per CPU that the container may use."""

    replicas: int = Field(default=1, ge=1)
    """Replicas of this service that share the database; with an autoscaler, the upper bound of the autoscaler."""

    # The default is 100%, more than the 25% of Kubernetes' maxSurge, which does not count pods that are stopping: such
    # pods still hold database connections.
    replicas_surge: str = Field(default="100%", pattern=r"^\d{1,4}%?$", coerce_numbers_to_str=True)
    """Additional replicas while an update rolls out, as Kubernetes' maxSurge: a percentage such as 25%, or a number."""

    database_max_connections: int = Field(default=100, ge=1)
    """PostgreSQL's max_connections, or the part of it that this service may use; PostgreSQL's default is 100."""

    database_reserved_connections: int = Field(default=10, ge=0)
    """Database connections that are kept free for the superuser (PostgreSQL keeps 3), migrations, job workers, people
    and their tools."""

    database_pool_limit: int = Field(default=10, ge=1)
    """The most database connections in the pool of one worker. As a worker uses one CPU, more connections only move the
    queue into PostgreSQL."""

    database_max_overflow: int = Field(default=0, ge=0)
    """Database connections that a worker opens beyond the pool, and closes after use; each costs a handshake under
    load."""

    database_queue_timeout_seconds: float = Field(default=1.0, gt=0, le=3600, allow_inf_nan=False)
    """The longest wait for a database connection before a 503 response; clients give up before SQLAlchemy's default, 30
    s."""

    database_pgbouncer_connections: int | None = Field(default=None, ge=1)
    """Connections that PgBouncer may open to this database (default_pool_size); unset means that there is no
    PgBouncer."""

    database_pgbouncer_max_client_conn: int = Field(default=100, ge=1)
    """PgBouncer's max_client_conn, which all workers behind PgBouncer share; PgBouncer's default is 100."""

    database_capacity_check: Annotated[CapacityPolicy, ANY_CASE] = "refuse"
    """The reaction when PostgreSQL allows fewer connections than the capacity plan needs: refuse to start, warn in the
    log, or off, which means no check."""

    open_files: int | None = Field(default=None, ge=1)
    """The most files that a worker may open; each connection is an open file. Unset, the hard limit (`ulimit -Hn`)."""

    thread_tokens: int = Field(default=40, ge=1)
    """Threads in which Starlette runs sync routes and file operations; 40 is Starlette's own default."""

    offload_threads: int = Field(default=10, ge=1)
    """Threads for offloaded blocking calls. They are separate from Starlette's threads, which stuck calls could use
    up."""

    background_tasks: int = Field(default=100, ge=0)
    """Background tasks that run concurrently in one worker; a further task is refused."""
    # {% if cookiecutter.jobs == "yes" %}

    jobs: JobsSettings = JobsSettings()
    """The settings of the workers that run jobs, such as JOBS__MAX_CONCURRENT; see `JobsSettings`."""

    streams: StreamsSettings = StreamsSettings()
    """The settings of SSE and WebSocket streams, such as STREAMS__MAX_CONCURRENT; see `StreamsSettings`."""
    # {% endif %}# {% if cookiecutter.auth == "jwt" %}

    auth: TokenSettings = TokenSettings()
    """The settings of access tokens, such as AUTH__AUDIENCE; see `TokenSettings`."""

    redis_url: RedisUrl | None = None
    """The URL of a Valkey or Redis for rate limits and caches that all replicas share, as redis://host:6379; needs the
    package extra `redis`."""
    # {% endif %}
