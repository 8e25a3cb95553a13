"""Titles of charts, computed from the drawn bars or points, so that no title contradicts its chart."""

from collections.abc import Callable, Mapping, Sequence

from .charts import Bar, Points

EQUAL = 1.05
"""The ratio of largest to smallest value below which a chart's title calls the values equal."""


def title_of_bars(subject: str, rows: Sequence[Bar]) -> str:
    """Return a title that names the shortest and the longest bar, with the ratio of the two."""
    least, most = (choose(rows, key=lambda row: row.value) for choose in (min, max))
    if most.value < EQUAL * least.value:
        return f"{subject}: about {most.label} each"
    return (
        f"{subject}: least {least.label} ({least.name}), most {most.label} ({most.name}), "
        f"{most.value / least.value:.1f} times as much"
    )


def title_of_points(
    subject: str,
    series: Mapping[str, Points],
    names: Mapping[str, str],
    value: Callable[[Points], float],
    write: Callable[[float], str],
) -> str:
    """Return a title with a value of each series.

    Args:
        subject: the start of the title.
        series: the drawn points, by series.
        names: the name of each series.
        value: computes the value of a series from the drawn points.
        write: writes the value, with the unit.
    """
    values = (f"{write(value(points))} ({names[key]})" for key, points in series.items() if points)
    return f"{subject}: {', '.join(values)}"


def highest(points: Points) -> float:
    """Return the value of the highest point of a chart's series."""
    return max(y for _, y in points)


def last(points: Points) -> float:
    """Return the value of the last point of a chart's series."""
    return points[-1][1]
