"""Measure what each layer of our service costs, and write the table into docs/performance.md."""

import json
from collections.abc import Iterator
from pathlib import Path

from tests.programs import background, environment
from tests.repository import ROOT

from benchmarks.build import BUILD, PYTHON, SERVICE
from benchmarks.servers import database

ROUNDS = 25
DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- ladder: begin -->", "<!-- ladder: end -->"
DEAR = 0.03
"""A layer that costs a larger share of the read must have a reason in the document."""


def run(rounds: int) -> None:
    """Measure, print and write."""
    logs = BUILD / "logs"
    with database(logs) as postgres:
        print(f"climbing the ladder {rounds} times", flush=True)
        rows = climb(postgres.urls["measured"], logs, rounds)
    table = "\n".join(lines(rows))
    print(table)
    if DOCUMENT.exists():
        write(DOCUMENT, table)


def climb(url: str, logs: Path, rounds: int) -> list[dict[str, str | float]]:
    """Let the service's own interpreter measure."""
    target = BUILD / "ladder.json"
    target.unlink(missing_ok=True)
    variables = environment({"DATABASE_URL": url, "LOG_LEVEL": "info"})
    command = [str(PYTHON), "-m", "bench.ladder", str(target), str(rounds)]
    with background(command, SERVICE, variables, logs / "ladder.log") as program:
        program.process.wait()
    rows: list[dict[str, str | float]] = json.loads(target.read_text("utf-8"))
    return rows


def lines(rows: list[dict[str, str | float]]) -> Iterator[str]:
    """Yield the table; a layer's cost is the difference to the step below."""
    floor, top = float(rows[0]["us"]), float(rows[-1]["us"])
    whole = top - floor
    yield "| layer | us | share | what for |"
    yield "|---|---|---|---|"
    below = floor
    for row in rows[1:]:
        cost = float(row["us"]) - below
        below = float(row["us"])
        share = f"**{cost / whole:.0%}**" if cost / whole > DEAR else f"{cost / whole:.0%}"
        yield f"| {row['name']} | {cost:.0f} | {share} | {row['reason']} |"
    yield f"| all | {whole:.0f} | 100% | |"


def write(document: Path, table: str) -> None:
    """Replace what stands between the marks."""
    before, _, rest = document.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", "utf-8")
