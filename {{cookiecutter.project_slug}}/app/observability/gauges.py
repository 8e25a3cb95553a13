"""Gauges as plain functions, for modules that gunicorn's master process imports.

These modules cannot create metrics of prometheus_client, because a metric needs a folder that the master creates later.
So the sampler of each worker copies these gauges into metrics once a second.
"""

from collections.abc import Callable

GAUGES: dict[str, tuple[str, Callable[[], float]]] = {}
"""Maps the name of a metric to the help text, and to a function that returns the current number. A metric whose name
ends in `_total` is a counter."""
