"""Settings for logging slow SQL statements, and for OpenTelemetry traces. `Settings` inherits the class."""

from pydantic import BaseModel, Field, HttpUrl


class ObservabilitySettings(BaseModel, use_attribute_docstrings=True):
    """The settings for logging slow SQL statements, and for traces, which use OpenTelemetry's variable names."""

    database_slow_statement_seconds: float = Field(default=0.1, ge=0, le=3600)
    """A SQL statement that takes this many seconds is logged, with a hash, the rows and the route, but without values;
    0 logs none."""

    otel_exporter_otlp_endpoint: HttpUrl | None = None
    """The collector that gets traces by OTLP over HTTP, such as http://collector:4318; unset, there are no traces. The
    packages for traces come with `uv sync --extra otel`."""

    otel_traces_sampler_arg: float = Field(default=1.0, ge=0, le=1)
    """The share of requests whose trace is recorded, from 0 to 1; a trusted caller that sends a trace decides
    instead."""
