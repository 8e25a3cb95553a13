"""Plots of a comparison: bars for the programs, and a line for memory growth."""

from benchmarks.memory_growth import MemoryGrowth
from benchmarks.results import Case, Results
from benchmarks.soak_test import sentence
from benchmarks.variants import SERVICE
from drawing.charts import Bar, Figure, bars, short
from drawing.frames import Axis, Frame
from drawing.titles import title_of_bars

TICKS = 4


def programs(results: Results, case: Case, value: str, subject: str, unit: str) -> Figure:
    """Draw each program's median as a bar, and the figures of the rounds as dots."""
    rows = []
    for variant in results.variants(case):
        middle = results.middle(case, variant, value)
        label = f"{short(middle)} {unit}"
        rows.append(Bar(variant, middle, label, results.each(case, variant, value), series=variant))
    return Figure(title_of_bars(subject, rows), bars(rows))


def memory(growth: MemoryGrowth) -> Figure:
    """Draw a service's memory over requests as dots, with a regression line through the readings with full caches."""
    most = growth.points[-1][0]
    sizes = [size for _, size in growth.points]
    up = Axis("MB", (int(min(sizes)) - 1, int(max(sizes)) + 2))
    frame = Frame(Axis("requests", [most * tick / TICKS for tick in range(TICKS + 1)]), up)
    ends = [(sent, growth.at(sent)) for sent in (growth.settled[0][0], growth.settled[-1][0])]
    drawn = [frame.line(ends, SERVICE), frame.dots(growth.points, SERVICE)]
    return frame.figure(sentence(growth), drawn, {SERVICE: "all workers together, and the line through them"})
