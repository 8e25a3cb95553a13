"""Traces by OpenTelemetry, if the settings name a collector; without one, no package for traces is imported."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from app.settings.service import Settings

__all__ = ["Traces", "build_traces"]

if TYPE_CHECKING:
    from app.observability.otlp import Traces
else:
    Traces = Any  # importing the real class would import the packages for traces


def build_traces(settings: Settings) -> Traces | None:
    """Return the traces of the process, None without a collector; an `async with` block of the traces sends them.

    Raises:
        SystemExit: the packages for traces are missing.
    """
    collector = settings.otel_exporter_otlp_endpoint
    if collector is None:
        return None
    try:  # import by name: an import statement would load the packages in each process
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
