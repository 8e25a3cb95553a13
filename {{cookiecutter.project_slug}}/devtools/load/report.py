"""The records of a load test, a line of JSON for each request, and the report of all records as a Markdown table."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

OK, CONNECTION, NOT_STARTED = "ok", "connection", "not started"
KINDS = ("503", "504", CONNECTION)
"""The failures with a column in the report: load shedding (503), a missed deadline (504), a broken connection."""

MAX_IN_FLIGHT = 1000
"""The limit of requests in flight: each request takes an open file in the load client and in the service."""

LATE_MS = 50.0
"""The delay in ms from which a request counts as started late; on a free CPU, the client's delays stay below 10 ms."""

FRACTIONS = (0.5, 0.95, 0.99)


class Record(NamedTuple):
    """The record of a request that the load test sent, or could not send."""

    at: float
    """The time at which the request was due, in seconds from the start of the test."""

    route: str
    ms: float
    """The latency in ms from the due time to the end of the response, the wait for a late start included."""

    late_ms: float
    kind: str
    """`OK`, or the kind of failure, such as 503 or a broken connection."""

    attempt: int
    """The number of earlier attempts to send the request: 0 for the first attempt, 1 for the repetition after a 503."""


def read(file: Path, position: int = 0) -> tuple[list[Record], int]:
    """Return the records after a position in the file, and the next position; an incomplete last line is left out."""
    if not file.exists():
        return [], 0
    with file.open("rb") as source:
        source.seek(position)
        lines = [line for line in source if line.endswith(b"\n")]
    return [Record(*json.loads(line)) for line in lines], position + sum(map(len, lines))


def quantile(ordered: Sequence[float], fraction: float) -> float:
    """Return the smallest value that at least this fraction of the values does not exceed (nearest rank), or NaN."""
    return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)] if ordered else math.nan


def latencies(records: Sequence[Record]) -> list[float]:
    """Return the sorted latencies of successful requests only: quick refusals must not make the service look quick."""
    return sorted(record.ms for record in records if record.kind == OK)


def started(records: Sequence[Record]) -> list[Record]:
    """Return the records of the requests that were sent, without those that the open loop could not start."""
    return [record for record in records if record.kind != NOT_STARTED]


def by_route(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Return the records grouped by route, in alphabetical order."""
    routes = sorted({record.route for record in records})
    return {route: [record for record in records if record.route == route] for route in routes}


def table(records: Sequence[Record]) -> list[list[str]]:
    """Return the report's table as text cells: headings, a row for each route, and a last row for all routes."""
    sent = started(records)
    seconds = max((record.at for record in records), default=0) or 1
    lines = [["route", "requests", "per second", "p50 ms", "p95 ms", "p99 ms", *KINDS, "other"]]
    for route, group in (by_route(sent) | {"all": sent}).items():
        ordered, kinds = latencies(group), Counter(record.kind for record in group)
        times = [f"{quantile(ordered, fraction):.1f}" if ordered else "-" for fraction in FRACTIONS]
        failures = [kinds[kind] for kind in KINDS]
        other = len(group) - len(ordered) - sum(failures)
        lines.append([route, str(len(group)), f"{len(group) / seconds:.1f}", *times, *map(str, [*failures, other])])
    return lines


def markdown(lines: list[list[str]]) -> str:
    """Return an aligned Markdown table, with numbers aligned right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    cells = [[line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in (lines[0], rule, *lines[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def notes(records: Sequence[Record], users: int, rate: float) -> list[str]:
    """Return the sentences below the table of a load report; `rate` is 0 for a closed loop of `users`."""
    kinds = Counter(record.kind for record in records)
    retries = sum(record.attempt > 0 for record in records)
    late = sum(record.late_ms > LATE_MS for record in records)
    due = len(records) - retries
    open_loop = f"{due} were due at {rate:g} a second; {late} started more than {LATE_MS:.0f} ms late, "
    open_loop += f"{kinds[NOT_STARTED]} not at all ({MAX_IN_FLIGHT} were in flight, or the sender was too slow)."
    other = [f"{count} x {kind}" for kind, count in kinds.items() if kind not in (OK, NOT_STARTED, *KINDS)]
    return [
        f"Open loop: {open_loop}" if rate else f"Closed loop: {users} users, each waits for its answer.",
        f"Latencies are of successful requests. {retries} requests were second attempts, after the pause of a 503.",
        *([f"Other failures: {', '.join(other)}."] if other else []),
    ]
