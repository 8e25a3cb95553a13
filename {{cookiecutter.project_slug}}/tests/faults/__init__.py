"""Tests of faults: break the processes of the service, the database or a downstream under load, and check responses."""
