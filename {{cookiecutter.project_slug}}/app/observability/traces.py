"""Traces by OpenTelemetry, if the settings name a collector; without a collector, no OpenTelemetry SDK is imported."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from app.settings.service import Settings

__all__ = ["Traces", "build_traces"]

if TYPE_CHECKING:
    from app.observability.otlp import Traces
else:
    Traces = Any  # importing the real class would load the packages of OpenTelemetry


def build_traces(settings: Settings) -> Traces | None:
    """Return the traces of the process, None without a collector; spans are sent in an `async with` block.

    Raises:
        SystemExit: the settings name a collector, and the packages of OpenTelemetry are missing.
    """
    collector = settings.otel_exporter_otlp_endpoint
    if collector is None:
        return None
    try:  # not imported at the top of the file, as processes without a collector must not load OpenTelemetry's packages
        otlp = import_module("app.observability.otlp")
    except ModuleNotFoundError as error:
        raise SystemExit(
            f"The service cannot start: OTEL_EXPORTER_OTLP_ENDPOINT is set, and the package of `{error.name}` is "
            "missing. Install the packages for traces with `uv sync --extra otel`, or unset the variable."
        ) from None
    resource = {"service.name": settings.service_name, "service.version": settings.service_version}
    if settings.instance_id is not None:
        resource["service.instance.id"] = settings.instance_id
    traces: Traces = otlp.Traces(str(collector).rstrip("/"), settings.otel_traces_sampler_arg, resource)
    return traces
