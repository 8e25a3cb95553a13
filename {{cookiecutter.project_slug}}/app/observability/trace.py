"""W3C Trace Context: a request that came with a trace goes on in it, and so do the calls that it makes.

Source: https://www.w3.org/TR/trace-context/
"""

import random
import re
from contextvars import ContextVar

from app.observability.request_id import request_id

HEADER = b"traceparent"
WELL_FORMED = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")
ALSO_A_TRACE = re.compile(r"[0-9a-f]{32}")

trace: ContextVar[tuple[str, str] | None] = ContextVar("trace", default=None)
"""The trace's id and flags, as the caller sent them. Set by `middleware/request_id.py`."""


def read(value: bytes) -> tuple[str, str] | None:
    """Return the trace's id and flags, None when the header is no such thing."""
    found = WELL_FORMED.fullmatch(value)
    return (found[1].decode(), found[2].decode()) if found else None


def traceparent() -> str:
    """Return the header of an outgoing call, a new span in the trace; without one, the request id is the trace's."""
    given = trace.get()
    own = request_id.get() or ""
    new = own if ALSO_A_TRACE.fullmatch(own) else f"{random.getrandbits(128) or 1:032x}"
    number, flags = given or (new, "00")
    return f"00-{number}-{random.getrandbits(64) or 1:016x}-{flags}"
