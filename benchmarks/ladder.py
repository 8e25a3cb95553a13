"""Measure what each layer of our service costs, and write the table into docs/performance.md."""

import itertools
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.repository import ROOT

from benchmarks import inside
from benchmarks.build import BUILD
from benchmarks.reasons import reason_of
from benchmarks.servers import database

ROUNDS = 100
DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- ladder: begin -->", "<!-- ladder: end -->"
DEAR = 0.03
"""A layer that costs a larger share of the read must have its reason in the document."""
WIDTH = 120
"""The longest line of the documents."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What one layer adds to the step below."""

    name: str
    us: float
    share: float

    @property
    def dear(self) -> bool:
        """Tell whether it has to say why it stays."""
        return self.share > DEAR


def run(rounds: int) -> None:
    """Measure, print and write."""
    logs = BUILD / "logs"
    with database(logs) as postgres:
        print(f"climbing the ladder {rounds} times", flush=True)
        steps = inside.measure("bench.ladder", str(rounds), database_url=postgres.urls["measured"], logs=logs)
    text = "\n".join(lines(layers([(step["name"], step["us"]) for step in steps])))
    print(text)
    write(DOCUMENT, text)


def layers(steps: Sequence[tuple[str, float]]) -> list[Layer]:
    """Return the differences between the steps; the first one is the measuring itself."""
    whole = steps[-1][1] - steps[0][1]
    return [Layer(name, us - below, (us - below) / whole) for (_, below), (name, us) in itertools.pairwise(steps)]


def lines(found: Sequence[Layer]) -> Iterator[str]:
    """Yield the table, and why the dear ones stay."""
    yield "| layer | us | share | what for |"
    yield "|---|---|---|---|"
    for layer in found:
        share = f"**{layer.share:.1%}**" if layer.dear else f"{layer.share:.1%}"
        yield f"| {layer.name} | {layer.us:.0f} | {share} | {reason_of(layer.name).purpose} |"
    yield f"| all | {sum(layer.us for layer in found):.0f} | 100% | |"
    yield ""
    for layer in found:
        if layer.dear:
            text = f"- **{layer.name}**: {reason_of(layer.name).stays}"
            yield textwrap.fill(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def write(document: Path, text: str, begin: str = BEGIN, end: str = END) -> None:
    """Replace what stands between the marks."""
    before, _, rest = document.read_text("utf-8").partition(begin)
    _, _, after = rest.partition(end)
    document.write_text(f"{before}{begin}\n{text}\n{end}{after}", "utf-8")
