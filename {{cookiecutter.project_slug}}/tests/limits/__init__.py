"""Tests of the bulkhead, which bounds the concurrent and the queued callers of a resource."""
