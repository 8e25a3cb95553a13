"""Tests of `app/limits`: a bulkhead bounds the callers of a resource, and quotas divide the connection pool."""
