"""What an experiment is: what to expect, how to run it, and what it found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.report import Table


class LabError(Exception):
    """The lab cannot go on; the message is for the person."""


ASYNC, BLOCKING, POOL, OWN, TWICE = "async", "blocking", "pool", "own", "twice"
"""The classes of colour: as it should be, the mistake, FastAPI's threads, threads of one's own, the former twice."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture, with the name of each of its colours."""

    caption: str
    drawing: str
    legend: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """What happened on this machine."""

    sentence: str
    table: Table
    figures: Sequence[Figure]


@dataclass(frozen=True, slots=True)
class Setting:
    """Where an experiment takes place."""

    address: str
    quick: bool
    note: Callable[[str], None]
    """Shows a person that it goes on."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """One of them; the texts are for somebody who has not seen it before."""

    name: str
    title: str
    expect: str
    difference: str
    """What it would mean if the numbers came out otherwise."""
    run: Callable[[Setting], Finding]
    database: bool = False


def milliseconds(seconds: float) -> str:
    """Write a time for a table."""
    return f"{seconds * 1000:,.0f} ms"
