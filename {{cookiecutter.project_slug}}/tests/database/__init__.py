"""Tests of the database layer: connection pool, connection quotas, reader, and sessions with timeouts."""
