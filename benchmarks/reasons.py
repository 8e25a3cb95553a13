"""Why each layer of a read is there; a layer of `bench.steps` without a row here fails the ladder.

Microseconds in the texts were measured as the ladder measures, in one sitting of 21 rounds in November 2026.
"""

from dataclasses import dataclass


class NoReason(Exception):
    """A layer has no row in the table below."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What a layer is for, and why it stays although it is dear."""

    purpose: str
    stays: str


REASONS = {
    "FastAPI": Reason(
        "routing, the path parameter, the answer from a model",
        "the parameters, the answers and the API's description come from the types. A plain Starlette route that does "
        "the same by hand costs 11 us where this one costs 38. Telemetry that nobody listens to was 4 us more and is "
        "off by default; the answer goes from the model to bytes in one step, without a response class.",
    ),
    "session dependency": Reason(
        "what a route reads through",
        "a route's signature tells whether it reads or writes. It was 114 us as a session that is opened and closed; "
        "now it is a plain async function that returns the reader. With the resources as a dependency of their own "
        "it cost 10 us more; what is left is FastAPI solving one dependency.",
    ),
    "asyncpg": Reason(
        "the driver, its pool and one round trip",
        "it is the work itself: a write to a socket, a turn of the event loop, a read. One connection without a pool "
        "would save 45 us, and serve one request at a time. asyncpg's own clean-up query after each use would add 60.",
    ),
    "SQLAlchemy": Reason(
        "statements that are composed and checked, rows with names",
        "statements, models and migrations know the same tables. It brings a pool of its own, 20 us in place of the 45 "
        "of asyncpg's; the switch of greenlets takes 20, and 80 go to the cursor, the result and the rows. The same "
        "statement as text saves only 7. Tried and dearer: an AsyncConnection (by 60 us), an AsyncSession (by 100), "
        "entities instead of rows (by 105), a statement that is built for each request (by 100). Without the pool's "
        "reset nothing was saved.",
    ),
    "gate of the pool": Reason(
        "first come, first served; a bounded queue",
        "SQLAlchemy's own queue lets newcomers overtake, so the slowest wait 2 to 13 times as long, and nothing bounds "
        "how many wait. While places are free the gate takes no turn of the loop. In the same layer: a look at whether "
        "the connection ended while it was idle, in place of a ping that costs a round trip.",
    ),
    "row into the answer": Reason(
        "the answer has only what the schema names",
        "pydantic reads the row's attributes and checks them. The route returns the row itself: no model is built by "
        "hand, and no dict in between.",
    ),
    "BodyLimit": Reason(
        "a body without bound takes all memory",
        "FastAPI's own limit answers in plain text. It looks at one header and counts what arrives.",
    ),
    "CatchAll": Reason(
        "a bug answers, and the connection stays",
        "Starlette's own handler answers and raises again, which drops the connection of a client that did nothing "
        "wrong.",
    ),
    "Admission": Reason(
        "a refusal before any work, so that overload stays calm",
        "it looks up the family of the path and counts. Before routing, so that a refusal costs a tenth of an answer.",
    ),
    "Deadline": Reason(
        "an answer in time, whatever the work waits for",
        "it looks for the caller's own limit, sets a timer of the event loop and takes it away again. A task for each "
        "request, which is the usual way, costs 7 us more than the timer.",
    ),
    "AccessLog": Reason(
        "one line for each request",
        "a service without it cannot be asked what it did. The line takes structlog and orjson straight to a queue; "
        "the standard library's formatter costs 41 us, its queue handler 55; a line put together by hand, past "
        "structlog, saves 3. One thread writes many lines at once, so "
        "that no reader of the log can stop the loop.",
    ),
    "RequestId": Reason(
        "lines and answers that belong together",
        "it costs a context variable, a header and 128 random bits. It was 34 us with structlog's context variables "
        "and an id from the kernel.",
    ),
    "Linger": Reason(
        "a client that still sends can read why it was refused",
        "it looks through the headers for a body. A request without one goes straight on; with one, each part of the "
        "body and of the answer takes one call more.",
    ),
    "the other routes": Reason(
        "they are tried first",
        "FastAPI looks through the routes of an included router twice, once to find the router and once to find the "
        "route: 8 us for the first route, and 4 more for each that is tried in vain. So the busiest router is included "
        "first, and inside a router the busiest route comes first.",
    ),
}
"""By the name of the step in `bench.steps`; a middleware's is the name of its class."""


def reason_of(layer: str) -> Reason:
    """Return the row of a layer.

    Raises:
        NoReason: there is none.
    """
    if layer not in REASONS:
        raise NoReason(f"The layer {layer} has no reason: add a row to benchmarks/reasons.py.")
    return REASONS[layer]
