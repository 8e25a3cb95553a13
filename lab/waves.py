"""The 50 ms test: the same wait in four ways, under ever more requests at once."""

import asyncio
import time
from collections.abc import Mapping
from statistics import median

from benchmarks.drawing import Axis, Frame
from benchmarks.report import Table

from lab import plots
from lab.client import Answer, series, total
from lab.experiment import ASYNC, BLOCKING, OWN, POOL, TWICE, Experiment, Figure, Finding, Setting

DELAY, TOKENS = 0.05, 40
AT_ONCE = (1, 20, 40, 100, 200)
BLOCKING_UP_TO = 40
TIMES = 3

KINDS = {"async": ASYNC, "blocking": BLOCKING, "sync": POOL, "offloaded": OWN}
NAMES = {
    ASYNC: "async sleep",
    BLOCKING: "blocking in async",
    POOL: "sync route",
    OWN: "offloaded, 40 threads of its own",
}
LEGEND = {kind: name for kind, name in NAMES.items() if kind != BLOCKING} | {TWICE: "sync route with a response model"}
PUBLISHED = {
    20: {"async": 0.055, "blocking": 1.109, "sync": 0.071, "offloaded": 0.062},
    100: {"async": 0.076, "sync": 0.193, "offloaded": 0.196},
}
"""Seconds of somebody else's run of the same test, to compare with."""

Totals = Mapping[tuple[str, int], float]


def run(setting: Setting) -> Finding:
    """Measure all and draw it."""
    found: dict[tuple[str, int], float] = {}
    last: dict[str, list[Answer]] = {}
    for kind in KINDS:
        for count in AT_ONCE:
            if kind == "blocking" and count > BLOCKING_UP_TO:
                continue
            runs = [series(setting.address, f"/wait/{kind}", count) for _ in range(1 if setting.quick else TIMES)]
            found[kind, count], last[kind] = median(map(total, runs)), min(runs, key=total)
            setting.note(f"{kind}, {count} at once: {found[kind, count]:.3f} s")
    last["modelled"] = series(setting.address, "/wait/modelled", max(AT_ONCE))
    return Finding(_sentence(found), _table(found), [_waves(last), _totals(found)])


def bare(count: int) -> float:
    """Return the seconds of so many sleeps in this process: what asyncio itself adds to the wait, on this machine."""

    async def all_of_them() -> None:
        await asyncio.gather(*(asyncio.sleep(DELAY) for _ in range(count)))

    started = time.perf_counter()
    asyncio.run(all_of_them())
    return time.perf_counter() - started


def waves(count: int) -> int:
    """Return how often the threads have to be filled for so many requests."""
    return -(-count // TOKENS)


def _sentence(found: Totals) -> str:
    most, few = max(AT_ONCE), BLOCKING_UP_TO
    times = {case: seconds / DELAY for case, seconds in found.items()}
    return (
        f"With {most} requests at once the async route took {times['async', most]:.1f} times the wait (so many bare "
        f"sleeps take {bare(most) / DELAY:.1f} times), and the sync route {times['sync', most]:.1f} times: "
        f"{waves(most)} waves of {TOKENS}. Blocking took {times['blocking', few]:.1f} times the wait for {few} "
        f"requests. More were not tried: {most} would keep the service from all else for {most * DELAY:.0f} s."
    )


def _table(found: Totals) -> Table:
    rows = []
    for count in AT_ONCE:
        cells = [f"{found[kind, count]:.3f} s" if (kind, count) in found else "skipped" for kind in KINDS]
        rows.append([str(count), *cells])
        if count in PUBLISHED:
            theirs = PUBLISHED[count]
            rows.append(
                [f"{count}, published", *(f"{theirs[kind]:.3f} s" if kind in theirs else "-" for kind in KINDS)]
            )
    return Table("Until the last answer", ["at once", *(NAMES[kind].split(",")[0] for kind in KINDS.values())], rows)


def _waves(last: Mapping[str, list[Answer]]) -> Figure:
    ends = {
        KINDS.get(kind, TWICE): [
            (place, end * 1000) for place, end in enumerate(sorted(one.ended for one in answers), start=1)
        ]
        for kind, answers in last.items()
        if kind != "blocking"
    }
    caption = f"Threads answer {max(AT_ONCE)} requests in waves of {TOKENS}; the event loop answers them all at once"
    return plots.dots(caption, "answers, in the order in which they came", ends, LEGEND)


def _totals(found: Totals) -> Figure:
    of_kind = {
        colour: [(count, seconds * 1000) for (one, count), seconds in found.items() if one == kind]
        for kind, colour in KINDS.items()
    }
    up = Axis(
        "milliseconds until the last answer, logarithmic", (20, 50, 100, 200, 500, 1000, 2000, 5000), logarithmic=True
    )
    frame = Frame(Axis("requests at once", AT_ONCE), up, plots.HEIGHT)
    return plots.lines("A blocked loop serves one request after the other, however many come", frame, of_kind, NAMES)


EXPERIMENT = Experiment(
    name="waves",
    title="Fifty milliseconds of waiting, four ways",
    expect=(
        "`await asyncio.sleep` gives the event loop back, so all requests wait together and take about 50 ms however "
        "many they are. `time.sleep` in an `async def` keeps the loop: n requests take n times 50 ms, and nothing else "
        "is answered meanwhile. A route with plain `def` runs in one of 40 threads, so 100 requests need three waves "
        "of 50 ms. With a response model, FastAPI checks what such a route returned in a thread again: each request "
        "then queues twice, and the first answer comes after everybody's wait. An offload to threads with a limiter of "
        "its own has the same waves, but leaves FastAPI's threads alone."
    ),
    difference=(
        "A higher async time at 100 and 200 is the CPU that each request costs; on a slow or busy machine it grows "
        "with the count. Waves that are longer than 50 ms mean that threads waited for a CPU. If blocking were not n "
        "times 50 ms, something would have offloaded it."
    ),
    run=run,
)
