"""The defence of shutdown against a trace collector that hangs."""

from collections.abc import Mapping

from tests.faults.defences.defence import Defence

TRACES: Mapping[str, Defence] = {
    "own provider": Defence(
        "the shutdown does not wait for a collector of traces that is away or hangs",
        "app.observability.otlp:Traces",
        "trace_replacements.automatic_traces",
        "faults/test_collectors.py",
    ),
}
