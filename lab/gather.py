"""Experiment `gather`: three calls to a downstream, one after the other and at once."""

from statistics import median

from drawing.tables import Table
from lab import plots
from lab.client import series, total
from lab.experiment import ASYNC, BLOCKING, Experiment, Finding, Setting, milliseconds

CALLS, DELAY = 3, 0.1
TIMES = 3
NAMES = {"in-a-row": "one after the other", "gather": "gather"}


def measure(address: str, kind: str) -> float:
    """Return the time, in seconds, of a request to the lab's service that makes three calls to a downstream."""
    series(address, f"/calls/{kind}", 1)  # opens the connections to the downstream before the measurement
    return median(total(series(address, f"/calls/{kind}", 1)) for _ in range(TIMES))


def run(setting: Setting) -> Finding:
    """Measure three calls one after the other and at once, and draw both times."""
    found = {}
    for kind, name in NAMES.items():
        found[kind] = measure(setting.address, kind)
        setting.note(f"{name}: {found[kind]:.3f} s")
    rows = [[name, milliseconds(found[kind]), f"{found[kind] / DELAY:.2f}"] for kind, name in NAMES.items()]
    bars = [
        (BLOCKING, NAMES["in-a-row"], found["in-a-row"]),
        (ASYNC, NAMES["gather"], found["gather"]),
    ]
    in_a_row, together = (found[kind] / DELAY for kind in NAMES)
    return Finding(
        f"In a row the calls took {in_a_row:.2f} times one call, together {together:.2f} times.",
        Table("Three calls of 100 ms", ["how", "took", "times one call"], rows),
        [plots.times("Three calls of 100 ms", bars)],
    )


EXPERIMENT = Experiment(
    name="gather",
    title="Three calls: in a row, or together",
    expect=(
        "`await` one call after the other and the waits add up: 300 ms. None of them needs the result of another, so "
        "`asyncio.gather` or a task group starts all three, and the request takes as long as the slowest: 100 ms."
    ),
    difference=(
        "More than 100 ms for the three together is the CPU of the HTTP client. If it came near 300 ms, something "
        "would let only one call through at a time: a client with one connection, a lock, a blocked loop on the other "
        "side."
    ),
    run=run,
)
