"""Baselines: programs with the same tables and the same answers, which the service is compared with."""
