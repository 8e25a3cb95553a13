"""Bulkhead and token bucket: bounds on concurrency and frequency that know neither HTTP nor databases."""
