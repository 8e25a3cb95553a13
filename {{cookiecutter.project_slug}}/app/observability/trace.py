"""W3C Trace Context: a request that came with a trace goes on in it, and so do the calls that it makes.

Source: https://www.w3.org/TR/trace-context/
"""

import random
import re
from contextvars import ContextVar
from typing import NamedTuple

from app.observability.request_id import request_id

HEADER, STATE_HEADER = b"traceparent", b"tracestate"
WELL_FORMED = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")
STATE = re.compile(rb"[\x20-\x7e]{1,512}")
"""Of the vendors whose trace it is; it is passed on as it is, in at most as many characters as all must take."""

ALSO_A_TRACE = re.compile(r"[0-9a-f]{32}")


class Trace(NamedTuple):
    """What the caller sent of its trace."""

    number: str
    flags: str
    state: str = ""


trace: ContextVar[Trace | None] = ContextVar("trace", default=None)
"""The trace that the request belongs to, None when it came without. Set by `middleware/request_id.py`."""


def read(parent: bytes, state: bytes) -> Trace | None:
    """Return the trace that these headers name, None when the first is no such thing."""
    found = WELL_FORMED.fullmatch(parent)
    if found is None:
        return None
    return Trace(found[1].decode(), found[2].decode(), state.decode() if STATE.fullmatch(state) else "")


def headers() -> dict[str, str]:
    """Return those of an outgoing call: a new span in the trace; without one, the request id is the trace's."""
    given = trace.get()
    if given is None:
        own = request_id.get() or ""
        given = Trace(own if ALSO_A_TRACE.fullmatch(own) else f"{random.getrandbits(128) or 1:032x}", "00")
    parent = {"Traceparent": f"00-{given.number}-{random.getrandbits(64) or 1:016x}-{given.flags}"}
    return parent | {"Tracestate": given.state} if given.state else parent
