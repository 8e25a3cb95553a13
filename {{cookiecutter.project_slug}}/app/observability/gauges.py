"""Gauges as plain functions, for modules that gunicorn's master imports, in which no metric may be created.

A metric needs the folder that the master creates later. So each worker's sampler copies these gauges into metrics.
"""

from collections.abc import Callable

GAUGES: dict[str, tuple[str, Callable[[], float]]] = {}
"""The gauges by the name of the metric: the help text, and a function that returns the number. A metric whose name ends
in `_total` is a counter."""
