"""Limits for all parts of the service: bulkhead, connection quotas, token bucket, and best-effort calls."""
