"""Tests of the readiness checks: the revision of the schema, and the capacity plan against the limits of PostgreSQL."""
