"""Draw what the bench found: bars and a line."""

from benchmarks.drawing import Axis, Bar, Frame, bars, short
from benchmarks.growth import Growth
from benchmarks.results import Case, Results

TICKS = 4


def programs(results: Results, case: Case, value: str, unit: str) -> str:
    """Draw the median of each program as a bar, and its rounds as dots."""
    rows = []
    for variant in results.variants(case):
        middle = results.middle(case, variant, value)
        label = f"{short(middle)} {unit}"
        rows.append(Bar(variant, middle, label, results.each(case, variant, value), kind=variant))
    return bars(rows)


def line(growth: Growth) -> str:
    """Draw memory over requests, and the straight line through what counts."""
    most = growth.points[-1][0]
    sizes = [size for _, size in growth.points]
    up = Axis("MB", (int(min(sizes)) - 1, int(max(sizes)) + 2))
    frame = Frame(Axis("requests", [most * tick / TICKS for tick in range(TICKS + 1)]), up)
    ends = [(sent, growth.at(sent)) for sent in (growth.settled[0][0], growth.settled[-1][0])]
    return frame.draw(frame.path(ends, "fit") + frame.dots(growth.points))
