"""Limits that any part of the service may use: bulkhead and connection quotas (concurrency), token bucket (rate)."""
