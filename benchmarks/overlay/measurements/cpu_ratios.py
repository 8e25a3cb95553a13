"""Measures ratios of the service's cost per request to a baseline's, without a network, as JSON in a file.

Arguments: the file, the number of rounds, and the pairs as JSON.
"""

import importlib
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import uvloop
from starlette.types import ASGIApp

from app.main import app
from measurements.asgi_client import Request, allocations, calls, cpu_microseconds

REQUESTS = 40
"""The requests in a program's turn: some tens of milliseconds, so that a disturbance spoils a single round."""

WARM_UP = 100

COSTS = {"us": cpu_microseconds, "calls": calls, "allocations": allocations}


@dataclass(frozen=True, slots=True)
class Pair:
    """The service and a baseline, with the request that both answer."""

    programs: tuple[ASGIApp, ASGIApp]
    request: Request
    cost: Callable[[ASGIApp, Request, int], Awaitable[float]]

    async def turn(self, number: int) -> tuple[float, float]:
        """Measure service and baseline one right after the other; which of the two comes first alternates."""
        order = (0, 1) if number % 2 else (1, 0)
        costs = {place: await self.cost(self.programs[place], self.request, REQUESTS) for place in order}
        return costs[0], costs[1]


def load(target: str) -> ASGIApp:
    """Import a program by its gunicorn target, such as `app.main:app`."""
    module, _, name = target.partition(":")
    program: ASGIApp = getattr(importlib.import_module(module), name)
    return program


async def compare(pairs: Sequence[Pair], rounds: int) -> list[dict[str, float]]:
    """Return, for each pair of service and baseline, the median ratio and both median costs over all rounds.

    The pairs take turns.
    """
    for pair in pairs:
        for program in pair.programs:
            await cpu_microseconds(program, pair.request, WARM_UP)
    turns = [[await pair.turn(number) for pair in pairs] for number in range(rounds)]
    return [
        {
            "ratio": median(service / base for service, base in costs),
            "service": median(service for service, _ in costs),
            "base": median(base for _, base in costs),
        }
        for costs in zip(*turns, strict=True)
    ]


async def main(rounds: int, asked: list[dict[str, str]]) -> list[dict[str, float]]:
    """Start the service in this process, and compare each pair of service and baseline."""
    pairs = [
        Pair(
            (load(pair["service"]), load(pair["base"])),
            Request(pair["method"], pair["target"], pair["body"]),
            COSTS[pair["cost"]],
        )
        for pair in asked
    ]
    async with app.router.lifespan_context(app):
        return await compare(pairs, rounds)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(uvloop.run(main(int(sys.argv[2]), json.loads(sys.argv[3])))), "utf-8")
