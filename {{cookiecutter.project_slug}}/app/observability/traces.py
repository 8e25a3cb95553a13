"""Opens the traces of the process if the settings name a collector; without one, no package for traces is imported."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from app.settings.service import Settings

__all__ = ["Traces", "open_traces"]

if TYPE_CHECKING:
    from app.observability.otlp import Traces
else:
    Traces = Any  # the module of the class imports the packages for traces


def open_traces(settings: Settings) -> Traces | None:
    """Return the traces of the process, or None without a collector.

    Raises:
        SystemExit: the packages of the extra `otel` are missing.
    """
    collector = settings.otel_exporter_otlp_endpoint
    if collector is None:
        return None
    try:  # by name: an import statement would load the packages for traces in each process
        otlp = import_module("app.observability.otlp")
    except ModuleNotFoundError as error:
        raise SystemExit(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set and the package {error.name} is missing: install the packages for "
            "traces by `uv sync --extra otel`, or unset the variable."
        ) from None
    resource = {"service.name": settings.service_name, "service.version": settings.service_version}
    if settings.instance_id is not None:
        resource["service.instance.id"] = settings.instance_id
    traces: Traces = otlp.Traces(str(collector).rstrip("/"), settings.otel_traces_sampler_arg, resource)
    return traces
