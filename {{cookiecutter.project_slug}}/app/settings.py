"""Every environment variable of the service, typed, with its reason. Nothing else reads the environment.

A wrong value stops the start with one line that names the variable and the fix. No line ever shows a value: it may be
a secret.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from app.capacity.settings import CapacitySettings
from app.database_url import asyncpg_url
from app.downstreams.settings import DownstreamsSettings, Seconds
from app.families import FamiliesSettings

STOP_MARGIN_SECONDS = 2.0  # what late connections and the lifespan's exit get of GRACEFUL_STOP_SECONDS
CLOSING_SECONDS = 1.0  # what is left of it for the connections when background tasks were waited for


DatabaseUrl = Annotated[SecretStr, AfterValidator(asyncpg_url)]


class Settings(CapacitySettings, BaseSettings):
    """The service's configuration, read once at start."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
        extra="ignore",  # .env also feeds compose and the shell
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    environment: Literal["development", "production"] = "production"
    """The stricter one is the default, so that forgetting it is safe."""

    service_name: str = "{{ cookiecutter.project_slug }}"
    """Shown in logs, in the API's title and in pg_stat_activity."""

    api_docs: bool = False
    """Serve /docs and /openapi.json. Refused in production: they tell a stranger every route."""

    database_url: DatabaseUrl
    """The database, as postgresql://user:password@host:5432/database."""

    database_direct_url: DatabaseUrl | None = None
    """The database past PgBouncer, for migrations and LISTEN; unset, DATABASE_URL leads to the server itself."""

    database_connect_seconds: Seconds = 1.5
    """The bound of opening one connection."""

    database_pool_wait_seconds: Seconds = 1.0
    """The wait for a free connection before the client is told 503. SQLAlchemy's 30 s would be an outage."""

    database_lock_seconds: Seconds = 1.5
    """PostgreSQL's lock_timeout: a row or table that somebody else holds. Longer than its deadlock_timeout of a second,
    which refuses one of two that wait for each other, where this one would refuse both."""

    database_statement_seconds: Seconds = 2.5
    """PostgreSQL's statement_timeout. Enforced by the server, so it also stops what a client abandoned."""

    database_command_seconds: Seconds = 3.0
    """asyncpg's command_timeout. Enforced here, for a server that is frozen and cannot keep its own limit."""

    drain_seconds: float = Field(default=6.0, ge=0, le=3600)
    """How long a worker goes on serving after SIGTERM. Kubernetes takes up to 5 s to send its traffic elsewhere."""

    graceful_stop_seconds: int = Field(default=25, ge=1, le=3600)
    """What a worker gets after SIGTERM: the drain, then the requests in flight, and two seconds for closing."""

    termination_grace_seconds: Seconds = 30.0
    """What the orchestrator gives between SIGTERM and SIGKILL; Kubernetes ships with 30."""

    host: str = "127.0.0.1"
    """The address to listen on; in a container 0.0.0.0."""

    port: int = Field(default=8000, ge=1, le=65535)
    """The port to listen on."""

    keep_alive_seconds: int = Field(default=75, ge=1)
    """Above the balancer's idle timeout (60 s on most), so that the balancer closes first and never meets a reset."""

    forwarded_allow_ips: str = "127.0.0.1"
    """Proxies whose X-Forwarded-* headers are believed, comma separated."""

    max_body_bytes: int = Field(default=1_048_576, ge=0)
    """The largest request body, unless its family says otherwise; FastAPI itself has no limit."""

    idempotency_seconds: int = Field(default=86_400, ge=1)
    """How long the answer to a request with an Idempotency-Key is kept; clients repeat theirs within that time."""

    loop_stall_seconds: float = Field(default=0.1, ge=0, le=60)
    """A callback that blocks the event loop for so long is written to the log with its stack; 0 turns that off."""

    telemetry: bool = False
    """FastAPI's own OpenTelemetry, for a process that sets up a provider; else each request asks thrice for one."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe line that is written."""

    log_format: Literal["json", "console"] = "json"
    """JSON for machines, console for a person at a terminal."""

    downstreams: DownstreamsSettings = DownstreamsSettings()
    """DOWNSTREAMS__<NAME>__BASE_URL and so on; see DownstreamSettings."""

    families: FamiliesSettings = FamiliesSettings()
    """FAMILIES__<NAME>__DEADLINE_SECONDS and so on; see Family in families.py."""

    @property
    def seconds_in_flight(self) -> float:
        """What requests get that are in flight when the drain is over."""
        return self.graceful_stop_seconds - self.drain_seconds - STOP_MARGIN_SECONDS

    @model_validator(mode="after")
    def _agree_with_each_other(self) -> Self:
        wrong = [*self._timeouts_that_do_not_nest(), *self._deadlines_that_do_not_nest(), *self._unsafe()]
        if wrong:  # all at once: a start for each would be a deployment for each
            raise ValueError("; ".join(wrong))
        return self

    def _timeouts_that_do_not_nest(self) -> Iterator[str]:
        """An inner limit that outlasts its outer one never fires, and the outer one answers without a reason."""
        names = (
            "database_lock_seconds",
            "database_statement_seconds",
            "database_command_seconds",
            "graceful_stop_seconds",
            "termination_grace_seconds",
        )
        for inner, outer in pairwise(names):
            if getattr(self, inner) >= getattr(self, outer):
                yield f"{inner.upper()} must be less than {outer.upper()}"
        if self.database_command_seconds > self.seconds_in_flight:
            yield "GRACEFUL_STOP_SECONDS must be 2 more than DRAIN_SECONDS + DATABASE_COMMAND_SECONDS"

    def _deadlines_that_do_not_nest(self) -> Iterator[str]:
        for name, family in self.families:
            variable, deadline = f"FAMILIES__{name.upper()}__DEADLINE_SECONDS", family.deadline_seconds
            if 0 < deadline <= self.database_command_seconds:
                yield f"{variable} must be more than DATABASE_COMMAND_SECONDS"
            if deadline > self.seconds_in_flight:
                yield f"GRACEFUL_STOP_SECONDS must be 2 more than DRAIN_SECONDS + {variable}"

    def _unsafe(self) -> Iterator[str]:
        proxies = self.forwarded_allow_ips
        believes_all = "*" in proxies or any(one.strip().endswith("/0") for one in proxies.split(","))
        unsafe = {
            "API_DOCS must be false": self.api_docs,
            "FORWARDED_ALLOW_IPS must name the proxies and not *": believes_all,
        }
        for name, found in unsafe.items():
            if found and self.environment == "production":
                yield f"{name} when ENVIRONMENT is production"


def explain(error: ValidationError) -> str:
    """Say what to change, one line for each variable; values are left out, they may be secrets."""
    lines = ["The service cannot start with these settings:"]
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        variable = "__".join(str(part) for part in item["loc"]).upper()
        field = Settings.model_fields.get(str(item["loc"][0])) if item["loc"] else None
        purpose = f" ({field.description})" if field and field.description else ""
        reason = item["msg"].removeprefix("Value error, ")
        lines.append(f"  {variable}: {reason}{purpose}" if variable else f"  {reason}")
    return "\n".join([*lines, f"Set them in the environment or in {Path('.env').resolve()}."])


def load_settings() -> Settings:
    """Read the environment and `.env`.

    Raises:
        SystemExit: a value is missing or wrong; the message names each variable and what to write.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SystemExit(explain(error)) from None
    except SettingsError as error:
        raise SystemExit(
            f"The service cannot start with these settings:\n  {error}; write DOWNSTREAMS__<NAME>__<SETTING>"
        ) from None
