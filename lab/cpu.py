"""Experiment `cpu`: Python code that computes on the event loop, in threads and in processes, beside quick requests."""

from drawing.tables import Table
from lab import plots
from lab.client import OK, Answer, Load, series, together, total
from lab.experiment import ASYNC, BLOCKING, POOL, Experiment, Finding, LabError, Setting, milliseconds

CALLS = 8
TIMES = 3
GREETINGS, EVERY = 40, 0.01
KINDS = {"loop": BLOCKING, "threads": POOL, "processes": ASYNC}
NAMES = {BLOCKING: "on the event loop", POOL: "in threads", ASYNC: "in processes"}


def measure(address: str, kind: str) -> tuple[list[Answer], list[Answer]]:
    """Return the answers to the requests that compute, and to the quick requests for a greeting meanwhile.

    Raises:
        LabError: at least one request was refused or failed.
    """
    if kind == "processes":
        series(address, f"/compute/{kind}", CALLS)  # a worker process takes a while to start
    work, greetings = together(address, Load(f"/compute/{kind}", CALLS), Load("/hello", GREETINGS, EVERY))
    if any(answer.status != OK for answer in (*work, *greetings)):
        raise LabError(f"/compute/{kind} was refused.")
    return work, greetings


def run(setting: Setting) -> Finding:
    """Measure computing on the event loop, in threads and in processes, and draw the quick requests and the totals."""
    found = {}
    for kind in KINDS:
        runs = [measure(setting.address, kind) for _ in range(1 if setting.quick else TIMES)]
        found[kind] = min(runs, key=lambda pair: total(pair[0]))  # the run that other programs disturbed least
        setting.note(f"{kind}: {total(found[kind][0]):.3f} s, hello took up to {milliseconds(longest(found[kind][1]))}")
    rows = [
        [NAMES[colour], milliseconds(total(found[kind][0])), milliseconds(longest(found[kind][1]))]
        for kind, colour in KINDS.items()
    ]
    greetings = {colour: found[kind][1] for kind, colour in KINDS.items()}
    sentence = (
        f"Hello waited up to {milliseconds(longest(found['loop'][1]))} behind the loop, up to "
        f"{milliseconds(longest(found['threads'][1]))} beside threads and up to "
        f"{milliseconds(longest(found['processes'][1]))} beside processes."
    )
    return Finding(
        sentence,
        Table(f"{CALLS} calls of about 50 ms of CPU", ["where", "until the last answer", "longest hello"], rows),
        [
            plots.latencies("Longest hello while the service computes", "the computing began", greetings, NAMES),
            plots.times(
                f"Time until the last of {CALLS} calls",
                [(colour, NAMES[colour], total(found[kind][0])) for kind, colour in KINDS.items()],
            ),
        ],
    )


def longest(answers: list[Answer]) -> float:
    """Return the latency of the slowest answer, in seconds."""
    return max(answer.seconds for answer in answers)


EXPERIMENT = Experiment(
    name="cpu",
    title="A loop that computes: event loop, threads, processes",
    expect=(
        "One thread of a Python process computes at a time: it holds the GIL. So eight calls of 50 ms take 400 ms on "
        "the event loop, and the same in threads. On the loop no other request is answered until the last call is "
        "done. Threads let go of the GIL every 5 ms, but only to the next thread that waits for it, so the loop comes "
        "to its turn late and a quick request for a hello is late too. Processes have a GIL each: they divide the time "
        "by the number of CPUs, and the loop is free."
    ),
    difference=(
        "Processes that are no faster mean one CPU, or a CPU that other programs use. A Python without the GIL would "
        "show threads as good as processes."
    ),
    run=run,
)
