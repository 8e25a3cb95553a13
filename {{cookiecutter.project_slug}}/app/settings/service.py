"""The settings of the service: each field is one environment variable, explained by the docstring."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from app.settings.bounds import Timeouts
from app.settings.browsers import BrowserSettings
from app.settings.capacity import CapacitySettings
from app.settings.database_url import asyncpg_url  # {%- if cookiecutter.http_client != "none" +%}
from app.settings.downstreams import DownstreamsSettings  # {%- endif +%}
from app.settings.environment import ANY_CASE, EnvironmentSettings
from app.settings.listening import ListeningSettings, Proxies, trusts_everybody
from app.settings.observability import ObservabilitySettings
from app.settings.route_groups import RouteGroupsSettings  # {%- if cookiecutter.auth == "jwt" +%}
from app.settings.valkey_url import checks_server  # {%- endif +%}

STOP_MARGIN_SECONDS = 2.0
"""The last seconds of GRACEFUL_SHUTDOWN_SECONDS, kept for late connections and the exit of the lifespan."""

CLOSING_SECONDS = 1.0
"""The last seconds of STOP_MARGIN_SECONDS, kept for closing connections after the wait for background tasks."""

Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]  # the limit of 1 h detects values in milliseconds
DatabaseUrl = Annotated[SecretStr, AfterValidator(asyncpg_url)]


class Settings(CapacitySettings, ListeningSettings, BrowserSettings, ObservabilitySettings, EnvironmentSettings):
    """The settings of the service, read once at the start of a process."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
        extra="ignore",  # ignore variables in `.env` that are for compose or the shell
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    environment: Annotated[Literal["development", "production"], ANY_CASE] = "production"
    """Development or production; the default is production, which is stricter, so that a forgotten variable is safe."""

    service_name: str = "{{ cookiecutter.project_slug }}"
    """The name of the service in logs, in the API's title and in pg_stat_activity."""

    service_version: str = "unknown"
    """The version on each log line, such as a commit; `docker build --build-arg SERVICE_VERSION=...` sets it."""

    instance_id: str | None = None
    """The id of this instance, such as the name of a pod; `/health/ready` shows the id to trusted callers."""

    api_docs: bool = False
    """Whether the service has /docs and /openapi.json. Refused in production, as both show every route to strangers."""

    database_url: DatabaseUrl
    """The database, as postgresql://user:password@host:5432/database."""

    database_direct_url: DatabaseUrl | None = None
    """The URL of PostgreSQL itself, for migrations and LISTEN; needed only when DATABASE_URL leads to PgBouncer."""

    database_target: Annotated[Literal["primary", "any"], ANY_CASE] = "primary"
    """The servers that a connection accepts, as libpq's target_session_attrs: primary refuses a standby; any is for a
    deployment that reads from standbys, where a write is answered with 503."""

    database_connect_timeout_seconds: Seconds = 1.5
    """The timeout of opening one database connection."""

    database_lock_timeout_seconds: Seconds = 1.5
    """PostgreSQL's lock_timeout: the longest wait for a locked row or table. Keep it above deadlock_timeout (1 s), at
    which PostgreSQL ends only one transaction of a deadlock; a shorter lock_timeout would end both."""

    database_statement_timeout_seconds: Seconds = 2.5
    """PostgreSQL's statement_timeout. The server enforces the timeout, also for statements of a killed worker."""

    database_command_timeout_seconds: Seconds = 3.0
    """asyncpg's command_timeout, which the client enforces: a frozen PostgreSQL cannot enforce any timeout."""

    drain_seconds: float = Field(default=6.0, ge=0, le=3600)
    """The drain: how long a worker keeps serving after SIGTERM. Kubernetes takes up to 5 s to redirect the traffic."""

    graceful_shutdown_seconds: int = Field(default=25, ge=1, le=3600)
    """The longest graceful shutdown of a worker after SIGTERM: drain, requests in flight, and 2 s for closing."""

    termination_grace_seconds: Seconds = 30.0
    """Seconds between the orchestrator's SIGTERM and SIGKILL; the default of Kubernetes is 30."""

    keep_alive_seconds: int = Field(default=75, ge=1)
    """Seconds until an idle connection closes: more than in the load balancer (mostly 60 s), which must close first."""

    forwarded_allow_ips: Proxies = "127.0.0.1"
    """IP addresses of trusted proxies and callers, comma separated: the service believes their X-Forwarded-* headers,
    trace and short deadlines, and tells them why it is not ready. A client behind a trusted proxy is trusted only if
    its own address is in the list."""

    max_body_bytes: int = Field(default=1_048_576, ge=0)
    """The largest request body in bytes, unless the route group has its own limit; FastAPI itself has no limit."""

    max_json_bytes: int = Field(default=65_536, ge=0)
    """The largest JSON body in bytes, unless the route group has its own limit; parsing JSON blocks the event loop."""

    max_json_values: int = Field(default=2000, ge=1)
    """The most values in a JSON body: each invalid value costs 10 us, so 2,000 block the event loop for 20 ms."""

    idempotency_seconds: int = Field(default=86_400, ge=1, le=31_536_000)
    """How long the response to a request with an Idempotency-Key is stored; clients must retry within that time."""

    loop_stall_seconds: float = Field(default=0.1, ge=0, le=60)
    """Code that blocks the event loop for this long is logged with its stack; 0 turns the loop monitor off."""

    log_level: Annotated[Literal["debug", "info", "warning", "error"], ANY_CASE] = "info"
    """The least severe level of the log lines that are written."""

    log_format: Annotated[Literal["json", "console"], ANY_CASE] = "json"
    """The format of log lines: json for machines, console for a person at a terminal."""

    # {% if cookiecutter.http_client != "none" %}
    downstreams: DownstreamsSettings = DownstreamsSettings()
    """The settings of each downstream, such as DOWNSTREAMS__<NAME>__BASE_URL; see `DownstreamSettings`."""

    # {% endif %}
    route_groups: RouteGroupsSettings = RouteGroupsSettings()
    """The bounds of each route group, such as ROUTE_GROUPS__<NAME>__DEADLINE_SECONDS; see `RouteGroup`."""

    @property
    def development(self) -> bool:
        """Whether ENVIRONMENT is development."""
        return self.environment == "development"

    @property
    def database_timeouts(self) -> Timeouts:
        """The timeouts of every database connection."""
        return Timeouts(
            connect=timedelta(seconds=self.database_connect_timeout_seconds),
            lock=timedelta(seconds=self.database_lock_timeout_seconds),
            statement=timedelta(seconds=self.database_statement_timeout_seconds),
            command=timedelta(seconds=self.database_command_timeout_seconds),
            idle=timedelta(hours=1) if self.development else None,  # a debugger may pause the process in a transaction
        )

    @property
    def background_seconds(self) -> float:
        """Seconds after SIGTERM in which background tasks may still finish."""
        return self.graceful_shutdown_seconds - CLOSING_SECONDS

    @property
    def seconds_in_flight(self) -> float:
        """Seconds in which requests in flight may finish after the drain."""
        return self.graceful_shutdown_seconds - self.drain_seconds - STOP_MARGIN_SECONDS

    @model_validator(mode="after")
    def _agree_with_each_other(self) -> Self:
        wrong = [*self._timeouts_that_do_not_nest(), *self._deadlines_that_do_not_nest(), *self._unsafe()]
        if wrong:  # one error for all wrong settings: each attempt to start may be a deployment
            raise ValueError("; ".join(wrong))
        return self

    def _timeouts_that_do_not_nest(self) -> Iterator[str]:
        """Yield an error sentence for each timeout that can never fire, because the enclosing timeout is not longer."""
        names = (
            "database_lock_timeout_seconds",
            "database_statement_timeout_seconds",
            "database_command_timeout_seconds",
            "graceful_shutdown_seconds",
            "termination_grace_seconds",
        )
        for inner, outer in pairwise(names):
            if getattr(self, inner) >= getattr(self, outer):
                yield f"{inner.upper()} must be less than {outer.upper()}"
        if self.database_command_timeout_seconds > self.seconds_in_flight:
            yield "GRACEFUL_SHUTDOWN_SECONDS must be 2 more than DRAIN_SECONDS + DATABASE_COMMAND_TIMEOUT_SECONDS"

    def _deadlines_that_do_not_nest(self) -> Iterator[str]:
        # {% if cookiecutter.http_client != "none" %}
        deadlines = {name: route_group.deadline_seconds for name, route_group in self.route_groups}
        for name, downstream in self.downstreams:
            yield from downstream.misnested(name, deadlines)
        # {% endif %}
        for name, route_group in self.route_groups:
            variable, deadline = f"ROUTE_GROUPS__{name.upper()}__DEADLINE_SECONDS", route_group.deadline_seconds
            if 0 < deadline <= self.database_command_timeout_seconds:
                yield f"{variable} must be more than DATABASE_COMMAND_TIMEOUT_SECONDS"
            if deadline > self.seconds_in_flight:
                yield f"GRACEFUL_SHUTDOWN_SECONDS must be 2 more than DRAIN_SECONDS + {variable}"

    def _unsafe(self) -> Iterator[str]:
        if self.environment == "production" and self.api_docs:
            yield "API_DOCS must be false when ENVIRONMENT is production"
        if self.environment == "production" and trusts_everybody(self.forwarded_allow_ips):
            yield "FORWARDED_ALLOW_IPS must name the proxies and not * when ENVIRONMENT is production"
        # {% if cookiecutter.auth == "jwt" %}
        if self.environment == "production" and not checks_server(self.redis_url):
            yield "REDIS_URL must not turn off the check of the certificate when ENVIRONMENT is production"
        yield from self.auth.unsafe(self.downstreams, production=not self.development)
        # {% endif %}
        yield from self.unsafe_origins(production=self.environment == "production")
