"""Fault tests: they break the service's processes, the database or a downstream under load, and check responses."""
