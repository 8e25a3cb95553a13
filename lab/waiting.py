"""Experiment `waiting`: a wait of 50 ms in four ways, under a growing number of concurrent requests."""

import asyncio
import time
from collections.abc import Mapping

from drawing.charts import Figure, Points
from drawing.tables import Table
from lab import plots
from lab.client import Answer, series, total
from lab.experiment import ASYNC, BLOCKING, OWN, POOL, TWICE, Experiment, Finding, Setting

DELAY, TOKENS = 0.05, 40
CONCURRENT = (1, 20, 40, 100, 200)
BLOCKING_UP_TO = 40
TIMES = 3

KINDS = {"async": ASYNC, "blocking": BLOCKING, "sync": POOL, "offloaded": OWN}
NAMES = {
    ASYNC: "async sleep",
    BLOCKING: "blocking in async",
    POOL: "sync route",
    OWN: "offloaded to 40 threads",
}
LEGEND = {series: name for series, name in NAMES.items() if series != BLOCKING} | {
    TWICE: "sync route with a response model"
}
PUBLISHED = {
    20: {"async": 0.055, "blocking": 1.109, "sync": 0.071, "offloaded": 0.062},
    100: {"async": 0.076, "sync": 0.193, "offloaded": 0.196},
}
"""Seconds that a published run of the same test took, to compare with."""

Totals = Mapping[tuple[str, int], float]


def run(setting: Setting) -> Finding:
    """Measure the four ways to wait, and draw the answers and the totals."""
    found: dict[tuple[str, int], float] = {}
    last: dict[str, list[Answer]] = {}
    for kind in KINDS:
        for count in CONCURRENT:
            if kind == "blocking" and count > BLOCKING_UP_TO:
                continue
            runs = [series(setting.address, f"/wait/{kind}", count) for _ in range(1 if setting.quick else TIMES)]
            last[kind] = sorted(runs, key=total)[len(runs) // 2]  # the run with the median time, for all numbers
            found[kind, count] = total(last[kind])
            setting.note(f"{kind}, {count} at once: {found[kind, count]:.3f} s")
    last["modelled"] = series(setting.address, "/wait/modelled", max(CONCURRENT))
    return Finding(_sentence(found), _table(found), [_answers(last), _totals(found)])


def bare(count: int) -> float:
    """Return the seconds of concurrent sleeps in this process, which show the overhead of asyncio alone."""

    async def sleeps() -> None:
        await asyncio.gather(*(asyncio.sleep(DELAY) for _ in range(count)))

    started = time.perf_counter()
    asyncio.run(sleeps())
    return time.perf_counter() - started


def batches(count: int) -> int:
    """Return how many batches the 40 threads need to serve a number of requests."""
    return -(-count // TOKENS)


def _sentence(found: Totals) -> str:
    most, few = max(CONCURRENT), BLOCKING_UP_TO
    times = {case: seconds / DELAY for case, seconds in found.items()}
    return (
        f"With {most} requests at once the async route took {times['async', most]:.1f} times the wait (as many bare "
        f"sleeps take {bare(most) / DELAY:.1f} times), and the sync route {times['sync', most]:.1f} times: "
        f"{batches(most)} batches of {TOKENS}. Blocking took {times['blocking', few]:.1f} times the wait for {few} "
        f"requests. More were not tried: {most} would block the service for {most * DELAY:.0f} s."
    )


def _table(found: Totals) -> Table:
    rows = []
    for count in CONCURRENT:
        cells = [f"{found[kind, count]:.3f} s" if (kind, count) in found else "skipped" for kind in KINDS]
        rows.append([str(count), *cells])
        if count in PUBLISHED:
            published = PUBLISHED[count]
            rows.append(
                [f"{count}, published", *(f"{published[kind]:.3f} s" if kind in published else "-" for kind in KINDS)]
            )
    return Table("Until the last answer", ["at once", *(NAMES[series] for series in KINDS.values())], rows)


def _answers(last: Mapping[str, list[Answer]]) -> Figure:
    ends = {
        KINDS.get(kind, TWICE): [
            (number, end * 1000) for number, end in enumerate(sorted(answer.ended for answer in answers), start=1)
        ]
        for kind, answers in last.items()
        if kind != "blocking"
    }
    subject = f"Time until the last of {max(CONCURRENT)} answers"
    return plots.dots(subject, "answers, in the order of their arrival", ends, LEGEND)


def _totals(found: Totals) -> Figure:
    of_kind = {
        colour: [(count, seconds * 1000) for (way, count), seconds in found.items() if way == kind]
        for kind, colour in KINDS.items()
    }

    def at_the_most_blocking(points: Points) -> float:
        return dict(points)[BLOCKING_UP_TO]

    subject = f"Time until the last answer to {BLOCKING_UP_TO} requests at once"
    return plots.lines(subject, "requests at once", of_kind, NAMES, at_the_most_blocking)


EXPERIMENT = Experiment(
    name="waiting",
    title="Fifty milliseconds of waiting, four ways",
    expect=(
        "`await asyncio.sleep` gives the event loop back, so all requests wait together and take about 50 ms, whatever "
        "their number. `time.sleep` in an `async def` keeps the loop: n requests take n times 50 ms, and nothing else "
        "is answered meanwhile. A route with plain `def` runs in one of 40 threads, so 100 requests need three batches "
        "of 50 ms. With a response model, FastAPI checks what such a route returned in a thread again: each request "
        "then queues twice, and the first answer comes after all waits. An offload to threads with a limiter of its "
        "own has the same batches, but leaves FastAPI's threads alone."
    ),
    difference=(
        "A higher async time at 100 and 200 is the CPU that each request costs; on a slow or busy machine it grows "
        "with the count. Batches that are longer than 50 ms mean that threads waited for a CPU. If blocking were not n "
        "times 50 ms, something would have offloaded it."
    ),
    run=run,
)
