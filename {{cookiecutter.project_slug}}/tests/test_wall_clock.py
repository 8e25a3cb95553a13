"""No duration is measured by the wall clock, which may jump: only the listed modules may read that clock."""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture import modules

WALL = {
    "time": {"time", "time_ns"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
"""Python's functions that read the wall clock, by module or class."""

TELL_THE_TIME = {
    "app.auth.tokens": "the times in an access token are of the wall clock of its issuer",
    "app.downstreams.retry_budget": "a Retry-After may be a date, and another machine's dates are of the wall clock",
    "app.health.sampler": "a metric says when it was sampled, which Prometheus compares with its own clock",
    "app.jobs.enqueue": "the id of a job, a UUIDv7, begins with the time",
    "app.observability.otlp": "the times of spans, which a collector compares with those of other services",
    "app.observability.rendering": "a line says when it was written",
    "app.streams.hub": "a stream ends with its access token, at a time of the wall clock of the token's issuer",
}
"""The service's modules that may read the wall clock, with the reason; none of them measures a duration."""


def wall_clocks(tree: ast.Module) -> Iterator[str]:
    """Yield the wall-clock functions that a parsed module imports, calls or passes as an argument."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (alias.name for alias in node.names if alias.name in WALL["time"])
        elif isinstance(node, ast.Attribute) and node.attr in WALL.get(ast.unparse(node.value).split(".")[-1], ()):
            yield node.attr


def test_only_the_listed_modules_read_the_wall_clock() -> None:
    found = dict(modules())

    assert {module for module, tree in found.items() if any(wall_clocks(tree))} == TELL_THE_TIME.keys() & found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from time import monotonic, perf_counter\nmonotonic()", []),
        ("from time import time\ntime()", ["time"]),
        ("from time import time as clock\nclock()", ["time"]),
        ("import time\ntime.time_ns()", ["time_ns"]),
        ("import time\ndef wait(clock=time.time): ...", ["time"]),
        ("import asyncio\nasyncio.get_running_loop().time()", []),
        ("from datetime import UTC, datetime\ndatetime.now(UTC)", ["now"]),
        ("import datetime\ndatetime.datetime.utcnow()\ndatetime.date.today()", ["utcnow", "today"]),
        ("from sqlalchemy import func\nfunc.now()", []),
    ],
)
def test_every_use_of_the_wall_clock_is_found(source: str, found: list[str]) -> None:
    assert sorted(wall_clocks(ast.parse(source))) == sorted(found)
