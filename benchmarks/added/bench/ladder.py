"""Time every step of `bench.steps` without a network and write JSON into the file that is named.

The argument after it is the number of rounds. The log goes to standard output, as in production.
"""

import json
import os
import sys
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import median

import asyncpg
import uvloop

from app.lifespan import Resources
from app.main import app
from bench.client import Request, ask
from bench.steps import Step, steps, ungated
from rivals.raw import POOL_SIZE, leave_as_it_is

READ = Request("GET", "/api/v1/items/7")
REQUESTS = 100
"""For each step and round: long enough for the clock, short enough that a disturbance hits few."""

WARM_UP = 300


async def climb(ladder: list[Step], rounds: int) -> list[float]:
    """Return the cost of each step: that of the one below, and the median of what the rounds say it adds.

    The steps take turns, so that a slow moment slows two neighbours alike and their difference does not show it.
    """
    for step in ladder:
        await ask(step.app, READ, WARM_UP)
    turns = [[await ask(step.app, READ, REQUESTS) for step in ladder] for _ in range(rounds)]
    added = [[above - below for below, above in pairwise(costs)] for costs in turns]
    return [*accumulate(map(median, zip(*added, strict=True)), initial=median(costs[0] for costs in turns))]


async def main(rounds: int) -> list[dict[str, str | float]]:
    """Open the service, climb, and return name and microseconds of each step."""
    url = os.environ["DATABASE_URL"]
    plain = ungated(url.replace("postgresql://", "postgresql+asyncpg://"))
    async with (
        app.router.lifespan_context(app),
        asyncpg.create_pool(url, min_size=POOL_SIZE, max_size=POOL_SIZE, reset=leave_as_it_is) as driver,
    ):
        resources: Resources = app.state.resources
        ladder = steps(resources, driver, plain, app)
        costs = await climb(ladder, rounds)
    await plain.dispose()
    return [{"name": step.name, "us": cost} for step, cost in zip(ladder, costs, strict=True)]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(uvloop.run(main(int(sys.argv[2])))), "utf-8")
