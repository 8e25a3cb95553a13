"""W3C Trace Context: the trace of an incoming request continues in the calls that the request makes.

Source: https://www.w3.org/TR/trace-context/
"""

import random
import re
from contextvars import ContextVar
from typing import Any, NamedTuple

HEADER, STATE_HEADER = b"traceparent", b"tracestate"
WELL_FORMED = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})")
STATE = re.compile(rb"[\x20-\x7e]{1,512}")
"""Matches a well-formed `tracestate` header of at most 512 characters, the length that W3C requires to be passed on."""

ALSO_A_TRACE = re.compile(r"[0-9a-f]{32}")
"""Matches a request id that is also a valid trace id. A request without a trace then uses the request id as its trace
id."""


class Trace(NamedTuple):
    """The trace context of a request, from the request's headers or from the request's span in OpenTelemetry."""

    number: str
    flags: str
    state: str = ""
    span: str = "0000000000000001"
    """The span id in 16 hex digits: with OpenTelemetry the id of the request's span, else the id of the caller's span.
    W3C forbids an id of zeros, so a trace without any span has the id 1."""

    @property
    def parent(self) -> str:
        """The value of the header `traceparent` that makes other work a child of this trace's span."""
        return f"00-{self.number}-{self.span}-{self.flags}"

    def text(self) -> str:
        """Return the trace as one text, for a database column; `of_text` parses the text."""
        return f"{self.parent} {self.state}"

    @staticmethod
    def of_text(text: str | None) -> "Trace | None":
        """Return the trace from a text that the method `text` has built; None for any other text."""
        parent, _, state = (text or "").encode().partition(b" ")
        return read(parent, state)


trace: ContextVar[Trace | None] = ContextVar("trace", default=None)
"""The trace of the current request, set by `web/request_id.py`; None for work without a request."""


def read(parent: bytes, state: bytes) -> Trace | None:
    """Return the trace in the headers `traceparent` and `tracestate`, None when `traceparent` is malformed."""
    found = WELL_FORMED.fullmatch(parent)
    if found is None:
        return None
    number, span, flags = (part.decode() for part in found.groups())
    return Trace(number, flags, state.decode() if STATE.fullmatch(state) else "", span)


def of_span(context: Any) -> Trace:  # noqa: ANN401 - a type of OpenTelemetry, which is not imported here
    """Return the trace of a span of OpenTelemetry, from the span's context."""
    number, flags = f"{context.trace_id:032x}", f"{context.trace_flags:02x}"
    return Trace(number, flags, context.trace_state.to_header(), f"{context.span_id:016x}")


def new_trace(own: str) -> Trace:
    """Return a new unsampled trace. The trace id is the request id `own` if that has 32 hex digits, else random."""
    return Trace(own if ALSO_A_TRACE.fullmatch(own) else f"{random.getrandbits(128) or 1:032x}", "00")


def headers() -> dict[str, str]:
    """Return the trace headers of an outgoing call: a new span in the trace of the request, or in a new trace."""
    given = trace.get() or new_trace("")
    parent = {"Traceparent": f"00-{given.number}-{random.getrandbits(64) or 1:016x}-{given.flags}"}
    return parent | {"Tracestate": given.state} if given.state else parent
