"""Forty clients and five connections: SQLAlchemy's own queue against a gate that serves in the order of asking."""

from statistics import quantiles

from benchmarks.report import Table

from lab import plots
from lab.client import Answer, series, total
from lab.experiment import ASYNC, BLOCKING, Experiment, Finding, Setting, milliseconds

CLIENTS, ROUNDS = 40, 5
CONNECTIONS, HELD = 5, 2 * 0.02
KINDS = {"sqlalchemy": BLOCKING, "gate": ASYNC}
NAMES = {BLOCKING: "SQLAlchemy's own queue", ASYNC: "gate, first come first served"}


def measure(address: str, kind: str, rounds: int = ROUNDS) -> list[Answer]:
    """Let each client ask so many times, again as soon as it has its answer."""
    series(address, f"/pool/{kind}", CONNECTIONS)  # opens them
    return series(address, f"/pool/{kind}", CLIENTS, rounds=rounds)


def percentiles(answers: list[Answer]) -> dict[str, float]:
    """Return seconds."""
    seconds = sorted(answer.seconds for answer in answers)
    cuts = quantiles(seconds, n=100, method="inclusive")
    return {"fastest": seconds[0], "p50": cuts[49], "p90": cuts[89], "p99": cuts[98], "slowest": seconds[-1]}


def run(setting: Setting) -> Finding:
    """Measure both and draw it."""
    found = {}
    for kind, colour in KINDS.items():
        found[kind] = measure(setting.address, kind)
        setting.note(f"{NAMES[colour]}: p50 {milliseconds(percentiles(found[kind])['p50'])}")
    rows = [
        [NAMES[colour], milliseconds(total(found[kind])), *map(milliseconds, percentiles(found[kind]).values())]
        for kind, colour in KINDS.items()
    ]
    own, gate = percentiles(found["sqlalchemy"]), percentiles(found["gate"])
    answers = {colour: found[kind] for kind, colour in KINDS.items()}
    caption = "A queue that newcomers may jump is a lottery; a fair one makes equal waits"
    sentence = (
        f"Both served the same number in about the same time. In SQLAlchemy's queue the slowest waited "
        f"{own['slowest'] / own['fastest']:.0f} times as long as the fastest, and its p99 was "
        f"{milliseconds(own['p99'])}; behind the gate {milliseconds(gate['p99'])}, and "
        f"{gate['slowest'] / gate['fastest']:.1f} times, as the first ones met an empty queue."
    )
    return Finding(
        sentence,
        Table(
            f"{CLIENTS} clients, {CONNECTIONS} connections, two statements of 20 ms each",
            ["queue", "in all", *own],
            rows,
        ),
        [plots.latencies(caption, "the start", answers, NAMES)],
    )


EXPERIMENT = Experiment(
    name="pool",
    title="More requests than connections",
    expect=(
        "Each request needs a connection twice for 20 ms and there are five, so forty clients wait in a queue: forty "
        "times 40 ms, divided by five, is 320 ms for each, whatever the queue does. What the queue decides is who "
        "waits. In SQLAlchemy's, a request that just gave its connection back takes the next one before those who "
        "wait, who then go to the end: some take 40 ms, some twice the mean. A gate that hands each place to whoever "
        "has waited longest gives all of them the same."
    ),
    difference=(
        "Higher numbers in both rows are a slower database or a busy machine. If the gate's fastest and slowest were "
        "far apart after the first round, it would not be first come, first served."
    ),
    run=run,
    database=True,
)
