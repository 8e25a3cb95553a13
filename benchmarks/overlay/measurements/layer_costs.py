"""Measures the CPU time of a read with more and more layers of the service, without a network, as JSON in a file.

`measurements.layers` has the layers. Arguments: the file and the number of rounds. The log goes to standard output, as
in production.
"""

import json
import os
import sys
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import median

import asyncpg
import uvloop

from app.main import app
from app.resources import Resources
from baselines.raw_asgi import POOL_SIZE, no_reset
from measurements.asgi_client import Request, cpu_microseconds
from measurements.layers import Composition, compositions

READ = Request("GET", "/api/v1/items/7")
REQUESTS = 100
"""The requests of each measurement: enough for the clock, and so few that a disturbance spoils few measurements."""

WARM_UP = 300


async def costs_of(stack: list[Composition], rounds: int) -> list[float]:
    """Return the cost of each application: the cost with one layer less, plus the median difference between the two.

    The applications take turns, so that a slow moment slows two consecutive applications alike and does not change
    their difference.
    """
    for composition in stack:
        await cpu_microseconds(composition.app, READ, WARM_UP)
    turns = [[await cpu_microseconds(composition.app, READ, REQUESTS) for composition in stack] for _ in range(rounds)]
    added = [[above - below for below, above in pairwise(costs)] for costs in turns]
    return [*accumulate(map(median, zip(*added, strict=True)), initial=median(costs[0] for costs in turns))]


async def main(rounds: int) -> list[dict[str, str | float]]:
    """Start the service in this process, and return name and CPU microseconds of each application."""
    url = os.environ["DATABASE_URL"]
    async with (
        app.router.lifespan_context(app),
        asyncpg.create_pool(url, min_size=POOL_SIZE, max_size=POOL_SIZE, reset=no_reset) as driver,
    ):
        resources: Resources = app.state.resources
        stack = compositions(resources, driver, app)
        costs = await costs_of(stack, rounds)
    return [{"name": composition.name, "us": cost} for composition, cost in zip(stack, costs, strict=True)]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(uvloop.run(main(int(sys.argv[2])))), "utf-8")
