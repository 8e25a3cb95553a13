"""Readiness: the checks of database, schema, role and capacity before a process may receive traffic."""
