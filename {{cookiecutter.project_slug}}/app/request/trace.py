"""W3C Trace Context: the trace of an incoming request continues in the calls that the request makes.

Source: https://www.w3.org/TR/trace-context/
"""

import random
import re
from contextvars import ContextVar
from typing import NamedTuple

HEADER, STATE_HEADER = b"traceparent", b"tracestate"
WELL_FORMED = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")
STATE = re.compile(rb"[\x20-\x7e]{1,512}")
"""Matches a well-formed `tracestate` header of at most 512 characters, the length that W3C requires to be passed on."""

ALSO_A_TRACE = re.compile(r"[0-9a-f]{32}")
"""Matches a request id that is also a valid trace id. A request without a trace then uses the request id as its trace
id."""


class Trace(NamedTuple):
    """The trace context from the headers of an incoming request."""

    number: str
    flags: str
    state: str = ""


trace: ContextVar[Trace | None] = ContextVar("trace", default=None)
"""The trace of the current request, set by `web/request_id.py`; None for work without a request."""


def read(parent: bytes, state: bytes) -> Trace | None:
    """Return the trace in the headers `traceparent` and `tracestate`, None when `traceparent` is malformed."""
    found = WELL_FORMED.fullmatch(parent)
    if found is None:
        return None
    return Trace(found[1].decode(), found[2].decode(), state.decode() if STATE.fullmatch(state) else "")


def new_trace(own: str) -> Trace:
    """Return a trace that is not sampled. The trace id is the request id if that has 32 hex digits, else random."""
    return Trace(own if ALSO_A_TRACE.fullmatch(own) else f"{random.getrandbits(128) or 1:032x}", "00")


def headers() -> dict[str, str]:
    """Return the trace headers of an outgoing call: a new span in the trace of the request, or in a new trace."""
    given = trace.get() or new_trace("")
    parent = {"Traceparent": f"00-{given.number}-{random.getrandbits(64) or 1:016x}-{given.flags}"}
    return parent | {"Tracestate": given.state} if given.state else parent
