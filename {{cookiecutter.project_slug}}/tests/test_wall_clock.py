"""Nothing measures by the wall clock, which is set back and forth: held by reading the source, as the imports are."""

import ast
from collections.abc import Iterator

import pytest

from tests.test_architecture import modules

WALL = {
    "time": {"time", "time_ns"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
"""What reads it, by the module or class that has it."""

TELL_THE_TIME = {
    "app.downstreams.retry": "a Retry-After may be a date, and another machine's dates are of the wall clock",
    "app.observability.logs": "a line says when it was written",
}
"""Who reads it, and what for: none of them measures how long something took."""


def wall_clocks(tree: ast.Module) -> Iterator[str]:
    """Yield what a module uses of the wall clock: called, or handed on to be called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (alias.name for alias in node.names if alias.name in WALL["time"])
        elif isinstance(node, ast.Attribute) and node.attr in WALL.get(ast.unparse(node.value).split(".")[-1], ()):
            yield node.attr


def test_only_what_tells_the_time_reads_the_wall_clock() -> None:
    assert {module for module, tree in modules() if any(wall_clocks(tree))} == TELL_THE_TIME.keys()


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
def test_every_way_to_it_is_seen(source: str, found: list[str]) -> None:
    assert sorted(wall_clocks(ast.parse(source))) == sorted(found)
