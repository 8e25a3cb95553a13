"""Settings of slow statements, exceptions on log lines, and traces. `Settings` inherits the class."""

from pydantic import BaseModel, Field, HttpUrl


class ObservabilitySettings(BaseModel, use_attribute_docstrings=True):
    """The settings of slow statements and exceptions, and of traces under OpenTelemetry's own names."""

    database_slow_statement_seconds: float = Field(default=0.1, ge=0, le=3600)
    """A statement that takes this long is logged with hash, rows and route, and without values; 0 logs no statement."""

    log_exception_messages: bool = False
    """Write the messages of unexpected exceptions on JSON log lines. Messages may have the values of customers; classes
    and stacks are always written, and the console format shows all."""

    otel_exporter_otlp_endpoint: HttpUrl | None = None
    """The OpenTelemetry collector that gets the traces by OTLP over HTTP, such as http://collector:4318. Unset, there
    are no traces; set, the packages of `uv sync --extra otel` are needed."""

    otel_traces_sampler_arg: float = Field(default=1.0, ge=0, le=1)
    """The share of requests whose trace is recorded, from 0 to 1; a trusted caller that sends a trace decides."""
