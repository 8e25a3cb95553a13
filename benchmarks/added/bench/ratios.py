"""Compare the service's CPU per request with that of other programs, without a network, and write JSON into a file.

Arguments: the file, the number of rounds, and the pairs as JSON.
"""

import importlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import uvloop
from starlette.types import ASGIApp

from app.main import app
from bench.client import Request, ask

REQUESTS = 40
"""For each program and round: some tens of milliseconds, so that a disturbance spoils one round and not two."""

WARM_UP = 100


@dataclass(frozen=True, slots=True)
class Pair:
    """Two programs and one request."""

    programs: tuple[ASGIApp, ASGIApp]
    request: Request

    async def turn(self, number: int) -> tuple[float, float]:
        """Measure both right after each other, and in the next turn the other one first."""
        order = (0, 1) if number % 2 else (1, 0)
        costs = {place: await ask(self.programs[place], self.request, REQUESTS) for place in order}
        return costs[0], costs[1]


def load(target: str) -> ASGIApp:
    """Import a program by the name that gunicorn gets."""
    module, _, name = target.partition(":")
    program: ASGIApp = getattr(importlib.import_module(module), name)
    return program


async def compare(pairs: Sequence[Pair], rounds: int) -> list[dict[str, float]]:
    """Return the median of the rounds' ratios and of both costs, for each pair; the pairs take turns."""
    for pair in pairs:
        for program in pair.programs:
            await ask(program, pair.request, WARM_UP)
    turns = [[await pair.turn(number) for pair in pairs] for number in range(rounds)]
    return [
        {
            "ratio": median(ours / base for ours, base in costs),
            "ours": median(ours for ours, _ in costs),
            "base": median(base for _, base in costs),
        }
        for costs in zip(*turns, strict=True)
    ]


async def main(rounds: int, asked: list[dict[str, str]]) -> list[dict[str, float]]:
    """Open the service and compare."""
    pairs = [
        Pair((load(one["ours"]), load(one["base"])), Request(one["method"], one["target"], one["body"]))
        for one in asked
    ]
    async with app.router.lifespan_context(app):
        return await compare(pairs, rounds)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(uvloop.run(main(int(sys.argv[2]), json.loads(sys.argv[3])))), "utf-8")
