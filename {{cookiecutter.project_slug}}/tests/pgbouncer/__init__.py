"""Tests of the service behind a real PgBouncer in transaction mode; skipped on a machine without PgBouncer."""
