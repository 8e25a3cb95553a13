"""Baselines: programs with the same tables and the same responses, with which the service is compared."""
