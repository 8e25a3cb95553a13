"""Experiment `downstream`: calls to a slow and a fast downstream, without and with a bulkhead for the slow calls."""

from statistics import quantiles

from drawing.charts import Points
from drawing.tables import Table
from lab import plots
from lab.client import OK, Answer, Load, together
from lab.experiment import ASYNC, BLOCKING, Experiment, Finding, Setting, milliseconds

SLOW, FAST, EVERY = 100, 40, 0.025
DELAY = 0.01
KINDS = {"without": BLOCKING, "with": ASYNC}
NAMES = {BLOCKING: "without a bulkhead", ASYNC: "with a bulkhead of 10"}


def measure(address: str, kind: str) -> tuple[list[Answer], list[Answer]]:
    """Return the answers to slow requests and to fast requests: each request calls a slow or a fast downstream."""
    slow, fast = together(address, Load(f"/calls/slow/{kind}", SLOW), Load("/calls/fast", FAST, EVERY))
    return slow, fast


def middle_and_high(answers: list[Answer]) -> tuple[float, float]:
    """Return the 50th and the 95th percentile of the latencies, in seconds."""
    cuts = quantiles((answer.seconds for answer in answers), n=20, method="inclusive")
    return cuts[9], cuts[18]


def p95(points: Points) -> float:
    """Return the 95th percentile of the latencies in a plot."""
    return quantiles((latency for _, latency in points), n=20, method="inclusive")[18]


def run(setting: Setting) -> Finding:
    """Measure without and with a bulkhead for the slow downstream, and draw the latencies of the fast downstream."""
    found = {}
    for kind, colour in KINDS.items():
        found[kind] = measure(setting.address, kind)
        setting.note(
            f"{NAMES[colour]}: the fast downstream took {milliseconds(middle_and_high(found[kind][1])[1])} at p95"
        )
    rows = []
    for kind, colour in KINDS.items():
        slow, fast = found[kind]
        served = sum(answer.status == OK for answer in slow)
        rows.append([NAMES[colour], *map(milliseconds, middle_and_high(fast)), str(served), str(SLOW - served)])
    fast_answers = {colour: found[kind][1] for kind, colour in KINDS.items()}
    without, bounded = (milliseconds(middle_and_high(found[kind][1])[1]) for kind in KINDS)
    return Finding(
        f"The p95 of the fast downstream was {without} without the bulkhead and {bounded} with it.",
        Table(
            f"{SLOW} requests for a downstream of 250 ms, beside {FAST} for a downstream of 10 ms",
            ["slow downstream", "fast: p50", "fast: p95", "slow: answered", "slow: refused"],
            rows,
        ),
        [
            plots.latencies(
                "p95 of the fast downstream", "the requests for the slow downstream came", fast_answers, NAMES, p95
            )
        ],
    )


EXPERIMENT = Experiment(
    name="downstream",
    title="A slow downstream beside a fast downstream",
    expect=(
        "A hundred requests come that need a downstream of 250 ms, through a client of twenty connections that a fast "
        "downstream is called with too. Nothing blocks the event loop, and yet without a limit the slow calls hold all "
        "connections, and the fast calls, of 10 ms, queue behind them for up to a second. A bulkhead, here a semaphore "
        "of ten with a short queue, leaves ten connections free; a request beyond the queue gets 503 at once instead "
        "of a wait."
    ),
    difference=(
        "A fast downstream that stays fast without the bulkhead means that the connections were enough. If it is slow "
        "with the bulkhead too, something else is shared: the CPU, the database, a lock."
    ),
    run=run,
)
