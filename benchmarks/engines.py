"""Compare the engines under calls to other services, and write the table into docs/performance.md."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.programs import background, environment, find_uv, free_port, run

from benchmarks.build import BUILD, BuildError
from benchmarks.ladder import DOCUMENT, write

ROUNDS = 3
PROGRAM = Path(__file__).parent / "added" / "bench" / "engines.py"
VENV = BUILD / "engines"
PACKAGES = (
    "aiohttp>=3.14,<4",
    "httpx>=0.28.1,<0.29",
    "httpx-aiohttp>=0.2,<0.3",
    "httpx2>=2.16.2,<3",
    "uvloop>=0.23,<0.24",
)
BASE = "httpx, shared"
CALLERS = (1, 20, 100, 200, 300)
FAULTS = {
    "/later": "callers left while it answered",
    "/hang": "it was silent",
    "/half": "it stopped half way",
    "/reset": "it reset connections",
}
BEGIN, END = "<!-- engines: begin -->", "<!-- engines: end -->"


def measure(rounds: int) -> None:
    """Measure, print and write; all engines in one environment of their own, as no service has all of them."""
    make = ["venv", "--clear", "--quiet", "--python", sys.executable, str(VENV)]
    install = ["pip", "install", "--quiet", "--python", str(VENV), *PACKAGES]
    for command in (make, install):
        done = run([find_uv(), *command], BUILD, env=environment())
        if done.returncode:
            raise BuildError(done.stdout + done.stderr)
    port, target, logs = free_port(), BUILD / "engines.json", BUILD / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    print(f"comparing the engines {rounds} times", flush=True)
    python = VENV / "bin" / "python"
    with background([python, PROGRAM, "serve", str(port)], BUILD, environment(), logs / "neighbour.log"):
        done = run([python, PROGRAM, target, str(rounds), f"http://127.0.0.1:{port}/"], BUILD, env=environment())
    if done.returncode:
        raise BuildError(done.stdout + done.stderr)
    found = json.loads(target.read_text("utf-8"))
    text = "\n".join([*speeds(found["load"]), "", *survival(found["left"])])
    print(text)
    write(DOCUMENT, text, BEGIN, END)


def survival(found: dict[str, dict[str, int]]) -> Iterator[str]:
    """Yield the table of what is left after faults: calls of five that are answered."""
    yield "| engine | " + " | ".join(FAULTS.values()) + " |"
    yield "|---" * (1 + len(FAULTS)) + "|"
    for name, left in found.items():
        yield f"| {name} | " + " | ".join(f"{left[fault]} of 5" for fault in FAULTS) + " |"


def speeds(found: dict[str, dict[str, float]]) -> Iterator[str]:
    """Yield the table: calls per second as a ratio, p99 and CPU, for each number of callers."""
    yield "| engine | " + " | ".join(f"{callers} caller{'s' * (callers > 1)}" for callers in CALLERS) + " |"
    yield "|---" * (1 + len(CALLERS)) + "|"
    for name in dict.fromkeys(key.split("|")[0] for key in found):
        cells = []
        for callers in CALLERS:
            one, base = found[f"{name}|{callers}"], found[f"{BASE}|{callers}"]
            cells.append(f"{one['rate'] / base['rate']:.1f} x, {one['p99']:.0f} ms, {one['cpu']:.0f} us")
        yield f"| {name} | " + " | ".join(cells) + " |"
