"""Tests of the readiness checks: the schema's revision, and the capacity plan against PostgreSQL's limits."""
