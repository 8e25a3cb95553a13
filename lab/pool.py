"""Experiment `pool`: forty clients share five connections, with SQLAlchemy's own queue and with a FIFO bulkhead."""

from statistics import quantiles

from drawing.tables import Table
from lab import plots
from lab.client import Answer, series, total
from lab.experiment import ASYNC, BLOCKING, Experiment, Finding, Setting, milliseconds

CLIENTS, ROUNDS = 40, 5
CONNECTIONS, HELD = 5, 2 * 0.02
KINDS = {"sqlalchemy": BLOCKING, "bulkhead": ASYNC}
NAMES = {BLOCKING: "SQLAlchemy's own queue", ASYNC: "bulkhead, first come first served"}


def measure(address: str, kind: str, rounds: int = ROUNDS) -> list[Answer]:
    """Let each client send `rounds` requests, each as soon as the previous request is answered."""
    series(address, f"/pool/{kind}", CONNECTIONS)  # opens the database connections before the measurement
    return series(address, f"/pool/{kind}", CLIENTS, rounds=rounds)


def percentiles(answers: list[Answer]) -> dict[str, float]:
    """Return the fastest, the slowest and some percentiles of the latencies, in seconds."""
    seconds = sorted(answer.seconds for answer in answers)
    cuts = quantiles(seconds, n=100, method="inclusive")
    return {"fastest": seconds[0], "p50": cuts[49], "p90": cuts[89], "p99": cuts[98], "slowest": seconds[-1]}


def run(setting: Setting) -> Finding:
    """Measure SQLAlchemy's queue and the bulkhead's queue, and draw the latencies."""
    found = {}
    for kind, colour in KINDS.items():
        found[kind] = measure(setting.address, kind)
        setting.note(f"{NAMES[colour]}: p50 {milliseconds(percentiles(found[kind])['p50'])}")
    rows = [
        [NAMES[colour], milliseconds(total(found[kind])), *map(milliseconds, percentiles(found[kind]).values())]
        for kind, colour in KINDS.items()
    ]
    own, fair = percentiles(found["sqlalchemy"]), percentiles(found["bulkhead"])
    answers = {colour: found[kind] for kind, colour in KINDS.items()}
    sentence = (
        f"Both served the same number of requests, in {milliseconds(total(found['sqlalchemy']))} and "
        f"{milliseconds(total(found['bulkhead']))}. In SQLAlchemy's queue the slowest request waited {spread(own):.0f} "
        f"times as long as the fastest, and the p99 was {milliseconds(own['p99'])}; in the bulkhead's queue "
        f"{spread(fair):.1f} times, as the first requests met an empty queue, and {milliseconds(fair['p99'])}."
    )
    return Finding(
        sentence,
        Table(
            f"{CLIENTS} clients, {CONNECTIONS} connections, two statements of 20 ms each",
            ["queue", "in all", *own],
            rows,
        ),
        [plots.latencies("Slowest wait for a connection", "the start", answers, NAMES)],
    )


def spread(found: dict[str, float]) -> float:
    """Return the slowest latency as a multiple of the fastest, which shows how unfair a queue is."""
    return found["slowest"] / found["fastest"]


EXPERIMENT = Experiment(
    name="pool",
    title="More requests than connections",
    expect=(
        "Each request needs a connection twice for 20 ms and there are five, so forty clients wait in a queue: forty "
        "times 40 ms, divided by five, is 320 ms for each, whatever the queue does. The queue decides how "
        "the waiting is divided. In SQLAlchemy's queue, a request that just gave its connection back takes the next "
        "connection before the requests that wait, which then go to the end: some take 40 ms, some twice the mean. A "
        "bulkhead that gives each connection to the request that has waited longest makes all wait alike."
    ),
    difference=(
        "Higher numbers in both rows are a slower database or a busy machine. If the bulkhead's fastest and "
        "slowest were far apart after the first round, its queue would not be first come, first served."
    ),
    run=run,
    database=True,
)
