"""An experiment of the lab: its texts, its measurement, and its finding."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drawing.charts import Figure
from drawing.tables import Table


class LabError(Exception):
    """An experiment of the lab cannot go on; the message is for the person at the terminal."""


ASYNC, BLOCKING, POOL, OWN, TWICE = "async", "blocking", "pool", "own", "twice"
"""Names of the plots' series: without blocking, blocking, FastAPI's threads, a separate pool, FastAPI's pool twice."""

COLOURS = {ASYNC: "blue", BLOCKING: "orange", POOL: "violet", OWN: "green", TWICE: "gold"}
"""The colour of each series of the plots, from the palette of `drawing`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of an experiment on this machine: a sentence, a table, and plots."""

    sentence: str
    table: Table
    figures: Sequence[Figure]


@dataclass(frozen=True, slots=True)
class Setting:
    """What an experiment needs to run: the address of the lab's service, and a function that reports progress."""

    address: str
    quick: bool
    note: Callable[[str], None]
    """Shows a line of progress to the user."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment of the lab; the texts are for a reader without knowledge of the subject."""

    name: str
    title: str
    expect: str
    difference: str
    """The meaning of measured numbers that differ from the expected numbers."""
    run: Callable[[Setting], Finding]
    database: bool = False


def milliseconds(seconds: float) -> str:
    """Return seconds as text in milliseconds, for a table."""
    return f"{seconds * 1000:,.0f} ms"
