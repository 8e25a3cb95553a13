"""Replacements that switch off one defence of the service, for `python -m tests.faults.ablate`."""
