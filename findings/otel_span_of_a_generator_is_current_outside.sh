#!/usr/bin/env bash
# Versions: opentelemetry-sdk 1.45.2, structlog 26.1.0. Python 3.11.
#
# Belief: a `with tracer.start_as_current_span("query")` inside an async generator is current inside the generator, and
# `structlog.contextvars.bound_contextvars` binds for the lines of the generator. The code of the loop that reads the
# rows has the span and the bindings of its own function.
#
# Observed: an async generator has no context of its own. From the first row on, its span is the current span of the
# loop that reads it, and its bindings are in the lines of that loop. When the loop ends by `break`, both stay for the
# rest of the request: later spans and lines, of other work, hang below the query. With `contextlib.aclosing` round the
# generator they end with the loop; within the loop they leak all the same.
#
# Output:
#   in the loop: span below query, bindings table=orders
#   after all rows: span below request, no bindings
#   after break: span below query, bindings table=orders
#   after break and aclosing: span below request, no bindings
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/spans.py" <<'PROGRAM'
import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, nullcontext

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from structlog.contextvars import bound_contextvars, get_contextvars

tracer = TracerProvider().get_tracer("finding")
logging.disable()  # the SDK logs "Failed to detach context" when the generator is closed elsewhere
kept = []


async def read() -> AsyncIterator[int]:
    with tracer.start_as_current_span("query"), bound_contextvars(table="orders"):
        for row in range(3):
            yield row


def state() -> str:
    bound = ", ".join(f"{key}={value}" for key, value in get_contextvars().items())
    return f"span below {trace.get_current_span().name}, {f'bindings {bound}' if bound else 'no bindings'}"


async def request(say: str, *, leave: bool, close: bool) -> None:
    with tracer.start_as_current_span("request"):
        rows = read()
        kept.append(rows)
        async with aclosing(rows) if close else nullcontext():
            async for row in rows:
                if say == "in the loop" and row == 1:
                    print(f"{say}: {state()}")
                if leave:
                    break
        if say != "in the loop":
            print(f"{say}: {state()}")


async def main() -> None:
    for say, leave, close in (
        ("in the loop", False, False),
        ("after all rows", False, False),
        ("after break", True, False),
        ("after break and aclosing", True, True),
    ):
        await asyncio.create_task(request(say, leave=leave, close=close))


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    opentelemetry-sdk==1.45.2 structlog==26.1.0
found=$("$folder/venv/bin/python" "$folder/spans.py")
echo "$found"
[[ $found == $'in the loop: span below query, bindings table=orders
after all rows: span below request, no bindings
after break: span below query, bindings table=orders
after break and aclosing: span below request, no bindings' ]]
