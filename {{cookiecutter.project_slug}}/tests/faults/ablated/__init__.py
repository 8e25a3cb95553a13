"""Replacements for defences of the service, by which `python -m tests.faults.ablate` switches a defence off."""
