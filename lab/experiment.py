"""An experiment of the lab: its texts, its measurement, and its finding."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drawing.charts import Figure
from drawing.tables import Table


class LabError(Exception):
    """The lab cannot go on; the message is for the person at the terminal."""


ASYNC, BLOCKING, POOL, OWN, TWICE = "async", "blocking", "pool", "own", "twice"
"""Series of the plots: right, the mistake, FastAPI's threads, threads of a separate pool, FastAPI's threads twice."""

COLOURS = {ASYNC: "blue", BLOCKING: "orange", POOL: "violet", OWN: "green", TWICE: "gold"}
"""Colour of each series, from the palette of `drawing`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of an experiment on this machine."""

    sentence: str
    table: Table
    figures: Sequence[Figure]


@dataclass(frozen=True, slots=True)
class Setting:
    """Surroundings of an experiment: the address of the lab's service, and how to report progress."""

    address: str
    quick: bool
    note: Callable[[str], None]
    """Shows a line of progress."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment; the texts are for a first-time reader."""

    name: str
    title: str
    expect: str
    difference: str
    """Meaning of numbers that differ from the expected numbers."""
    run: Callable[[Setting], Finding]
    database: bool = False


def milliseconds(seconds: float) -> str:
    """Write seconds as milliseconds for a table."""
    return f"{seconds * 1000:,.0f} ms"
