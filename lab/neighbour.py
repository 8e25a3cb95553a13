"""A slow service beside a fast one, through one HTTP client, without and with a semaphore for the slow one."""

from statistics import quantiles

from benchmarks.report import Table

from lab import plots
from lab.client import OK, Answer, Load, together
from lab.experiment import ASYNC, BLOCKING, Experiment, Finding, Setting, milliseconds

SLOW, FAST, EVERY = 100, 40, 0.025
DELAY = 0.01
KINDS = {"without": BLOCKING, "with": ASYNC}
NAMES = {BLOCKING: "without a semaphore", ASYNC: "with a semaphore of 10"}


def measure(address: str, kind: str) -> tuple[list[Answer], list[Answer]]:
    """Return the answers to the requests that need the slow service, and to those that need the fast one."""
    slow, fast = together(address, Load(f"/calls/slow/{kind}", SLOW), Load("/calls/fast", FAST, EVERY))
    return slow, fast


def middle_and_high(answers: list[Answer]) -> tuple[float, float]:
    """Return p50 and p95 in seconds."""
    cuts = quantiles((answer.seconds for answer in answers), n=20, method="inclusive")
    return cuts[9], cuts[18]


def run(setting: Setting) -> Finding:
    """Measure both and draw it."""
    found = {}
    for kind, colour in KINDS.items():
        found[kind] = measure(setting.address, kind)
        setting.note(
            f"{NAMES[colour]}: the fast service took {milliseconds(middle_and_high(found[kind][1])[1])} at p95"
        )
    rows = []
    for kind, colour in KINDS.items():
        slow, fast = found[kind]
        served = sum(answer.status == OK for answer in slow)
        rows.append([NAMES[colour], *map(milliseconds, middle_and_high(fast)), str(served), str(SLOW - served)])
    fast_ones = {colour: found[kind][1] for kind, colour in KINDS.items()}
    caption = "The semaphore of the slow service is what keeps the fast one fast"
    without, having = (middle_and_high(found[kind][1])[1] for kind in KINDS)
    return Finding(
        f"The fast service's p95 was {milliseconds(without)} without the semaphore and {milliseconds(having)} with it.",
        Table(
            f"{SLOW} requests for a service of 250 ms, beside some for one of 10 ms",
            ["slow service", "fast: p50", "fast: p95", "slow: answered", "slow: refused"],
            rows,
        ),
        [plots.latencies(caption, "the slow service's requests came", fast_ones, NAMES)],
    )


EXPERIMENT = Experiment(
    name="neighbour",
    title="A slow service beside a fast one",
    expect=(
        "A hundred requests come that need a service of 250 ms, through a client of twenty connections that a fast "
        "service is called with too. Nothing blocks the event loop, and yet without a limit the slow calls hold all "
        "connections and the fast ones, of 10 ms, queue behind them for up to a second. A semaphore of ten, with a "
        "short queue, leaves ten connections free; who is beyond the queue gets 503 at once instead of a wait."
    ),
    difference=(
        "A fast service that stays fast without the semaphore means that the connections were enough. One that is slow "
        "with it too means that something else is shared: the CPU, the database, a lock."
    ),
    run=run,
)
