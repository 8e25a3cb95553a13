"""Quantities of Kubernetes as numbers: CPUs, bytes, seconds, and percentages of a number of replicas."""

import math

BYTES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 10**3, "M": 10**6, "G": 10**9}
SECONDS = {"s": 1, "m": 60, "h": 3600}


def cpus(quantity: str | float) -> float:
    """Return the number of CPUs of a quantity such as 1500m or 2."""
    text = str(quantity)
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


def memory_bytes(quantity: str | int) -> float:
    """Return the bytes of a quantity such as 512Mi."""
    text = str(quantity)
    unit = next((unit for unit in BYTES if text.endswith(unit)), "")
    return float(text.removesuffix(unit)) * BYTES.get(unit, 1)


def duration_seconds(duration: str) -> float:
    """Return the seconds of a duration of Prometheus such as 15s or 5m."""
    return float(duration[:-1]) * SECONDS[duration[-1]]


def replicas_of(number: str | int, replicas: int) -> int:
    """Return a count of replicas that is given as a number, or as a percentage of all replicas, which is rounded up."""
    text = str(number)
    return math.ceil(replicas * float(text[:-1]) / 100) if text.endswith("%") else int(text)
