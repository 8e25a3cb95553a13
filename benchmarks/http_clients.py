"""The command `http-clients`: compares HTTP clients for downstream calls, and writes docs/performance.md's tables."""

import json
import sys
from pathlib import Path

from benchmarks.build import BUILD, BuildError
from benchmarks.documents import replace_section
from benchmarks.layer_costs import DOCUMENT
from drawing.tables import Table, markdown_lines
from tests.programs import background, environment, find_uv, free_port, run

ROUNDS = 3
PROGRAM = Path(__file__).parent / "overlay" / "measurements" / "http_clients.py"
VENV = BUILD / "http-clients"
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
"""The faults that the test downstream plays, each by the path of the request that asks for the fault."""

SECTION = "http-clients"


def measure(rounds: int) -> None:
    """Measure all HTTP clients, in an environment with the packages of every client, and write the tables."""
    make = ["venv", "--clear", "--quiet", "--python", sys.executable, str(VENV)]
    install = ["pip", "install", "--quiet", "--python", str(VENV), *PACKAGES]
    for command in (make, install):
        done = run([find_uv(), *command], BUILD, env=environment())
        if done.returncode:
            raise BuildError(done.stdout + done.stderr)
    port, target, logs = free_port(), BUILD / "http-clients.json", BUILD / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    print(f"comparing the HTTP clients {rounds} times", flush=True)
    python = VENV / "bin" / "python"
    with background([python, PROGRAM, "serve", str(port)], BUILD, environment(), logs / "downstream.log"):
        done = run([python, PROGRAM, target, str(rounds), f"http://127.0.0.1:{port}/"], BUILD, env=environment())
    if done.returncode:
        raise BuildError(done.stdout + done.stderr)
    found = json.loads(target.read_text("utf-8"))
    tables = (load_table(found["load"]), recovery_table(found["recovery"]))
    text = "\n\n".join("\n".join(markdown_lines(table)) for table in tables)
    print(text)
    replace_section(DOCUMENT, SECTION, text)


def recovery_table(found: dict[str, dict[str, int]]) -> Table:
    """Return the recovery table: how many of five calls each client gets answered after each fault."""
    rows = [[name, *(f"{answered[fault]} of 5" for fault in FAULTS)] for name, answered in found.items()]
    return Table("After faults", ["client", *FAULTS.values()], rows)


def load_table(found: dict[str, dict[str, float]]) -> Table:
    """Return the load table: rate as a ratio to the base client's, p99 and CPU, by number of concurrent callers."""
    rows = []
    for name in dict.fromkeys(key.split("|")[0] for key in found):
        cells = []
        for callers in CALLERS:
            measured, base = found[f"{name}|{callers}"], found[f"{BASE}|{callers}"]
            ratio = measured["rate"] / base["rate"]
            cells.append(f"{ratio:.1f} x, {measured['p99']:.0f} ms, {measured['cpu']:.0f} us")
        rows.append([name, *cells])
    return Table("Under load", ["client", *(f"{callers} caller{'s' * (callers > 1)}" for callers in CALLERS)], rows)
