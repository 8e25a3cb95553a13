"""Tests of the capacity plan (workers, pool sizes, queues) and of the command that prints the plan."""
