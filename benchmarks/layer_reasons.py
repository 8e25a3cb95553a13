"""The table of reasons for the layers of a read; a layer of `measurements.layers` without a row fails the benchmark.

Microseconds in the texts were measured like the layers themselves, in 21 rounds in November 2026.
"""

from dataclasses import dataclass


class MissingReason(Exception):
    """The table of reasons has no row for a measured layer."""


@dataclass(frozen=True, slots=True)
class Reason:
    """The purpose of a layer of a read request, and the reason to pay the layer's cost."""

    purpose: str
    stays: str


REASONS = {
    "FastAPI": Reason(
        "routing, the path parameter, the answer from a model",
        "the parameters, the answers and the API's description come from the types. FastAPI's own route inspects the "
        "types for each request, and took a third of a read: `app/web/direct_route.py` calls a simple endpoint itself. "
        "Telemetry without a listener was 4 us more and is off by default; the answer goes from the model to bytes in "
        "one step, without a response class.",
    ),
    "session dependency": Reason(
        "the session that a route reads through",
        "a route's signature tells whether it reads or writes. A session that is opened and closed cost 114 us; "
        "now a plain async function returns the reader, which the route calls without FastAPI's solver.",
    ),
    "asyncpg": Reason(
        "the driver, its pool and one round trip",
        "this is the work itself: a write to a socket, a turn of the event loop, a read. One connection without a pool "
        "would save 45 us, and serve one request at a time. asyncpg's own clean-up query after each use would add 60.",
    ),
    "Reader": Reason(
        "statements of SQLAlchemy, a fair and bounded pool, rows with names",
        "SQLAlchemy compiles a statement once, and the reader hands the text to the driver, without the greenlet, the "
        "cursor and the result of SQLAlchemy. Its queue lets newcomers overtake, so the slowest wait 2 to 13 times as "
        "long, and nothing bounds how many wait. In the same layer: a check whether the connection ended while it was "
        "idle, in place of a ping that costs a round trip.",
    ),
    "row into the answer": Reason(
        "the answer has only the fields of the schema",
        "pydantic reads the row's attributes and validates them. The route returns the row itself: no model is built "
        "by hand, and no dict in between.",
    ),
    "BodyLimit": Reason(
        "a body without bound takes all memory",
        "FastAPI's own limit answers in plain text. BodyLimit reads one header and counts the bytes that arrive.",
    ),
    "ReadAhead": Reason(
        "a slow body takes no slot from other requests",
        "a request without a body goes straight on; a body costs a timer of the event loop and a copy of its bytes.",
    ),
    "UnreadKey": Reason(
        "a write with an Idempotency-Key that the route does not read is refused",
        "a read asks for its method only; a write looks for the key among its headers.",
    ),
    "CatchAll": Reason(
        "a bug is answered with 500, and the connection stays open",
        "Starlette's own handler answers and raises again, which drops the connection of a client that did nothing "
        "wrong.",
    ),
    "Admission": Reason(
        "load shedding: a refusal before any work is done",
        "Admission looks up the route group of the path and counts. It stands before routing, so that a refusal costs "
        "a tenth of an answer.",
    ),
    "Deadline": Reason(
        "an answer before the deadline, even while the work still waits",
        "Deadline reads the caller's own limit, sets a timer of the event loop and cancels it at the end. A task for "
        "each request, which is the usual way, costs 7 us more than the timer.",
    ),
    "AccessLog": Reason(
        "one line for each request",
        "without these lines nothing can be found out about a past request. The line is a dictionary that orjson "
        "writes straight into a queue: a logger of structlog takes as long again, the standard library's formatter "
        "costs 41 us, its queue handler 55. One thread writes many lines at once, so that a slow reader of the log "
        "cannot block the loop.",
    ),
    "RequestId": Reason(
        "one id in all log lines of a request and in its answer",
        "the cost is three context variables, a header and 128 random bits. structlog's context variables and an id "
        "from the kernel cost 34 us. A nested function that passes itself on left 30 objects of each request to the "
        "garbage collector; a class leaves none.",
    ),
    "LingeringClose": Reason(
        "lingering close: a client that still sends can read why it was refused",
        "LingeringClose looks through the headers for a body. A request without a body goes straight on; with a body, "
        "each part of the body and of the answer takes one call more.",
    ),
    "the other routes": Reason(
        "routes that are tried before the matching route",
        "each route that is tried in vain costs a regular expression. FastAPI looks through the routes of an included "
        "router twice, which cost a twelfth of a read: so the routes are added to the application one by one, and the "
        "busiest come first.",
    ),
}
"""Reasons by the layer's name in `measurements.layers`; the layer of a middleware has the name of the class."""


def reason_of(layer: str) -> Reason:
    """Return the reason for a layer.

    Raises:
        MissingReason: the table of reasons has no row for this layer.
    """
    if layer not in REASONS:
        raise MissingReason(f"The layer {layer} has no reason: add a row to benchmarks/layer_reasons.py.")
    return REASONS[layer]
