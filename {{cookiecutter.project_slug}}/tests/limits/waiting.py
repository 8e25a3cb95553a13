"""Counts the callers that wait for a database connection."""

from app.limits.quotas import Quotas


def count_waiting(quotas: Quotas) -> int:
    """Return the number of waiting callers over all quotas."""
    return sum(quota.queued for quota in quotas.by_name.values())
