"""The command `layers`: measures the cost of each layer of a read, and writes the table of docs/performance.md."""

import itertools
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks import in_process
from benchmarks.build import BUILD
from benchmarks.documents import replace_section
from benchmarks.layer_reasons import reason_of
from benchmarks.servers import database
from drawing.tables import Table, markdown_lines
from tests.repository import ROOT

ROUNDS = 100
DOCUMENT = ROOT / "docs" / "performance.md"
SECTION = "layers"
DEAR_SHARE = 0.03
"""The fraction of a read request's cost above which the document gives the reason for a layer."""
WIDTH = 120
"""The greatest length of a line in the documents, in characters."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of a read request, such as a middleware or the database driver, and the CPU time that the layer adds."""

    name: str
    microseconds: float
    part_of_read: float
    """The fraction of the whole read's cost that the layer takes, from 0 to 1."""

    @property
    def dear(self) -> bool:
        """Whether the layer's cost is so high that docs/performance.md has to give a reason."""
        return self.part_of_read > DEAR_SHARE


def run(rounds: int) -> None:
    """Measure the layers of a read request, and write the table to the terminal and into docs/performance.md."""
    logs = BUILD / "logs"
    with database(logs) as postgres:
        print(f"measuring each layer {rounds} times", flush=True)
        url = postgres.urls["measured"]
        found = in_process.run("measurements.layer_costs", str(rounds), database_url=url, logs=logs)
    text = "\n".join(lines(layers([(composition["name"], composition["us"]) for composition in found])))
    print(text)
    replace_section(DOCUMENT, SECTION, text)


def layers(compositions: Sequence[tuple[str, float]]) -> list[Layer]:
    """Return the layers: the cost of each application minus the cost of the application with one layer less.

    The first application has no layer, and its cost is that of measuring itself.
    """
    whole = compositions[-1][1] - compositions[0][1]
    return [
        Layer(name, us - below, (us - below) / whole) for (_, below), (name, us) in itertools.pairwise(compositions)
    ]


def lines(found: Sequence[Layer]) -> Iterator[str]:
    """Yield the document's table of layers, then the reason for each layer with a high cost."""
    rows = [
        [layer.name, f"{layer.microseconds:.0f}", _percent(layer), reason_of(layer.name).purpose] for layer in found
    ]
    rows.append(["all", f"{sum(layer.microseconds for layer in found):.0f}", "100%", ""])
    yield from markdown_lines(Table("Layers", ("layer", "us", "share", "what for"), rows))
    yield ""
    for layer in found:
        if layer.dear:
            yield reason_item(layer.name)


def reason_item(layer: str) -> str:
    """Return the Markdown list item that gives the reason for a layer."""
    text = f"- **{layer}**: {reason_of(layer).stays}"
    return textwrap.fill(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _percent(layer: Layer) -> str:
    return f"**{layer.part_of_read:.1%}**" if layer.dear else f"{layer.part_of_read:.1%}"
