"""Time every step of `bench.steps` without a network and write JSON into the file that is named.

The argument after it is the number of rounds. The log goes to standard output, as in production.
"""

import json
import os
import sys
import time
from pathlib import Path
from statistics import median

import uvloop
from starlette.types import ASGIApp, Message

from app.lifespan import Resources
from app.main import app
from bench.steps import Step, steps, ungated

REQUESTS = 200
"""For each step and round: long enough for the clock, short enough that a disturbance hits few."""

WARM_UP = 300


async def ask(app: ASGIApp, times: int) -> float:
    """Send requests one after another and return the CPU microseconds of one."""
    path = "/api/v1/items/7"
    headers = [(b"host", b"service"), (b"user-agent", b"bench"), (b"accept", b"*/*")]
    shape = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http"}
    address = {"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "root_path": ""}
    request = shape | address | {"path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers}

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        assert message.get("status", 200) == 200  # noqa: S101, PLR2004 - a wrong answer would be measured as a fast one

    started = time.process_time()
    for _ in range(times):
        await app({**request, "state": {}}, receive, send)
    return (time.process_time() - started) / times * 1e6


async def climb(ladder: list[Step], rounds: int) -> list[float]:
    """Return the median cost of each step; the steps take turns, so that a slow moment slows them all."""
    for step in ladder:
        await ask(step.app, WARM_UP)
    turns = [[await ask(step.app, REQUESTS) for step in ladder] for _ in range(rounds)]
    return [median(costs) for costs in zip(*turns, strict=True)]


async def main(rounds: int) -> list[dict[str, str | float]]:
    """Open the service, climb, and return name, reason and microseconds of each step."""
    plain = ungated(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"))
    async with app.router.lifespan_context(app):
        resources: Resources = app.state.resources
        ladder = steps(resources, plain, app)
        costs = await climb(ladder, rounds)
    await plain.dispose()
    return [{"name": step.name, "reason": step.reason, "us": cost} for step, cost in zip(ladder, costs, strict=True)]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(uvloop.run(main(int(sys.argv[2])))), "utf-8")
