"""Tests behind a real PgBouncer in transaction mode. They are skipped where it is not installed, and fail in CI."""
