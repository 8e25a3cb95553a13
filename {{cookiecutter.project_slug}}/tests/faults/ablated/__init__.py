"""Replacements that switch off a defence of the service, for `python -m tests.faults.ablate`."""
