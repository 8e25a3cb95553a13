"""The defence of trace spans: each call of a downstream has a client span, and the downstream receives its id."""

from collections.abc import Mapping

from tests.faults.defences.defence import Defence

TRACED_CALLS: Mapping[str, Defence] = {
    "instrumented client": Defence(
        "a call of a downstream has a span, and the downstream its number",
        "app.downstreams.client:Client.instrument",
        "trace_replacements.global_instrumentor",
        "faults/test_traced_calls.py",
    ),
}
