"""Counts the callers that wait for a database connection."""

from app.limits.quotas import Quotas


def count_waiting(quotas: Quotas) -> int:
    """Return how many callers wait for a database connection, over the quotas of all route groups."""
    return sum(quota.queued for quota in quotas.by_name.values())
